"""Spending over time: days on somebody's clock, and what the month will have cost."""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple

from msgspec.structs import replace

from moat.domain.usage import format_usd
from moat.domain.windows import window
from moat.ports.traces import Dimension, Spend, TraceFilter, TraceReader
from moat.spend.forecast import FEW_DAYS, HISTORY_DAYS, Forecast, forecast
from moat.spend.reports import Column, Document, Sheet, remarks, total_of

STEP_NS = 15 * 60 * 10**9
"""The offset of every time zone in use is a multiple of a quarter of an hour, so that slots make up local days."""
SECOND_NS = 10**9


class Clock(NamedTuple):
    """Now, and where days begin."""

    now_ns: int
    zone: tzinfo
    name: str = "UTC"
    """The zone's."""

    @property
    def today(self) -> date:
        """The local day."""
        return self.day(self.now_ns)

    def day(self, at_ns: int) -> date:
        """The local day of a Unix time."""
        return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).astimezone(self.zone).date()

    def start(self, day: date) -> int:
        """Unix nanoseconds at which a local day begins."""
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=self.zone)
        return window("day", self.zone, int(noon.timestamp()) * SECOND_NS).start_ns

    def between(self, wanted: TraceFilter, first: date, last: date) -> TraceFilter:
        """The filter for local days, both included."""
        return replace(wanted, since_ns=self.start(first), until_ns=self.start(last + timedelta(days=1)))


def daily(traces: TraceReader, wanted: TraceFilter, clock: Clock, first: date, last: date) -> dict[date, Spend]:
    """Spending of each local day, those without any included."""
    return daily_groups(traces, wanted, clock, (first, last))[()]


def daily_groups(
    traces: TraceReader, wanted: TraceFilter, clock: Clock, between: tuple[date, date], by: Sequence[Dimension] = ()
) -> dict[tuple[str, ...], dict[date, Spend]]:
    """For each group that spent anything in these local days, both included: its spending of each of them.

    Without dimensions there is always the one group.
    """
    first, last = between
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    found: dict[tuple[str, ...], dict[date, list[Spend]]] = {} if by else {(): {day: [] for day in days}}
    for slot in traces.spending(by, clock.between(wanted, *between), _step(clock, days)):
        group = found.setdefault(slot.group, {day: [] for day in days})
        # The first slot may begin before the store's first moment of the day only where a zone is off the quarter hour.
        group.get(clock.day(slot.slot_ns), group[days[0]]).append(slot)
    return {group: {day: total_of(slots) for day, slots in series.items()} for group, series in found.items()}


def _step(clock: Clock, days: Sequence[date]) -> int:
    """The longest time slot, counted from 1970, that all these days are made up of."""
    step = math.gcd(*(clock.start(day) for day in (*days, days[-1] + timedelta(days=1))))
    return step if step % STEP_NS == 0 else STEP_NS


def month_forecast(traces: TraceReader, wanted: TraceFilter, clock: Clock) -> tuple[Forecast, Document]:
    """What the present month will have cost at its end."""
    today = clock.today
    first = min(today.replace(day=1), today - timedelta(days=HISTORY_DAYS))
    found = daily(traces, wanted, clock, first, today)
    day = window("day", clock.zone, clock.now_ns)
    gone = (clock.now_ns - day.start_ns) / (day.end_ns - day.start_ns)
    spent = sum(spend.cost for at, spend in found.items() if at >= today.replace(day=1))
    said = forecast({at: spend.cost for at, spend in found.items()}, spent, today, gone)
    columns = (
        Column("month"),
        Column("spent", "money"),
        Column("expected", "money"),
        Column("low", "money"),
        Column("high", "money"),
        Column("days", "count"),
    )
    row = (said.month, said.spent, said.expected, said.low, said.high, said.days)
    notes = (_method(said), *remarks(total_of(list(found.values()))))
    sheet = Sheet(title="Month", columns=columns, rows=(row,), notes=notes)
    return said, Document(
        title="Forecast to month end", period=f"{said.month}, as of {today} ({clock.name})", sheets=(sheet,)
    )


def _method(said: Forecast) -> str:
    if said.expected is None:
        return "No whole day with any cost has passed: there is nothing to forecast from."
    if said.low is None or said.high is None:
        return f"{said.days} whole days so far: from {FEW_DAYS} on there is an interval around the forecast."
    kind = (
        "the level of late by weekday" if said.by_weekday else "the mean day: weekdays are told apart from two weeks on"
    )
    return (
        f"{format_usd(said.low)} to {format_usd(said.high)} in 8 of 10 months like those before; from {said.days} "
        f"whole days, {kind}."
    )
