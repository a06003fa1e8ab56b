"""Everything that a report asks the trace store: two periods of the same length, and the days of the later one."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo

import msgspec
from msgspec.structs import replace

from moat.domain.alerting import Event
from moat.ports.traces import Dimension, Scores, Spend, TraceFilter, TraceReader, Usages
from moat.telemetry.traffic import TRAFFIC

DIMENSIONS: tuple[Dimension, ...] = ("model", "feature", "tenant", "version")
NO_CALLS = Usages(**dict.fromkeys(Usages.__struct_fields__[1:], 0), group=())
NO_SPEND = Spend(group=())
HOUR_NS = 3600 * 10**9

Group = tuple[str, ...]


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Unix nanoseconds; days are the parts it is drawn in."""

    name: str
    since_ns: int
    until_ns: int
    before_ns: int
    """Where the period begins that it is compared with; it ends where this one begins."""
    days: tuple[tuple[int, int], ...]
    zone: tzinfo = UTC

    def day(self, at_ns: int) -> str:
        """Of a moment: the local date."""
        return datetime.fromtimestamp(at_ns / 1e9, self.zone).strftime("%m-%d")

    def label(self, since_ns: int, until_ns: int) -> str:
        """Of one of the days: its date, and how much of it there is when it is not all."""
        whole = datetime.fromtimestamp(since_ns / 1e9, self.zone)
        following = (whole + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        if whole.time() == time() and until_ns / 1e9 >= following.timestamp():
            return self.day(since_ns)
        return f"{self.day(since_ns)} ({(until_ns - since_ns) / HOUR_NS:.0f} h)"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was released."""

    at_ns: int
    prompt: str
    environment: str
    version: str
    """The new one."""
    before: str
    """The one that it replaced; empty when there was none."""
    actor: str
    reason: str


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two periods."""

    calls: Usages
    spend: Spend
    scores: tuple[Scores, ...]
    by_calls: Mapping[str, Mapping[Group, Usages]]
    by_spend: Mapping[str, Mapping[Group, Spend]]
    segments: Mapping[Group, Spend]
    """By provider and model, of attempts."""
    errors: Mapping[Group, Usages]
    """By kind of error."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    period: Period
    now: Side
    before: Side
    days: tuple[tuple[Usages, Spend], ...]
    changes: tuple[Change, ...] = ()
    events: tuple[Event, ...] = ()


def gather(
    traces: TraceReader, wanted: TraceFilter, period: Period, changes: Sequence[Change], events: Sequence[Event]
) -> Facts:
    """Ask. `wanted` narrows everything, such as to one tenant; its times are not used."""
    q = f"({wanted.q}) and {TRAFFIC}" if wanted.q else TRAFFIC
    wanted = replace(wanted, q=q)
    now = replace(wanted, since_ns=period.since_ns, until_ns=period.until_ns)
    before = replace(wanted, since_ns=period.before_ns, until_ns=period.since_ns)
    days = []
    for since, until in period.days:
        that = replace(wanted, since_ns=since, until_ns=until)
        days.append((_calls(traces, that), _spend(traces, that)))
    return Facts(
        period=period,
        now=_side(traces, now),
        before=_side(traces, before),
        days=tuple(days),
        changes=tuple(one for one in changes if period.since_ns <= one.at_ns < period.until_ns),
        events=tuple(one for one in events if period.since_ns <= one.at_ns < period.until_ns),
    )


def _side(traces: TraceReader, wanted: TraceFilter) -> Side:
    seen = replace(wanted, shadow=False)
    paid: dict[str, list[Dimension]] = {"model": ["alias"], "version": ["prompt", "version"]}
    asked: dict[str, list[Dimension]] = {"version": ["prompt", "version"]}
    return Side(
        calls=_calls(traces, wanted),
        spend=_spend(traces, wanted),
        scores=tuple(traces.scores([], seen)),
        by_calls={d: {row.group: row for row in traces.usages(asked.get(d, [d]), seen)} for d in DIMENSIONS},
        by_spend={d: {row.group: row for row in traces.spending(paid.get(d, [d]), wanted)} for d in DIMENSIONS},
        segments={row.group: row for row in traces.spending(["provider", "model"], wanted)},
        errors={row.group: row for row in traces.usages(["error"], replace(seen, failed=True))},
    )


def _calls(traces: TraceReader, wanted: TraceFilter) -> Usages:
    return next(iter(traces.usages([], replace(wanted, shadow=False))), NO_CALLS)


def _spend(traces: TraceReader, wanted: TraceFilter) -> Spend:
    return next(iter(traces.spending([], wanted)), NO_SPEND)
