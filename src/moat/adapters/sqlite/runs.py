"""Eval runs in SQLite."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, get_type_hints

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, Text, case, func, select, tuple_, type_coerce, update
from sqlalchemy.dialects.sqlite import insert

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tables import record
from moat.domain.errors import ConflictError, NotFound, RequestError, StorageError
from moat.domain.scores import Judgement, Result, Run, RunStatus
from moat.ports.runs import RunPage, RunsWanted

_RUN = tables.runs.c
_PAGE = 500
_FIELDS = Result.__struct_fields__
_SAID = ("output", "tool_calls", "messages", "context")
"""Fields that `scored` leaves out."""
_PLACE = tuple_(tables.results.c.case, tables.results.c.repeat)
_TYPES = get_type_hints(Result)
_COLUMNS = {
    name: type_coerce(column, Text) if isinstance(column.type, tables.Json) else column
    for name, column in ((name, tables.results.c[name]) for name in _FIELDS)
}
"""Of a result, JSON as the text that is stored."""
_JSON = {
    name: msgspec.json.Decoder(_TYPES[name]).decode
    for name in _FIELDS
    if isinstance(tables.results.c[name].type, tables.Json)
}


class SqliteRuns:
    """The ports `Runs` and `RunPages`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def start(self, run: Run) -> None:
        """Raises `ConflictError` when the id exists."""
        statement = insert(tables.runs).values(msgspec.structs.asdict(run)).on_conflict_do_nothing()
        with self._state.write() as connection:
            if connection.execute(statement).rowcount == 0:
                raise ConflictError(f"the run {run.id!r} exists already")

    @contextmanager
    def alone(self, run_id: str) -> Iterator[None]:
        """By a lock of the system, beside the database. Raises `ConflictError`, and `StorageError`."""
        with self._state.claim(run_id) as mine:
            if not mine:
                raise ConflictError(
                    "another process works on this run",
                    where=run_id,
                    remedy="Wait until it has ended, or start a run of its own with --fresh.",
                )
            yield

    def add(self, run_id: str, results: Sequence[Result], spent: int = 0) -> None:
        """One transaction; what is there stays as it is. Raises `NotFound` for an unknown run."""
        rows = [{"run": run_id, **msgspec.structs.asdict(result)} for result in results]
        with self._state.write() as connection:
            _update(connection, run_id, spent=func.max(_RUN.spent, spent))
            if rows:
                connection.execute(insert(tables.results).on_conflict_do_nothing(), rows)

    def finish(
        self, run_id: str, status: RunStatus, finished_ns: int, score: float | None, provider: str, spent: int = 0
    ) -> None:
        """Raises `NotFound`."""
        fields = {"status": status, "finished_ns": finished_ns, "score": score, "provider": provider}
        over = _RUN.status == "finished"
        with self._state.write() as connection:
            kept = {name: case((over, _RUN[name]), else_=value) for name, value in fields.items()}
            _update(connection, run_id, **kept, spent=func.max(_RUN.spent, spent))

    def judge(self, judgement: Judgement) -> None:
        """The judgement and the run's verdict in one transaction. Raises `NotFound`."""
        with self._state.write() as connection:
            _update(connection, judgement.run, verdict=judgement.verdict)
            connection.execute(insert(tables.judgements).values(msgspec.structs.asdict(judgement)))

    def judgements(self, run_id: str) -> list[Judgement]:
        """Newest first; empty for an unknown run."""
        table = tables.judgements
        query = select(table).where(table.c.run == run_id).order_by(table.c.position.desc())
        with self._state.read() as connection:
            return [record(row, Judgement) for row in connection.execute(query).mappings()]

    def get(self, run_id: str) -> Run:
        """By id or unambiguous prefix."""
        starts = func.substr(_RUN.id, 1, len(run_id)) == run_id
        with self._state.read() as connection:
            rows = connection.execute(select(tables.runs).where(starts).order_by(_RUN.id).limit(5)).mappings().all()
        found = [record(row, Run) for row in rows]
        if run_id and found and (len(found) == 1 or found[0].id == run_id):
            return found[0]
        if run_id and found:
            ids = ", ".join(run.id for run in found)
            raise NotFound(f"several runs begin with {run_id!r}", remedy=f"Write more of the id: {ids}.")
        raise _unknown(run_id)

    def results(self, run_id: str) -> list[Result]:
        """By case and repeat; empty for an unknown run."""
        return list(self.each(run_id))

    def each(self, run_id: str, cases: Collection[str] | None = None) -> Iterator[Result]:
        """Page by page, each in a transaction of its own: results are only ever added."""
        if cases is None:
            yield from self._pages(run_id, _FIELDS)
            return
        wanted = sorted(cases)
        for start in range(0, len(wanted), _PAGE):
            yield from self._pages(run_id, _FIELDS, tables.results.c.case.in_(wanted[start : start + _PAGE]))

    def scored(self, run_id: str, after: tuple[str, int] | None = None) -> Iterator[Result]:
        """Likewise, of fewer columns."""
        behind = [after < _PLACE] if after is not None else []
        return self._pages(run_id, tuple(name for name in _FIELDS if name not in _SAID), *behind)

    def _pages(self, run_id: str, fields: Sequence[str], *only: ColumnElement[bool]) -> Iterator[Result]:
        columns = tables.results.c
        query = select(*(_COLUMNS[name] for name in fields)).where(columns.run == run_id, *only)
        query = query.order_by(columns.case, columns.repeat).limit(_PAGE)
        page: Select[Any] = query
        while True:
            with self._state.read() as connection:
                rows = connection.execute(page).all()
            yield from (_result(run_id, fields, row) for row in rows)
            if len(rows) < _PAGE:
                return
            page = query.where((rows[-1].case, rows[-1].repeat) < _PLACE)

    def runs(self, *, suite: str = "", prompt: str = "", limit: int = 50) -> list[Run]:
        """Newest first."""
        wanted = [column == value for column, value in ((_RUN.suite, suite), (_RUN.prompt, prompt)) if value]
        return self._newest(wanted, limit)

    def page(self, wanted: RunsWanted, limit: int) -> RunPage:
        """By the time that they began, then their id."""
        filters = [_RUN[name] == value for name in ("suite", "prompt", "version") if (value := getattr(wanted, name))]
        if wanted.verdict:
            filters.append(_RUN.verdict == ("" if wanted.verdict == "none" else wanted.verdict))
        if wanted.author:
            # LIKE would take a NUL for the end of the text.
            filters.append(func.instr(func.lower(_RUN.author), func.lower(wanted.author)) > 0)
        if wanted.like:
            one = self._named(wanted.like, "like")
            filters += [_RUN[name] == getattr(one, name) for name in ("suite", "suite_digest", "dataset_digest")]
            filters.append(_RUN.id != one.id)
        if wanted.before:
            last = self._named(wanted.before, "before")
            filters.append(tuple_(_RUN.created_ns, _RUN.id) < (last.created_ns, last.id))
        found = self._newest(filters, limit + 1)
        return RunPage(runs=tuple(found[:limit]), next=found[limit - 1].id if len(found) > limit else "")

    def find(self, *, suite_digest: str, dataset_digest: str, prompt_digest: str, model: str) -> list[Run]:
        """Runs of exactly this content, newest first."""
        return self._newest(
            [
                _RUN.suite_digest == suite_digest,
                _RUN.dataset_digest == dataset_digest,
                _RUN.prompt_digest == prompt_digest,
                _RUN.model == model,
            ]
        )

    def _named(self, run_id: str, where: str) -> Run:
        with self._state.read() as connection:
            row = connection.execute(select(tables.runs).where(_RUN.id == run_id)).mappings().first()
        if row is None:
            raise RequestError("is no run's id", where=where)
        return record(row, Run)

    def _newest(self, wanted: list[ColumnElement[bool]], limit: int | None = None) -> list[Run]:
        query = select(tables.runs).where(*wanted).order_by(_RUN.created_ns.desc(), _RUN.id.desc()).limit(limit)
        with self._state.read() as connection:
            return [record(row, Run) for row in connection.execute(query).mappings()]


def _result(run_id: str, fields: Sequence[str], row: Row[Any]) -> Result:
    """As `record` would, in a fraction of the time: a run may have a hundred thousand. Raises `StorageError`."""
    values = dict(zip(fields, row, strict=True))
    try:
        for name, decode in _JSON.items():
            if name in values:
                values[name] = decode(values[name]) if values[name] != "[]" else []
    except (msgspec.MsgspecError, TypeError, UnicodeError) as error:
        raise StorageError(
            f"a stored result is damaged: {name} of repeat {values['repeat']} cannot be read: {error}",
            where=f"run {run_id}, case {values['case']}",
            remedy="Run the suite again with --fresh, or restore the database; `moat eval show --case` shows others.",
        ) from error
    return Result(**values)


def _update(connection: Connection, run_id: str, **fields: Any) -> None:
    if connection.execute(update(tables.runs).where(_RUN.id == run_id).values(fields)).rowcount == 0:
        raise _unknown(run_id)


def _unknown(run_id: str) -> NotFound:
    return NotFound(f"no run {run_id!r}", remedy="`moat eval list` and `moat redteam list` show the runs there are.")
