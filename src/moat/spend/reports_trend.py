"""Spending day by day, of all or of the groups that spent most."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from moat.ports.traces import Dimension, Spend, TraceFilter, TraceReader
from moat.spend.reports import Column, Document, Sheet, cost_of, names, remarks, total_of
from moat.spend.reports_time import Clock, daily_groups

WEEK = 7
LINE = 60
"""Characters of the longest line; more days than that share them."""
OTHERS = "(others)"

Series = Mapping[date, Spend]

_COLUMNS = (
    Column("calls", "count"),
    Column("requests", "count"),
    Column("input tokens", "count"),
    Column("output tokens", "count"),
    Column("cost", "money"),
    Column("mean of 7 days", "money"),
    Column("unpriced", "count"),
)


def trend(
    traces: TraceReader, wanted: TraceFilter, clock: Clock, days: int, by: Sequence[Dimension] = (), top: int = 10
) -> Document:
    """One row a day, today so far last, with the mean of the seven days up to it, and a chart of the costs.

    With dimensions: one row for each day and group that was called on it, for the `top` groups by cost and the others
    together.
    """
    first = clock.today - timedelta(days=days - 1)
    between = (first - timedelta(days=WEEK - 1), clock.today)
    groups: Mapping[tuple[str, ...], Series] = daily_groups(traces, wanted, clock, between, by)
    if by:
        groups = _largest(groups, first, top)
    shown = [spend for series in groups.values() for day, spend in series.items() if day >= first]
    sheets = (
        Sheet(
            title="Days",
            columns=(Column("day"), *names(by), *_COLUMNS),
            rows=_rows(groups, first),
            notes=remarks(total_of(shown)),
        ),
        _lines(by, groups, first) if by else _bars(groups[()], first),
    )
    return Document(title="Spend by day", period=f"{first} to {clock.today} ({clock.name})", sheets=sheets)


def _largest(groups: Mapping[tuple[str, ...], Series], first: date, top: int) -> dict[tuple[str, ...], Series]:
    """The dearest since `first`, dearest first; those without a call since then are left out."""
    totals = {group: _total(series, first) for group, series in groups.items()}
    called = [group for group, total in totals.items() if total.calls or total.requests]
    called.sort(key=lambda group: (-totals[group].cost, -totals[group].requests, group))
    found = {group: groups[group] for group in called[:top]}
    rest = [groups[group] for group in called[top:]]
    if rest:
        others = (OTHERS, *[""] * (len(called[0]) - 1))
        found[others] = {day: total_of([series[day] for series in rest]) for day in rest[0]}
    return found


def _rows(groups: Mapping[tuple[str, ...], Series], first: date) -> tuple[tuple[Any, ...], ...]:
    rows = []
    for group, series in groups.items():
        costs = [spend.cost for spend in series.values()]
        for number, (day, spend) in enumerate(series.items()):
            if day < first or (group and not (spend.calls or spend.requests)):
                continue
            week = costs[number - WEEK + 1 : number + 1]
            counts = (spend.calls, spend.requests, spend.usage.input, spend.usage.output)
            rows.append((str(day), *group, *counts, cost_of(spend), sum(week) // WEEK, spend.unpriced))
    return tuple(sorted(rows, key=lambda row: row[0]))


def _bars(series: Series, first: date) -> Sheet:
    shown = {day: spend for day, spend in series.items() if day >= first}
    highest = max(spend.cost for spend in shown.values()) or 1
    return Sheet(
        title="Cost by day",
        columns=(Column("day"), Column("cost", "money"), Column("", "bar")),
        rows=tuple((str(day), cost_of(spend), spend.cost / highest) for day, spend in shown.items()),
    )


def _lines(by: Sequence[Dimension], groups: Mapping[tuple[str, ...], Series], first: date) -> Sheet:
    """Each line on a scale of its own: it shows when a group spent, the column beside it how much."""
    sums = {group: _total(series, first) for group, series in groups.items()}
    cost = sum(total.cost for total in sums.values()) or 1
    rows = []
    for group, series in groups.items():
        costs = [spend.cost for day, spend in series.items() if day >= first]
        rows.append((*group, cost_of(sums[group]), sums[group].cost / cost, _merged(costs)))
    columns = (*names(by), Column("cost", "money"), Column("share", "share"), Column("day by day", "line"))
    return Sheet(title="Cost by day", columns=columns, rows=tuple(rows))


def _merged(costs: Sequence[int]) -> list[int]:
    """Sums of as few neighbours as make at most `LINE`; the last one, of today, is whole."""
    width = -(-len(costs) // LINE)
    cut = [*range(len(costs), 0, -width)][::-1]
    return [sum(costs[max(0, end - width) : end]) for end in cut]


def _total(series: Series, first: date) -> Spend:
    return total_of([spend for day, spend in series.items() if day >= first])
