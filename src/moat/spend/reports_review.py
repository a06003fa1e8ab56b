"""The monthly review: who spends most, who grows, what a cache saved, what cheaper routes would have saved."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from moat.domain.calls import Deployment
from moat.domain.usage import format_usd
from moat.ports.traces import Dimension, Spend, TraceFilter, TraceReader
from moat.spend.prices import Rates
from moat.spend.reports import MEASURES, Column, Document, Sheet, cost_of, measures, names, per_call, remarks
from moat.spend.reports_time import Clock
from moat.spend.reports_week import WEEK, change

Group = tuple[str, ...]


class Routes(NamedTuple):
    """Where else calls could have gone, and at what price."""

    others: Mapping[str, Sequence[tuple[str, Deployment]]]
    """By alias: further deployments of it and of its `cheaper` alias, with the alias each is priced by."""
    rates: Callable[[Deployment, str], Rates | None]


class Review(NamedTuple):
    """What a review is about."""

    traces: TraceReader
    wanted: TraceFilter
    clock: Clock
    callers: tuple[Dimension, ...]
    """What makes a caller."""
    top: int
    min_calls: int
    """With fewer, tokens per call say nothing of a caller."""


def month_of(traces: TraceReader, wanted: TraceFilter, clock: Clock) -> date:
    """The month to review unless somebody says: the last whole one if anything was called then, else the present."""
    present = clock.today.replace(day=1)
    last = (present - timedelta(days=1)).replace(day=1)
    spent = traces.spending([], clock.between(wanted, last, present - timedelta(days=1)))
    return last if any(row.calls or row.requests for row in spent) else present


def monthly(review: Review, month: date, routes: Routes | None) -> Document:
    """A month against the one before; one that is not over yet against as many days of it."""
    clock = review.clock
    end = min((month + timedelta(days=31)).replace(day=1) - timedelta(days=1), clock.today)
    past = (month - timedelta(days=1)).replace(day=1)
    past_end = min(past + (end - month), month - timedelta(days=1))
    now, before = clock.between(review.wanted, month, end), clock.between(review.wanted, past, past_end)
    week = clock.between(review.wanted, end - timedelta(days=WEEK - 1), end)
    week_before = clock.between(review.wanted, end - timedelta(days=2 * WEEK - 1), end - timedelta(days=WEEK))
    callers = _grouped(review, review.callers, now)
    sheets = (
        _totals(review, (now, f"{month} to {end}"), (before, f"{past} to {past_end}")),
        _top_spend(review, callers),
        _top_tokens(review, callers),
        _growers(review, "Growers month over month", callers, _grouped(review, review.callers, before)),
        _growers(
            review,
            "Growers week over week",
            _grouped(review, review.callers, week),
            _grouped(review, review.callers, week_before),
        ),
        _grown_prompts(review, now, before),
        _cache(review, now),
        _cheaper(review, now, routes),
    )
    period = f"{month} to {end}, against {past} to {past_end} ({clock.name})"
    return Document(title=f"Review of {month:%Y-%m}", period=period, sheets=sheets)


def _grouped(review: Review, by: Sequence[Dimension], wanted: TraceFilter) -> dict[Group, Spend]:
    return {row.group: row for row in review.traces.spending(by, wanted)}


def _totals(review: Review, now: tuple[TraceFilter, str], before: tuple[TraceFilter, str]) -> Sheet:
    sides = [_grouped(review, (), wanted).get((), Spend(group=())) for wanted, _ in (now, before)]
    rows = tuple((name, *measures(side, side)) for (_, name), side in zip((now, before), sides, strict=True))
    moved = change(sides[0].cost, sides[1].cost)
    notes = () if moved is None or not sides[1].cost else (f"Cost: {moved:+.1%}.",)
    columns = (Column("time"), *MEASURES)
    return Sheet(title="Total", columns=columns, rows=rows, notes=(*notes, *remarks(sides[0])))


def _top_spend(review: Review, callers: Mapping[Group, Spend]) -> Sheet:
    total = sum(spend.cost for spend in callers.values())
    rows = [
        (*group, s.calls, cost_of(s), s.cost / total if total else 0.0, per_call(s), s.unpriced)
        for group, s in callers.items()
    ]
    columns = (
        *names(review.callers),
        Column("calls", "count"),
        Column("cost", "money"),
        Column("share", "share"),
        Column("per call", "money"),
        Column("unpriced", "count"),
    )
    return Sheet(title="Top callers by spend", columns=columns, rows=tuple(rows[: review.top]))


def _top_tokens(review: Review, callers: Mapping[Group, Spend]) -> Sheet:
    rows: list[tuple[Any, ...]] = [
        (*group, s.calls, s.usage.total // s.calls, s.usage.input // s.calls, s.usage.output // s.calls)
        for group, s in callers.items()
        if s.calls >= max(1, review.min_calls)
    ]
    at = len(review.callers) + 1
    columns = (
        *names(review.callers),
        Column("calls", "count"),
        Column("tokens per call", "count"),
        Column("input per call", "count"),
        Column("output per call", "count"),
    )
    ordered = sorted(rows, key=lambda row: (-row[at], row[:at]))
    return Sheet(title="Top callers by tokens per call", columns=columns, rows=tuple(ordered[: review.top]))


def _growers(review: Review, title: str, now: Mapping[Group, Spend], before: Mapping[Group, Spend]) -> Sheet:
    rows: list[tuple[Any, ...]] = []
    for group, spend in now.items():
        old = before.get(group, Spend(group=group)).cost
        if spend.cost > old:
            rows.append((*group, old, spend.cost, spend.cost - old, change(spend.cost, old)))
    at = len(review.callers) + 2
    columns = (
        *names(review.callers),
        Column("before", "money"),
        Column("now", "money"),
        Column("more", "money"),
        Column("change", "change"),
    )
    ordered = sorted(rows, key=lambda row: (-row[at], row[: at - 2]))
    return Sheet(title=title, columns=columns, rows=tuple(ordered[: review.top]), empty="Nobody spent more.")


def _grown_prompts(review: Review, now: TraceFilter, before: TraceFilter) -> Sheet:
    """Prompts whose calls read more tokens than before, by what that cost: the input of all attempts over the calls."""
    olds = _grouped(review, ("prompt",), before)
    rows: list[tuple[Any, ...]] = []
    for group, spend in _grouped(review, ("prompt",), now).items():
        old = olds.get(group)
        if not group[0] or old is None or not old.calls or not spend.calls:
            continue
        was, read = old.usage.input // old.calls, spend.usage.input // spend.calls
        if read > was:
            rows.append((*group, was, read, change(read, was), spend.calls, per_call(old), per_call(spend)))
    columns = (
        Column("prompt"),
        Column("input per call before", "count"),
        Column("input per call", "count"),
        Column("change", "change"),
        Column("calls", "count"),
        Column("cost per call before", "money"),
        Column("cost per call", "money"),
    )
    ordered = sorted(rows, key=lambda row: (-(row[2] - row[1]) * row[4], row[0]))
    return Sheet(
        title="Prompts that grew", columns=columns, rows=tuple(ordered[: review.top]), empty="No prompt reads more."
    )


def _cache(review: Review, now: TraceFilter) -> Sheet:
    found = _grouped(review, ("feature",), now)
    rows: list[tuple[Any, ...]] = [
        (*group, s.calls, s.hits, s.hits / s.calls, s.saved) for group, s in found.items() if s.hits
    ]
    columns = (
        *names(["feature"]),
        Column("calls", "count"),
        Column("from cache", "count"),
        Column("share", "share"),
        Column("saved", "money"),
    )
    saved = sum(row[4] for row in rows)
    notes = (f"The cache saved {format_usd(saved)} in all.",) if rows else ()
    ordered = sorted(rows, key=lambda row: (-row[4], row[0]))
    return Sheet(
        title="Cache", columns=columns, rows=tuple(ordered[: review.top]), notes=notes, empty="No cache answered."
    )


def _cheaper(review: Review, now: TraceFilter, routes: Routes | None) -> Sheet:
    rows = [] if routes is None else _alternatives(_grouped(review, ("alias", "provider", "model"), now), routes)
    columns = (
        Column("alias"),
        Column("used"),
        Column("instead"),
        Column("cost", "money"),
        Column("would have cost", "money"),
        Column("saved", "money"),
    )
    notes = (
        "At today's prices, for as many tokens; whether inputs are long is judged by their mean. Savings of one route "
        "exclude each other. Whether the answers are as good, an evaluation says.",
    )
    ordered = tuple(sorted(rows, key=lambda row: (-row[5], row[:3]))[: review.top])
    return Sheet(
        title="Cheaper routes",
        columns=columns,
        rows=ordered,
        notes=notes if ordered else (),
        empty="None was cheaper." if routes else "Prices cannot be read here: see `moat config check`.",
    )


def _alternatives(spent: Mapping[Group, Spend], routes: Routes) -> list[tuple[Any, ...]]:
    rows = []
    for (alias, provider, model), spend in spent.items():
        used = Deployment(provider, model)
        for via, other in routes.others.get(alias, ()):
            rates = routes.rates(other, via)
            if rates is None or other == used or spend.unpriced or not rates.cover(spend.usage):
                continue
            cost = rates.total(spend.usage, spend.requests)
            if cost < spend.cost:
                rows.append((alias, str(used), str(other), spend.cost, cost, spend.cost - cost))
    return rows
