"""Traces in a DuckDB file; implements the `TraceReader` and `TraceWriter` ports."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import duckdb
import msgspec

from moat.adapters.duckdb import opinions, queries
from moat.adapters.duckdb.calls import DuckCalls
from moat.adapters.duckdb.conditions import CALLS, kinds_of, reported
from moat.adapters.duckdb.copying import copy_beside, fill, move
from moat.adapters.duckdb.gate import Gate
from moat.adapters.duckdb.opening import connect, make_log
from moat.adapters.duckdb.paging import pages
from moat.adapters.duckdb.repricing import reprice
from moat.adapters.duckdb.retention import steps
from moat.adapters.duckdb.rows import grouped, span_of, spend_of
from moat.adapters.duckdb.sift import Reject, SpanKey, sift, write_clean
from moat.adapters.duckdb.slots import local_slot, slot
from moat.domain.calls import Deployment
from moat.domain.errors import DocumentError, StorageError, Unavailable
from moat.domain.feedback import Feedback, Source
from moat.domain.spans import Span
from moat.ports.traces import (
    Charge,
    Dimension,
    Kept,
    RepriceOrder,
    Repricing,
    Retention,
    Scores,
    Spend,
    TraceFilter,
    Usages,
    Visit,
)

_SLACK = 1024
"""DuckDB wants room for more than the longest line."""

_PAUSE_SECONDS = 0.5
_PATIENCE_SECONDS = 10.0
"""How long whoever reads may keep a compacted file from its place."""

_RETRY_SECONDS = 0.05
"""Between two attempts at a store that another command has open; most have it for a fraction of a second."""


class DuckTraces:
    """The trace store of one process, safe for its threads: each question has a cursor of its own.

    A full disk during a checkpoint makes DuckDB give up its database for good. What was committed is safe; the
    store is opened again for the next question, so that nobody has to restart the server.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self._connection: duckdb.DuckDBPyConnection | None = connection
        self._path = path
        self._closed = False
        self._opening = threading.Lock()
        self._ingesting = threading.Lock()
        self._gate = Gate()
        self._commits = 0

    @classmethod
    def open(cls, path: Path, *, patience: float = 5.0) -> Self:
        """Open or make the store and bring its schema up to date.

        Raises `Unavailable` when another process still has it open after `patience` seconds: DuckDB files have
        one owner, even for reading. Raises `StorageError` for a file that is no DuckDB store, or one from a
        newer Moat.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                return cls(connect(path), path)
            except Unavailable:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_RETRY_SECONDS)

    @property
    def commits(self) -> int:
        """How often this process changed what questions are answered with, since it opened the store."""
        return self._commits

    @property
    def calls(self) -> DuckCalls:
        """Lists and charts of calls."""
        return DuckCalls(self._ask)

    def close(self) -> None:
        """Checkpoint and let go of the file. Idempotent."""
        with self._ingesting, self._opening:
            self._closed = True
            self._drop()

    def search(self, wanted: TraceFilter, limit: int = 50) -> list[Span]:
        """See `TraceReader`."""
        kinds = kinds_of(wanted)
        rows = self._ask(*queries.search(wanted, limit, kinds))
        if not rows and wanted.wide and kinds == CALLS:
            rows = self._ask(*queries.search(wanted, limit, reported(wanted)))
        return [span_of(queries.SLIM_COLUMNS, row) for row in rows]

    def trace(self, trace_or_request_id: str) -> list[Span]:
        """See `TraceReader`."""
        if not trace_or_request_id:
            return []
        found = self._ask(queries.TRACE_OF_REQUEST, [trace_or_request_id])
        rows = self._ask(queries.TRACE, [found[0][0] if found else trace_or_request_id])
        return [span_of(queries.COLUMNS, row) for row in rows]

    def usages(self, by: Sequence[Dimension], wanted: TraceFilter) -> list[Usages]:
        """See `TraceReader`."""
        return [grouped(Usages, len(by), row) for row in self._ask(*queries.usages(by, wanted))]

    def series(
        self, by: Sequence[Dimension], wanted: TraceFilter, step_ns: int, offset_ns: int = 0, timezone: str = ""
    ) -> list[Usages]:
        """See `TraceReader`."""
        start = local_slot(step_ns, timezone, wanted) if timezone else slot(step_ns, offset_ns)
        return [grouped(Usages, len(by), row) for row in self._ask(*queries.usages(by, wanted, step_ns, start))]

    def scores(
        self, by: Sequence[Dimension], wanted: TraceFilter, step_ns: int = 0, offset_ns: int = 0
    ) -> list[Scores]:
        """See `TraceReader`."""
        rows = self._ask(*queries.scores(by, wanted, step_ns, offset_ns))
        return [grouped(Scores, len(by), (*row[:-1], tuple(row[-1]))) for row in rows]

    def feedback(self, trace_or_request_id: str) -> list[Feedback]:
        """See `TraceReader`."""
        if not trace_or_request_id:
            return []
        found = self._ask(queries.TRACE_OF_REQUEST, [trace_or_request_id])
        trace = found[0][0] if found else trace_or_request_id
        whose = [opinions.Whose(*row) for row in self._ask(opinions.WHOSE, [trace])]
        asked = bool(found) or not whose
        requests = [trace_or_request_id] if asked else [one.request_id for one in whose if one.request_id]
        said = opinions.opinions(self._ask(opinions.OF_TRACE, [requests, trace]))
        return opinions.of_trace(said, whose)

    def newest_opinion(self) -> int:
        """Its time; 0 when there is none."""
        ((newest,),) = self._ask("SELECT coalesce(max(at_ns), 0) FROM feedback", [])
        return int(newest)

    def opinions(self, wanted: TraceFilter, limit: int = 50, source: Source | None = None) -> list[Feedback]:
        """See `TraceReader`."""
        return list(opinions.opinions(self._ask(*opinions.of_calls(wanted, limit, source))))

    def sessions(self, wanted: TraceFilter, limit: int = 50) -> list[Visit]:
        """See `TraceReader`."""
        return [
            Visit(**dict(zip(Visit.__struct_fields__, row, strict=True)))
            for row in self._ask(*queries.visits("session", wanted, limit))
        ]

    def users(self, wanted: TraceFilter, limit: int = 50) -> list[Visit]:
        """See `TraceReader`."""
        return [
            Visit(**dict(zip(Visit.__struct_fields__, row, strict=True)))
            for row in self._ask(*queries.visits("user", wanted, limit))
        ]

    def pages(self, wanted: TraceFilter, size: int = 1000) -> Iterator[list[Span]]:
        """See `TraceReader`. What is ingested after the first page is not seen."""
        with self._cursor() as cursor:
            for rows in pages(cursor, wanted, size):
                yield [span_of(queries.COLUMNS, row) for row in rows]

    def kept(self) -> Kept:
        """See `TraceReader`."""
        ((spans, opinions, rejects, first),) = self._ask(queries.KEPT, [])
        sizes = (_size(self._path), _size(Path(f"{self._path}.wal")))
        return Kept(spans=spans, opinions=opinions, rejects=rejects, bytes=sum(sizes), first_ns=first)

    def spending(
        self, by: Sequence[Dimension], wanted: TraceFilter, step_ns: int = 0, offset_ns: int = 0, timezone: str = ""
    ) -> list[Spend]:
        """See `TraceReader`."""
        start = local_slot(step_ns, timezone, wanted) if timezone else slot(step_ns, offset_ns)
        return [spend_of(len(by), row) for row in self._ask(*queries.spending(by, wanted, start))]

    def deployments(self, wanted: TraceFilter) -> list[tuple[str, Deployment]]:
        """See `TraceReader`."""
        rows = self._ask(*queries.deployments(wanted))
        return [(alias, Deployment(provider, model)) for alias, provider, model in rows]

    def repricings(self, limit: int = 50) -> list[Repricing]:
        """See `TraceReader`."""
        return [msgspec.json.decode(entry, type=Repricing) for (entry,) in self._ask(queries.REPRICINGS, [limit])]

    def reprice(self, order: RepriceOrder, price: Callable[[Charge], int | None]) -> Repricing:
        """See `TraceWriter`. What is ingested waits until it is done."""
        with self._ingesting, self._cursor() as cursor:
            make_log(self._path)
            done = reprice(cursor, order, price)
            self._commits += not order.dry_run
            return done

    def ingest_feedback(self, segments: Sequence[Path]) -> int:
        """See `TraceWriter`. Raises `DocumentError` when the disk cannot read one of the segments."""
        found = opinions.Opinions()
        for segment in segments:
            found.take(segment)
        with self._ingesting, self._scratch() as scratch:
            path = scratch / "feedback.ndjson"
            longest = found.write(path)
            with self._cursor() as cursor:
                make_log(self._path)
                cursor.execute("BEGIN")
                for reject in found.rejects:
                    cursor.execute(queries.REJECT, reject)
                new = opinions.insert(cursor, path, longest + _SLACK) if found.latest else 0
                cursor.execute("COMMIT")
                self._commits += bool(new)
                return new

    def expire(self, retention: Retention, *, dry_run: bool = False) -> int:
        """See `TraceWriter`. What is ingested waits for one step at most."""
        with self._cursor() as cursor:
            todo = list(steps(cursor, retention))
        if dry_run:
            return sum(step.spans for step in todo)
        gone = 0
        for step in todo:
            began = time.monotonic()
            with self._ingesting, self._cursor() as cursor:
                make_log(self._path)
                cursor.execute("BEGIN")
                gone += step.take(cursor)
                cursor.execute("COMMIT")
                self._commits += 1
                # A little after each step, and not much at once; not while somebody else writes.
                with suppress(duckdb.TransactionException):
                    cursor.execute("CHECKPOINT")
            # Whoever waits for the lock comes next: without a pause it would be taken again at once.
            time.sleep(min(_PAUSE_SECONDS, time.monotonic() - began))
        return gone

    def backup(self, target: Path) -> None:
        """See `TraceWriter`."""
        with copy_beside(target) as half:
            with self._cursor() as cursor:
                fill(cursor, half)
            move(half, target)

    def compact(self) -> None:
        """Write the file anew without the holes that expired spans left in it, and go on with that one.

        Needs room for both on the disk. What is ingested waits; questions wait for the moment of the change. Raises
        `StorageError`, and `Unavailable` when somebody reads for longer; then the file is as it was.
        """
        with self._ingesting, copy_beside(self._path) as half:
            with self._cursor() as cursor:
                fill(cursor, half)
            with self._gate.alone(_PATIENCE_SECONDS), self._opening:
                self._drop()
                move(half, self._path)

    def ingest(self, segments: Sequence[Path]) -> int:
        """See `TraceWriter`. Raises `DocumentError` when DuckDB or the disk cannot read one of the segments."""
        with self._ingesting:
            try:
                return self._ingest(segments, rewrite=False)
            except DocumentError:
                # A line that msgspec takes and DuckDB does not: one with a key that stands twice.
                return self._ingest(segments, rewrite=True)

    def _ingest(self, segments: Sequence[Path], *, rewrite: bool) -> int:
        seen, rejects, longest, paths = set[SpanKey](), list[Reject](), 0, list[str]()
        with self._scratch() as scratch:
            for number, segment in enumerate(segments):
                sifted = sift(segment, seen)
                path = segment
                if sifted.skip or rewrite:
                    path = scratch / f"{number}.ndjson"
                    write_clean(segment, sifted.skip, path)
                paths.append(str(path))
                rejects.extend(sifted.rejects)
                longest = max(longest, sifted.longest)
            values = [paths, longest + _SLACK, min(seen)[0], max(seen)[0]] if seen else []
            return self._commit(values, rejects)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A folder for files that DuckDB reads instead of segments."""
        try:
            with tempfile.TemporaryDirectory(prefix="moat-ingest-") as scratch:
                yield Path(scratch)
        except OSError as error:
            raise StorageError(f"no room to ingest: {error}", where=error.filename or tempfile.gettempdir()) from error

    def _commit(self, values: list[Any], rejects: list[Reject]) -> int:
        """One transaction; `values` are the parameters of `INGEST`, none when there is no span."""
        with self._cursor() as cursor:
            make_log(self._path)
            cursor.execute("BEGIN")
            for reject in rejects:
                cursor.execute(queries.REJECT, reject)
            new = cursor.execute(queries.INGEST, values).fetchall()[0][0] if values else 0
            cursor.execute("COMMIT")
            self._commits += bool(new)
            return int(new)

    def _ask(self, statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
        with self._cursor() as cursor:
            return cursor.execute(statement, values).fetchall()

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for one transaction; what DuckDB raises is explained."""
        where = str(self._path)
        try:
            with self._gate.inside(), closing(self._connected().cursor()) as cursor:
                yield cursor
        except (duckdb.InvalidInputException, duckdb.OutOfMemoryException) as error:
            raise DocumentError(f"the trace store cannot take it: {error}", where=where) from error
        except duckdb.FatalException as error:
            with self._opening:
                self._drop()
            raise StorageError(f"the trace store failed and is opened anew: {error}", where=where) from error
        except duckdb.Error as error:
            raise StorageError(f"the trace store failed: {error}", where=where) from error

    def _connected(self) -> duckdb.DuckDBPyConnection:
        with self._opening:
            if self._closed:
                raise StorageError("the trace store is closed", where=str(self._path))
            if self._connection is None:
                self._connection = connect(self._path)
            return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
