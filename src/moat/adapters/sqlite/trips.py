"""Trips of the spending breaker in SQLite."""

from msgspec.structs import asdict
from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.acting import acting
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tables import record
from moat.domain.audit import Act
from moat.domain.errors import NotFound
from moat.domain.trips import Trip

_TRIP = tables.trips.c


class SqliteTrips:
    """The ports `TripReader` and `TripWriter`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def open_trips(self) -> list[Trip]:
        """Oldest first."""
        query = select(tables.trips).where(_TRIP.reset_ns == 0).order_by(_TRIP.at_ns, _TRIP.id)
        with self._state.read() as connection:
            return [record(row, Trip) for row in connection.execute(query).mappings()]

    def trips(self, limit: int = 50) -> list[Trip]:
        """Newest first."""
        query = select(tables.trips).order_by(_TRIP.at_ns.desc(), _TRIP.id).limit(limit)
        with self._state.read() as connection:
            return [record(row, Trip) for row in connection.execute(query).mappings()]

    def add(self, trip: Trip) -> None:
        """Once."""
        with self._state.write() as connection:
            connection.execute(insert(tables.trips).values(asdict(trip)).on_conflict_do_nothing())

    def reset(self, scope: str, value: str, *, actor: str, reason: str, now_ns: int) -> list[Trip]:
        """All that are open there, at once."""
        chosen = (_TRIP.scope == scope) & (_TRIP.value == value) & (_TRIP.reset_ns == 0)
        with self._state.write() as connection:
            ids = list(connection.scalars(select(_TRIP.id).where(chosen)))
            if not ids:
                raise NotFound(f"spending of {scope} {value!r} is not cut off", remedy="`moat spikes` shows what is.")
            changed = {"reset_ns": now_ns, "reset_by": actor, "reset_reason": reason}
            with acting(connection, Act(actor, "spike.reset", " ".join((scope, value)), reason, {"trips": ids})):
                connection.execute(update(tables.trips).where(_TRIP.id.in_(ids)).values(changed))
            rows = connection.execute(select(tables.trips).where(_TRIP.id.in_(ids)).order_by(_TRIP.at_ns)).mappings()
            return [record(row, Trip) for row in rows]
