"""Virtual keys in SQLite."""

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.acting import acting
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tables import record
from moat.domain.audit import Act, Action, changes, given
from moat.domain.errors import ConflictError, NotFound
from moat.domain.keys import Key

_KEY = tables.keys.c
_HASHES = ("hash", "former_hash")


class SqliteKeys:
    """The ports `KeyReader` and `KeyWriter`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def keys(self) -> list[Key]:
        """Oldest first."""
        query = select(tables.keys).order_by(_KEY.created_ns, _KEY.id)
        with self._state.read() as connection:
            return [record(row, Key) for row in connection.execute(query).mappings()]

    def add(self, key: Key, *, actor: str) -> None:
        """Raises `ConflictError` when the id, or the secret behind it, exists."""
        statement = insert(tables.keys).values(msgspec.structs.asdict(key)).on_conflict_do_nothing()
        act = Act(actor, "key.create", key.id, detail=given(key, (*_HASHES, "id")))
        with self._state.write() as connection, acting(connection, act):
            if connection.execute(statement).rowcount == 0:
                raise ConflictError(f"the key {key.id!r} exists already", remedy="Choose another id, or a new secret.")

    def change(self, key_id: str, change: Callable[[Key], Key], *, actor: str, action: Action = "key.change") -> Key:
        """In one write transaction."""
        with self._state.write() as connection:
            before = _get(connection, key_id)
            after = msgspec.structs.replace(change(before), id=before.id, created_ns=before.created_ns)
            values = msgspec.structs.asdict(after)
            with acting(connection, Act(actor, action, key_id, detail=changes(before, after, _HASHES))):
                connection.execute(update(tables.keys).where(_KEY.id == key_id).values(values))
        return after

    def revoke(self, key_id: str, now_ns: int, *, actor: str) -> None:
        """Keeps the first time."""

        def revoked(key: Key) -> Key:
            return msgspec.structs.replace(key, revoked_ns=key.revoked_ns or now_ns)

        self.change(key_id, revoked, actor=actor, action="key.revoke")


def _get(connection: Connection, key_id: str) -> Key:
    row = connection.execute(select(tables.keys).where(_KEY.id == key_id)).mappings().first()
    if row is None:
        raise NotFound(f"no key {key_id!r}", remedy="`moat keys list` shows the keys there are.")
    return record(row, Key)
