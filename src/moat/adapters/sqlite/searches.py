"""Saved searches in SQLite."""

from msgspec.structs import asdict
from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.acting import acting
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tables import record
from moat.domain.audit import Act
from moat.domain.errors import NotFound
from moat.domain.searches import SavedSearch

_SEARCH = tables.searches.c


class SqliteSearches:
    """The port `SearchStore`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def searches(self) -> list[SavedSearch]:
        """By name."""
        query = select(tables.searches).order_by(_SEARCH.name)
        with self._state.read() as connection:
            return [record(row, SavedSearch) for row in connection.execute(query).mappings()]

    def save(self, search: SavedSearch) -> None:
        """The later one stands."""
        values = asdict(search)
        statement = insert(tables.searches).values(values)
        act = Act(search.actor, "search.save", search.name, detail={"expression": search.expression})
        with self._state.write() as connection, acting(connection, act):
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))

    def forget(self, name: str, *, actor: str) -> None:
        """Once."""
        with self._state.write() as connection, acting(connection, Act(actor, "search.forget", name)):
            if not connection.execute(delete(tables.searches).where(_SEARCH.name == name)).rowcount:
                raise NotFound(f"there is no search {name!r}", remedy="`moat traces saved` lists them.")
