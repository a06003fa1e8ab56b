"""Answers that evaluations may use again, in a SQLite file of their own."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from moat.caching.answers import compact, played
from moat.caching.question import fingerprint, is_cacheable
from moat.domain.calls import Attempt, Call, Delta, Event, Finished
from moat.domain.releases import digest
from moat.ports.cache import Stored

MAX_BYTES = 512 * 2**20
MAX_AGE_DAYS = 30
DAY_NS = 86_400 * 10**9
BUSY_SECONDS = 1.0
GATHER_NS = 200_000_000
"""Between two transactions: answers that come faster are written together."""
LOOK_EVERY = 32
"""Transactions between two looks at the size of all."""

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, made_ns INTEGER NOT NULL, size INTEGER NOT NULL, content BLOB NOT NULL
) WITHOUT ROWID
"""
_DROP_OLD = "DELETE FROM answers WHERE made_ns < ?"
_DROP_MUCH = """
DELETE FROM answers WHERE key IN (
    SELECT key FROM (SELECT key, sum(size) OVER (ORDER BY made_ns DESC, key) AS above FROM answers) WHERE above > ?
)
"""


class _Content(msgspec.Struct):
    pieces: list[Delta]
    end: Finished
    attempt: Attempt


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Content).decode


class SqliteEvalAnswers:
    """Implements `moat.ports.cache.ResponseCache` over runs and processes.

    Any complete answer is kept, with the try that made it: refusals and answers that were cut off too, for they are
    what the target answers. Two repeats are never one answer (`Call.repeat`). The file is disposable: what cannot be
    read is not there, what cannot be written is not kept, a damaged file is begun anew; an evaluation never fails for
    it. The oldest go first when there are too many.
    """

    def __init__(self, path: Path, providers: Mapping[str, str], *, refresh: bool = False, max_bytes: int = MAX_BYTES):
        """`providers`: what stands behind each name that may be cached, since another server is another answer;
        answers of others are not kept. `refresh`: give none, and keep the new ones.
        """
        self._path = path
        self._providers = providers
        self._refresh = refresh
        self._max_bytes = max_bytes
        self._new: dict[bytes, tuple[int, bytes]] = {}
        """Not written yet: when they were kept, and what."""
        self._written_ns = self._writes = 0
        self._file = _opened(path)

    def key(self, call: Call) -> bytes | None:
        """None for what may have another answer each time, and for providers that are not to be cached."""
        deployments = call.plan.deployments if call.plan else ()
        behind = [self._providers.get(deployment.provider) for deployment in deployments]
        if None in behind or not is_cacheable(call, tools=True):
            return None
        return bytes.fromhex(digest([fingerprint(call).hex(), behind]).removeprefix("sha256:"))

    def find(self, call: Call, key: bytes) -> Stored | None:
        """As it was, for a call that wants it in one piece or streamed."""
        if self._refresh:
            return None
        now, found = time.time_ns(), self._new.get(key)
        if found is None:
            with contextlib.suppress(sqlite3.Error):
                found = self._file.execute("SELECT made_ns, content FROM answers WHERE key = ?", (key,)).fetchone()
        if found is None or found[0] < now - MAX_AGE_DAYS * DAY_NS:
            return None
        try:
            content = _decode(found[1])
        except msgspec.MsgspecError:
            return None
        events: Sequence[Event] = [*content.pieces, content.end]
        if call.operation == "chat":
            events = played(events, stream=call.stream)
        return Stored(events, content.attempt.cost or 0, content.attempt)

    def keep(self, call: Call, key: bytes, events: Sequence[Event], cost: int) -> None:
        """Complete answers of which it is known who gave them."""
        attempt = call.journal.answering
        end = events[-1] if events else None
        if attempt is None or not isinstance(end, Finished):
            return
        pieces = compact(events[:-1]) if call.operation == "chat" else events[:-1]
        if call.operation == "chat":
            pieces = played(pieces, stream=False)
        content = _encode(_Content([piece for piece in pieces if isinstance(piece, Delta)], end, attempt))
        now = time.time_ns()
        self._new[key] = now, content
        if now - self._written_ns > GATHER_NS:
            self._flush()

    def forget(self, key: bytes) -> None:
        """Nothing: a run that is repeated is told the same, and what guards do about it is measured anew."""

    def count(self, call: Call) -> None:
        """The run counts."""

    def close(self) -> None:
        """Leave the file, no larger than allowed."""
        self._flush()
        self._make_room()
        with contextlib.suppress(sqlite3.Error):
            self._file.close()

    def _flush(self) -> None:
        rows = [(key, made_ns, len(content), content) for key, (made_ns, content) in self._new.items()]
        self._written_ns, self._new = time.time_ns(), {}
        self._writes += 1
        with contextlib.suppress(sqlite3.Error):
            self._file.execute("BEGIN IMMEDIATE")
            self._file.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)
            self._file.execute("COMMIT")
        if self._file.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._file.execute("ROLLBACK")
        if self._writes % LOOK_EVERY == 0:
            self._make_room()

    def _make_room(self) -> None:
        """Drop what is too old, then the oldest of what is too much."""
        with contextlib.suppress(sqlite3.Error):
            self._file.execute(_DROP_OLD, (time.time_ns() - MAX_AGE_DAYS * DAY_NS,))
            self._file.execute(_DROP_MUCH, (self._max_bytes,))


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return _open(path)
    except sqlite3.DatabaseError:
        for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            with contextlib.suppress(OSError):
                name.unlink(missing_ok=True)
    try:
        return _open(path)
    except sqlite3.Error:
        return _open(Path(":memory:"))


def _open(path: Path) -> sqlite3.Connection:
    if path.name != ":memory:" and not path.exists():
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    file = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=OFF")  # a lost answer is asked again
        file.execute(_TABLE)
    except sqlite3.Error:
        file.close()
        raise
    return file
