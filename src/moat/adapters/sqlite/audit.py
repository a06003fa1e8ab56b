"""The audit log in SQLite."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, delete, func, select, text

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.acting import acting, highest, unguarded
from moat.adapters.sqlite.head import head_path, read_head
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tables import record
from moat.domain.audit import (
    NOTHING,
    Act,
    Anchor,
    AuditQuery,
    Entry,
    Found,
    Verification,
    pruned_subject,
    read_content,
)
from moat.domain.audit_check import Stored, Walk
from moat.domain.errors import ConflictError, NotFound, RequestError, StorageError

_ENTRY = tables.audit.c
_CONTENT = tables.audit_contents.c
_PAGE = 500

# As bytes: what somebody wrote over the file need not be text.
_RAW = text(
    "SELECT a.sequence, a.at_ns, CAST(a.actor AS BLOB), CAST(a.action AS BLOB), CAST(a.subject AS BLOB), "
    "CAST(a.content_digest AS BLOB), CAST(a.previous AS BLOB), CAST(a.digest AS BLOB), CAST(c.content AS BLOB) "
    "FROM audit AS a LEFT JOIN audit_contents AS c ON c.sequence = a.sequence "
    "WHERE a.sequence > :after ORDER BY a.sequence LIMIT :page"
)
_BEGUN_ANEW = "audit.head was lost and begun anew: an anchor kept elsewhere tells what is missing"
_STRAY = text(
    "SELECT c.sequence FROM audit_contents AS c LEFT JOIN audit AS a ON a.sequence = c.sequence "
    "WHERE a.sequence IS NULL ORDER BY 1"
)


class SqliteAudit:
    """The port `AuditStore`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def entries(self, query: AuditQuery, limit: int = 50) -> list[Found]:
        """Newest first."""
        chosen = _chosen(query).order_by(_ENTRY.sequence.desc()).limit(limit)
        with self._state.read() as connection:
            return [_found(row) for row in connection.execute(chosen)]

    def all(self, query: AuditQuery) -> Iterator[Found]:
        """Oldest first, as of when it began."""
        with self._state.read() as connection:
            after, last = 0, connection.scalar(select(func.max(_ENTRY.sequence))) or 0
        while after < last:
            page = _chosen(query).where(_ENTRY.sequence > after, _ENTRY.sequence <= last)
            with self._state.read() as connection:
                found = [_found(row) for row in connection.execute(page.order_by(_ENTRY.sequence).limit(_PAGE))]
            yield from found
            after = found[-1].entry.sequence if len(found) == _PAGE else last

    def entry(self, sequence: int) -> Found:
        """Raises `NotFound`."""
        with self._state.read() as connection:
            return _entry(connection, sequence)

    def end(self) -> Anchor:
        """Where the log ends now."""
        query = select(tables.audit).order_by(_ENTRY.sequence.desc()).limit(1)
        with self._state.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise NotFound("the audit log is empty", remedy="`moat audit verify` says what is missing.")
        return Anchor.of(record(row, Entry))

    def verify(self, anchors: Iterable[tuple[Anchor, str]] = ()) -> Verification:
        """In one snapshot, page by page."""
        known, unreadable, anew = list(anchors), "", False
        path = head_path(self._state.path)
        try:
            head, anew = read_head(self._state.path)
        except RequestError as error:
            head, unreadable = None, str(error)
        if head is not None:
            known.append((head, path.name))
        with self._state.read() as connection:
            walk = Walk(
                lambda sequence: _says(connection, "audit.erase", str(sequence)),
                lambda sequence, digest: _says(connection, "audit.prune", " ".join((str(sequence), digest))),
                known,
            )
            for row in _rows(connection):
                walk.step(row)
            for (stray,) in connection.execute(_STRAY):
                walk.problem(stray, "missing", "there is a content of it, and no entry")
            for name in unguarded(connection):
                walk.problem(0, "unguarded", f"the trigger {name} is gone, or is another one")
            if head is None:
                walk.problem(0, "cut", unreadable or "the file beside the log that says where it ends is gone")
            if anew:
                walk.problem(0, "cut", _BEGUN_ANEW)
            return walk.end(highest(connection))

    def record(self, act: Act) -> Entry:
        """In a transaction of its own."""
        with self._state.write() as connection, acting(connection, act) as entries:
            return entries[0]

    def record_new(self, act: Act) -> bool:
        """Look and write in one transaction."""
        last = select(_ENTRY.subject).where(_ENTRY.action == act.action).order_by(_ENTRY.sequence.desc()).limit(1)
        with self._state.write() as connection:
            before = connection.scalar(last) or NOTHING
            if before == act.subject:
                return False
            known = msgspec.structs.replace(act, detail={"before": before, **act.detail})
            with acting(connection, known):
                return True

    def erase(self, sequence: int, *, actor: str, reason: str) -> Entry:
        """Entry and erasure together."""
        with self._state.write() as connection:
            if _entry(connection, sequence).content is None:
                raise ConflictError(f"the content of entry {sequence} is erased already")
            with acting(connection, Act(actor, "audit.erase", str(sequence), reason)) as entries:
                connection.execute(delete(tables.audit_contents).where(_CONTENT.sequence == sequence))
        return entries[0]

    def prune(self, before_ns: int, *, actor: str, reason: str = "") -> int:
        """A part at a time from the front, so that what is left is always one piece."""
        with self._state.write() as connection:
            # The first that stays decides: the clock may have been set back once.
            stays = connection.scalar(select(func.min(_ENTRY.sequence)).where(_ENTRY.at_ns >= before_ns))
            gone = _ENTRY.sequence < stays if stays is not None else _ENTRY.sequence > 0
            last = connection.execute(
                select(tables.audit).where(gone).order_by(_ENTRY.sequence.desc()).limit(1)
            ).mappings().first()  # fmt: skip
            if last is None:
                return 0
            entry = record(last, Entry)
            with acting(connection, Act(actor, "audit.prune", pruned_subject(entry), reason)):
                old = _CONTENT.sequence <= entry.sequence
                connection.execute(delete(tables.audit_contents).where(old))
                return connection.execute(delete(tables.audit).where(_ENTRY.sequence <= entry.sequence)).rowcount


def _chosen(query: AuditQuery) -> Select[Any]:
    rows = select(tables.audit, _CONTENT.content).join(
        tables.audit_contents, _CONTENT.sequence == _ENTRY.sequence, isouter=True
    )
    if query.actor:
        rows = rows.where(_ENTRY.actor == query.actor)
    if query.action:
        rows = rows.where(
            (_ENTRY.action == query.action) | _ENTRY.action.startswith(query.action + ".", autoescape=True)
        )
    if query.subject:
        rows = rows.where(_ENTRY.subject == query.subject)
    if query.since_ns:
        rows = rows.where(_ENTRY.at_ns >= query.since_ns)
    if query.until_ns:
        rows = rows.where(_ENTRY.at_ns < query.until_ns)
    return rows.where(_ENTRY.sequence < query.before) if query.before else rows


def _found(row: Row[Any]) -> Found:
    """Raises `StorageError` for one that somebody has made unreadable."""
    try:
        content = row.content
        entry = record(row._mapping, Entry)
        return Found(entry=entry, content=None if content is None else read_content(content))
    except (msgspec.MsgspecError, TypeError) as error:
        raise StorageError(
            f"entry {row.sequence} of the audit log is damaged ({error})",
            remedy="`moat audit verify` looks at all of it.",
        ) from None


def _entry(connection: Connection, sequence: int) -> Found:
    row = connection.execute(_chosen(AuditQuery()).where(_ENTRY.sequence == sequence)).first()
    if row is None:
        raise NotFound(f"the audit log has no entry {sequence}", remedy="`moat audit list` shows the last ones.")
    return _found(row)


def _says(connection: Connection, action: str, subject: str) -> bool:
    query = select(_ENTRY.sequence).where(_ENTRY.action == action, _ENTRY.subject == subject).limit(1)
    return connection.scalar(query) is not None


def _rows(connection: Connection) -> Iterator[Stored]:
    after = -(2**63)
    while page := connection.execute(_RAW, {"after": after, "page": _PAGE}).all():
        for sequence, at_ns, *texts, content in page:
            yield Stored(_raw_entry(sequence, at_ns, texts), sequence, content)
        after = page[-1][0]


def _raw_entry(sequence: int, at_ns: object, texts: list[bytes | None]) -> Entry | None:
    if not isinstance(at_ns, int) or None in texts:
        return None
    actor, action, subject, *digests = (str(part, "utf-8", "replace") for part in texts if part is not None)
    content_digest, previous, digest = digests
    return Entry(
        sequence=sequence,
        at_ns=at_ns,
        actor=actor,
        action=action,
        subject=subject,
        content_digest=content_digest,
        previous=previous,
        digest=digest,
    )
