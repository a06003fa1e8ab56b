"""What was measured of semantic caches, in SQLite."""

from collections.abc import Sequence

from msgspec.structs import asdict
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tables import record
from moat.domain.false_hits import FalseHits, Subject

_TABLE = tables.false_hits
_SUBJECT = Subject.__struct_fields__


class SqliteFalseHits:
    """The port `FalseHitStore`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def false_hits(self) -> list[FalseHits]:
        """Newest first."""
        query = select(_TABLE).order_by(_TABLE.c.changed_ns.desc(), *(_TABLE.c[name] for name in _SUBJECT))
        with self._state.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [record(row, FalseHits, subject=record(row, Subject)) for row in rows]

    def save(self, found: Sequence[FalseHits]) -> None:
        """In one transaction."""
        rows = [asdict(one.subject) | {k: v for k, v in asdict(one).items() if k != "subject"} for one in found]
        if not rows:
            return
        statement = insert(_TABLE)
        changed = {name: statement.excluded[name] for name in rows[0] if name not in _SUBJECT}
        with self._state.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=list(_SUBJECT), set_=changed), rows)
