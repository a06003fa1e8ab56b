"""Alerts in SQLite."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, Select, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.acting import acting
from moat.adapters.sqlite.state import SqliteState
from moat.domain.alerting import Alert, Delivery, Event, Outage, Silence, Standing
from moat.domain.audit import PROGRAM, Act
from moat.domain.errors import NotFound

T = TypeVar("T")

_ALERT = tables.alerts.c
_OUTAGE = tables.alert_outages.c
_EVENT = tables.alert_events.c
_SILENCE = tables.alert_silences.c
_DELIVERY = tables.alert_deliveries.c

FARTHEST_NS = 2 * 3600 * 10**9
"""No try is ever planned so far ahead."""


class SqliteAlerts:
    """The port `AlertStore`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def standing(self) -> Standing:
        """In one snapshot; silences newest first."""
        with self._state.read() as connection:
            alerts = _contents(connection, select(_ALERT.content).order_by(_ALERT.place), Alert)
            silences = _contents(connection, select(_SILENCE.content).order_by(_SILENCE.until_ns.desc()), Silence)
            outages = _contents(connection, select(_OUTAGE.content).order_by(_OUTAGE.place), Outage)
        return Standing(alerts=tuple(alerts), silences=tuple(silences), outages=tuple(outages))

    def events(self, rule: str = "", limit: int = 50) -> list[Event]:
        """Newest first."""
        query = select(_EVENT.content).order_by(_EVENT.at_ns.desc(), _EVENT.id).limit(limit)
        with self._state.read() as connection:
            return _contents(connection, query.where(_EVENT.rule == rule) if rule else query, Event)

    def deliveries(self, status: str = "", limit: int = 50) -> list[Delivery]:
        """Newest first."""
        query = select(_DELIVERY.content).order_by(_DELIVERY.at_ns.desc(), _DELIVERY.id).limit(limit)
        with self._state.read() as connection:
            return _contents(connection, query.where(_DELIVERY.status == status) if status else query, Delivery)

    def commit(self, standing: Standing, events: Sequence[Event], deliveries: Sequence[Delivery]) -> None:
        """In one transaction."""
        with self._state.write() as connection:
            for table, those in ((tables.alerts, standing.alerts), (tables.alert_outages, standing.outages)):
                connection.execute(delete(table))
                if rows := [{"place": place, "content": one} for place, one in enumerate(those)]:
                    connection.execute(insert(table), rows)
            for event in events:
                row = {"id": event.id, "at_ns": event.at_ns, "rule": event.rule, "content": event}
                connection.execute(insert(tables.alert_events).values(row).on_conflict_do_update(["id"], set_=row))
            _queue(connection, deliveries)

    def queue(self, deliveries: Sequence[Delivery]) -> None:
        """In one transaction."""
        with self._state.write() as connection:
            _queue(connection, deliveries)

    def due(self, now_ns: int, limit: int = 20) -> list[Delivery]:
        """Oldest first, so many of each channel; also what waits for a time that only a clock set back explains."""
        order = (_DELIVERY.at_ns, _DELIVERY.id)
        place = func.row_number().over(partition_by=func.json_extract(_DELIVERY.content, "$.channel"), order_by=order)
        come = (_DELIVERY.next_ns <= now_ns) | (_DELIVERY.next_ns > now_ns + FARTHEST_NS)
        waiting = (_DELIVERY.status == "waiting") & come
        ranked = select(_DELIVERY.id, place.label("place")).where(waiting).subquery()
        chosen = select(ranked.c.id).where(ranked.c.place <= limit)
        query = select(_DELIVERY.content).where(_DELIVERY.id.in_(chosen)).order_by(*order)
        with self._state.read() as connection:
            return _contents(connection, query, Delivery)

    def backlog(self) -> dict[str, int]:
        """By channel."""
        channel = func.json_extract(_DELIVERY.content, "$.channel")
        query = select(channel, func.count()).where(_DELIVERY.status == "waiting").group_by(channel)
        with self._state.read() as connection:
            return {str(name): int(count) for name, count in connection.execute(query)}

    def record(self, delivery: Delivery) -> None:
        """As it is now."""
        row = _row(delivery)
        statement = insert(tables.alert_deliveries).values(row).on_conflict_do_update(["id"], set_=row)
        with self._state.write() as connection:
            connection.execute(statement)

    def silence(self, silence: Silence) -> None:
        """By its id."""
        row = {"id": silence.id, "until_ns": silence.until_ns, "content": silence}
        statement = insert(tables.alert_silences).values(row).on_conflict_do_update(["id"], set_=row)
        detail = {"rule": silence.rule, "match": silence.match, "until_ns": silence.until_ns}
        act = Act(silence.by, "silence.add", silence.id, silence.why, detail)
        with self._state.write() as connection, acting(connection, act):
            connection.execute(statement)

    def lift(self, silence_id: str, now_ns: int, *, actor: str) -> Silence:
        """It stays, as one that is over."""
        with self._state.write() as connection:
            found = _contents(connection, select(_SILENCE.content).where(_SILENCE.id == silence_id), Silence)
            if not found or found[0].until_ns <= now_ns:
                raise NotFound(f"there is no silence {silence_id!r}", remedy="`moat alerts list` shows them.")
            ended = replace(found[0], until_ns=now_ns)
            change = {"until_ns": now_ns, "content": ended}
            with acting(connection, Act(actor, "silence.lift", silence_id)):
                connection.execute(tables.alert_silences.update().where(_SILENCE.id == silence_id).values(change))
        return ended

    def prune(self, before_ns: int) -> int:
        """Alerts that fire keep their state; what waits to be sent stays."""
        done = (_DELIVERY.status != "waiting") & (_DELIVERY.at_ns < before_ns)
        with self._state.write() as connection:
            gone = connection.execute(delete(tables.alert_deliveries).where(done)).rowcount
            gone += connection.execute(delete(tables.alert_events).where(_EVENT.at_ns < before_ns)).rowcount
            over = list(connection.scalars(select(_SILENCE.id).where(_SILENCE.until_ns < before_ns)))
            if over:
                with acting(connection, Act(PROGRAM, "silence.forget", "", detail={"silences": over})):
                    connection.execute(delete(tables.alert_silences).where(_SILENCE.id.in_(over)))
        return gone + len(over)


def _queue(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    for one in deliveries:
        connection.execute(insert(tables.alert_deliveries).values(_row(one)).on_conflict_do_nothing())


def _row(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.id,
        "at_ns": delivery.message.at_ns,
        "status": delivery.status,
        "next_ns": delivery.next_ns,
        "content": delivery,
    }


def _contents(connection: Connection, query: Select[tuple[object]], kind: type[T]) -> list[T]:
    return [msgspec.convert(content, kind) for content in connection.scalars(query)]
