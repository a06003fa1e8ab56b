"""Files and batches in SQLite. A batch is kept as one JSON document beside what is searched by."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, exists, select, update
from sqlalchemy.dialects.sqlite import insert

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.acting import acting
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tables import record
from moat.domain.audit import Act
from moat.domain.batches import OPEN, Batch, Owner, StoredFile
from moat.domain.errors import ConflictError, NotFound
from moat.ports.batches import Page

_FILE = tables.files.c
_BATCH = tables.batches.c

_IN_USE = exists().where(_BATCH.input_file == _FILE.id, _BATCH.status.in_(OPEN))


class SqliteBatches:
    """The port `BatchStore`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def add_file(self, file: StoredFile) -> None:
        """See `BatchStore`."""
        statement = insert(tables.files).values(asdict(file)).on_conflict_do_nothing()
        with self._state.write() as connection:
            if connection.execute(statement).rowcount == 0:
                raise ConflictError(f"the file {file.id} exists already")

    def file(self, id: str, owner: Owner) -> StoredFile:
        """See `BatchStore`."""
        with self._state.read() as connection:
            return _file(connection, id, owner)

    def files(self, owner: Owner, page: Page) -> list[StoredFile]:
        """See `BatchStore`."""
        query = _paged(select(tables.files).where(_theirs(tables.files, owner)), _FILE.id, page)
        if page.purpose:
            query = query.where(_FILE.purpose == page.purpose)
        with self._state.read() as connection:
            return [record(row, StoredFile) for row in connection.execute(query).mappings()]

    def remove_file(self, id: str, owner: Owner, actor: str) -> None:
        """See `BatchStore`."""
        with self._state.write() as connection:
            _file(connection, id, owner)
            with acting(connection, Act(actor, "file.delete", id)):
                if not connection.execute(delete(tables.files).where(_FILE.id == id, ~_IN_USE)).rowcount:
                    raise ConflictError(
                        f"the file {id} is being read by a batch",
                        where="id",
                        remedy="Cancel the batch, or wait for it.",
                    )

    def file_ids(self) -> set[str]:
        """See `BatchStore`."""
        with self._state.read() as connection:
            return set(connection.scalars(select(_FILE.id)))

    def sweep(self, now_ns: int) -> list[str]:
        """See `BatchStore`."""
        expired = and_(_FILE.expires_ns <= now_ns, ~_IN_USE)
        with self._state.write() as connection:
            ids = list(connection.scalars(select(_FILE.id).where(expired)))
            connection.execute(delete(tables.files).where(expired))
            connection.execute(delete(tables.batches).where(_BATCH.status.not_in(OPEN), _BATCH.sweep_ns <= now_ns))
            return ids

    def add(self, batch: Batch) -> None:
        """See `BatchStore`."""
        with self._state.write() as connection:
            _file(connection, batch.input_file, Owner(batch.owner))
            connection.execute(insert(tables.batches).values({"id": batch.id, "owner": batch.owner, **_row(batch)}))

    def batch(self, id: str, owner: Owner) -> Batch:
        """See `BatchStore`."""
        query = select(_BATCH.content).where(_BATCH.id == id, _theirs(tables.batches, owner))
        with self._state.read() as connection:
            return _batch(connection.scalar(query), id)

    def batches(self, owner: Owner, page: Page) -> list[Batch]:
        """See `BatchStore`."""
        query = _paged(select(_BATCH.content).where(_theirs(tables.batches, owner)), _BATCH.id, page)
        with self._state.read() as connection:
            return [_batch(content, "") for content in connection.scalars(query)]

    def open_batches(self) -> list[Batch]:
        """See `BatchStore`."""
        query = select(_BATCH.content).where(_BATCH.status.in_(OPEN)).order_by(_BATCH.id)
        with self._state.read() as connection:
            return [_batch(content, "") for content in connection.scalars(query)]

    def change(
        self, id: str, change: Callable[[Batch], Batch], files: Sequence[StoredFile] = (), act: Act | None = None
    ) -> Batch:
        """See `BatchStore`."""
        with self._state.write() as connection, acting(connection, *([act] if act else [])):
            changed = change(_batch(connection.scalar(select(_BATCH.content).where(_BATCH.id == id)), id))
            connection.execute(update(tables.batches).where(_BATCH.id == id).values(_row(changed)))
            for file in files:
                connection.execute(insert(tables.files).values(asdict(file)).on_conflict_do_nothing())
            return changed


def _row(batch: Batch) -> dict[str, Any]:
    return {
        "environment": batch.environment,
        "input_file": batch.input_file,
        "status": batch.status,
        "sweep_ns": batch.ended_ns + batch.keep_ns,
        "content": batch,
    }


def _theirs(table: Table, owner: Owner) -> ColumnElement[bool]:
    everywhere: ColumnElement[bool] = table.c.owner == owner.name
    return and_(everywhere, table.c.environment == owner.environment) if owner.environment else everywhere


def _paged(query: Select[Any], id: ColumnElement[str], page: Page) -> Select[Any]:
    """Ids begin with the time."""
    if page.after:
        query = query.where(id > page.after if page.ascending else id < page.after)
    return query.order_by(id if page.ascending else id.desc()).limit(page.limit)


def _file(connection: Connection, id: str, owner: Owner) -> StoredFile:
    query = select(tables.files).where(_FILE.id == id, _theirs(tables.files, owner))
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"no such file: {id[:100]!r}", where="file", remedy="`GET /v1/files` lists those there are.")
    return record(row, StoredFile)


def _batch(content: Any, id: str) -> Batch:
    if content is None:
        raise NotFound(f"no such batch: {id[:100]!r}", where="batch", remedy="`GET /v1/batches` lists those there are.")
    return msgspec.convert(content, Batch)
