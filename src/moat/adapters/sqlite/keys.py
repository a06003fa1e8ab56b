"""Virtual keys in SQLite."""

import msgspec
from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tables import record
from moat.domain.errors import ConflictError, NotFound
from moat.domain.keys import Key

_KEY = tables.keys.c


class SqliteKeys:
    """The ports `KeyReader` and `KeyWriter`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def keys(self) -> list[Key]:
        """Oldest first."""
        query = select(tables.keys).order_by(_KEY.created_ns, _KEY.id)
        with self._state.read() as connection:
            return [record(row, Key) for row in connection.execute(query).mappings()]

    def add(self, key: Key) -> None:
        """Raises `ConflictError` when the id, or the secret behind it, exists."""
        statement = insert(tables.keys).values(msgspec.structs.asdict(key)).on_conflict_do_nothing()
        with self._state.write() as connection:
            if connection.execute(statement).rowcount == 0:
                raise ConflictError(f"the key {key.id!r} exists already", remedy="Choose another id, or a new secret.")

    def revoke(self, key_id: str, now_ns: int) -> None:
        """Keeps the first time."""
        with self._state.write() as connection:
            if connection.scalar(select(_KEY.id).where(_KEY.id == key_id)) is None:
                raise NotFound(f"no key {key_id!r}", remedy="`moat keys list` shows the keys there are.")
            unrevoked = (_KEY.id == key_id) & (_KEY.revoked_ns == 0)
            connection.execute(update(tables.keys).where(unrevoked).values(revoked_ns=now_ns))
