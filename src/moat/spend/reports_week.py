"""The weekly report: cost and latency, against the week before."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from moat.domain.usage import format_usd
from moat.ports.traces import Dimension, Spend, TraceFilter, TraceReader, Usages
from moat.spend.reports import Column, Document, Sheet, cost_of, names, remarks
from moat.spend.reports_time import Clock

WEEK = 7
_LATENCY = (Column("p50", "duration"), Column("p95", "duration"), Column("p99", "duration"))
_WEEK = (
    Column("calls", "count"),
    Column("errors", "share"),
    Column("tokens", "count"),
    Column("cost", "money"),
    *_LATENCY,
    Column("first token p50", "duration"),
)
_GROUP = (
    Column("calls", "count"),
    Column("errors", "share"),
    Column("cost", "money"),
    Column("before", "money"),
    Column("change", "change"),
    *_LATENCY,
    Column("p95 change", "change"),
)


def weekly(traces: TraceReader, wanted: TraceFilter, clock: Clock, top: int) -> Document:
    """Seven local days, today so far the last, and the seven before them."""
    today = clock.today
    first = today - timedelta(days=WEEK - 1)
    now = clock.between(wanted, first, today)
    before = clock.between(wanted, first - timedelta(days=WEEK), first - timedelta(days=1))
    sheets = (
        _weeks(traces, now, before),
        _days(traces, wanted, clock),
        _groups(traces, "feature", "feature", (now, before), top),
        _groups(traces, "model", "alias", (now, before), top),
    )
    period = f"{first} to {today} so far, against the 7 days before ({clock.name})"
    return Document(title="Cost and latency of the week", period=period, sheets=sheets)


def change(now: int, before: int) -> float | None:
    """By which share it grew; None when there was nothing before."""
    return now / before - 1 if before else (0.0 if not now else None)


def _weeks(traces: TraceReader, now: TraceFilter, before: TraceFilter) -> Sheet:
    sides = [(_only(traces, wanted), traces.usages([], wanted)[0]) for wanted in (now, before)]
    rows = [(name, *_facts(*side)) for name, side in zip(("these 7 days", "7 days before"), sides, strict=True)]
    (spend, usage), (old, slow) = sides
    notes = []
    if old.cost:
        more = f"{change(spend.cost, old.cost):+.1%}"
        notes.append(f"Cost: {more} ({format_usd(old.cost)} to {format_usd(spend.cost)}).")
    if slow.p95_ns:
        notes.append(f"Latency p95: {change(usage.p95_ns, slow.p95_ns):+.1%}.")
    columns = (Column("week"), *_WEEK)
    return Sheet(title="Weeks", columns=columns, rows=tuple(rows), notes=(*notes, *remarks(spend)))


def _days(traces: TraceReader, wanted: TraceFilter, clock: Clock) -> Sheet:
    rows = []
    for ago in range(WEEK - 1, -1, -1):
        day = clock.today - timedelta(days=ago)
        that = clock.between(wanted, day, day)
        rows.append((f"{day:%a} {day}", *_facts(_only(traces, that), traces.usages([], that)[0])))
    return Sheet(title="Days", columns=(Column("day"), *_WEEK), rows=tuple(rows))


def _groups(
    traces: TraceReader, asked: Dimension, paid: Dimension, sides: tuple[TraceFilter, TraceFilter], top: int
) -> Sheet:
    """What calls say of a dimension and what attempts do, side by side: an alias is a call's `model`."""
    costs, olds = ({row.group: row for row in traces.spending([paid], side)} for side in sides)
    calls, slow = ({row.group: row for row in traces.usages([asked], side)} for side in sides)
    nothing = msgspec.convert({**dict.fromkeys(Usages.__struct_fields__[1:], 0), "group": ()}, Usages)
    rows: list[tuple[Any, ...]] = []
    for group in {**costs, **calls}:
        spend, old = costs.get(group, Spend(group=group)), olds.get(group, Spend(group=group))
        usage = calls.get(group, nothing)
        moved = change(usage.p95_ns, slow[group].p95_ns) if group in slow else None
        latency = (usage.p50_ns, usage.p95_ns, usage.p99_ns, moved)
        money = (cost_of(spend), old.cost, change(spend.cost, old.cost))
        rows.append((*group, usage.calls, _failed(usage), *money, *latency))
    return Sheet(title=f"By {paid}", columns=(*names([paid]), *_GROUP), rows=_dearest(rows)[:top])


def _dearest(rows: Sequence[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(sorted(rows, key=lambda row: (-(row[3] or 0), -row[1], row[0])))


def _only(traces: TraceReader, wanted: TraceFilter) -> Spend:
    return next(iter(traces.spending([], wanted)), Spend(group=()))


def _facts(spend: Spend, usage: Usages) -> tuple[Any, ...]:
    latency = (usage.p50_ns, usage.p95_ns, usage.p99_ns, usage.first_token_p50_ns)
    return (usage.calls, _failed(usage), spend.usage.total, cost_of(spend), *latency)


def _failed(usage: Usages) -> float:
    return usage.errors / usage.calls if usage.calls else 0.0
