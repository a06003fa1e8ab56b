"""Calls as lists and charts show them: pages without end, counts over time, and what guards found in them.

Every question is answered from the trace store; only parts of a trace hold the content of calls.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec

from moat.domain.spans import Span, SpanKind
from moat.ports.traces import Dimension, TraceFilter

MOST_SAMPLES = 5000
"""Groups and slots of `CallReader.samples`, at most."""
MOST_SPANS = 5000
"""Of one part of a trace."""


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a table of calls. Times are nanoseconds, money picodollars; fields are those of `Span`."""

    span_id: str
    trace_id: str
    kind: SpanKind
    name: str
    started_ns: int
    duration_ns: int
    first_token_ns: int
    request_id: str
    environment: str
    tenant: str
    feature: str
    user: str
    session: str
    key: str
    prompt: str
    version: str
    release: str
    arm: str
    shadow_of: str
    model: str
    alias: str
    model_answered: str
    provider: str
    operation: str
    service: str
    tools: str
    guard: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int | None
    cache: str
    error: str
    finish_reason: str
    stream: bool
    attempts: int


class Place(NamedTuple):
    """Where a page ended: what comes next is older, or as old and behind it."""

    started_ns: int
    span_id: str
    trace_id: str
    reported: bool
    """Do the pages hold spans of applications, since no call matched?"""


class CallsPage(NamedTuple):
    """Some of the calls that match, newest first."""

    rows: list[CallRow]
    next: Place | None
    """Where the next page begins; None after the last one."""


class CallSlot(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that started within one slot of time."""

    start_ns: int
    """Unix nanoseconds."""
    calls: int
    failed: int
    """Of these: those that ended in an error."""


class CallCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls match, and when they were."""

    calls: int
    failed: int
    since_ns: int
    """Unix nanoseconds: when the time that is looked at begins, and when it ends. Both are 0 when nothing matches a
    question without bounds."""
    until_ns: int
    step_ns: int
    """Length of a slot: slots begin at its multiples. 0 without any."""
    slots: list[CallSlot]
    """Of the whole time, oldest first, those without calls included."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What some calls come to. Durations are nanoseconds, money picodollars."""

    start_ns: int
    """Of the slot of time, in Unix nanoseconds, or of all the time that is looked at."""
    calls: int = 0
    errors: int = 0
    blocked: int = 0
    """Calls that a guard refused."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0
    unpriced: int = 0
    """Calls whose cost is unknown and so not in `cost`."""
    looked_up: int = 0
    """Calls for which a cache was asked ..."""
    hits: int = 0
    """... and those it answered."""
    saved: int = 0
    """What these would have cost."""
    p50_ns: int = 0
    """Latency of the calls that have one, as in `Usages`; 0 without any."""
    p95_ns: int = 0
    first_token_p50_ns: int = 0
    """Over streamed calls."""


class FindingCount(msgspec.Struct, frozen=True, kw_only=True):
    """What one guard did in calls of one slot of time."""

    slot_ns: int
    """Start of the slot; 0 when time was not divided."""
    guard: str
    kind: str
    """Of finding, of the detector; `did not run` when it gave no answer."""
    place: Literal["", "input", "documents", "tool_results", "output", "tool_arguments"]
    action: Literal["", "flag", "review", "redact", "retry", "fallback", "block"]
    calls: int
    findings: int
    last_ns: int
    """Start of the newest of these calls ..."""
    last_request: str
    """... and its request id."""


class Sample(NamedTuple):
    """What statistics need of one group of calls. Durations are nanoseconds, money picodollars."""

    group: tuple[str, ...]
    slot_ns: int
    """Start of the time slot; 0 when time was not divided."""
    calls: int
    errors: int
    timed: int
    """Calls that have a latency, as in `Usages`."""
    latencies: tuple[int | None, ...]
    """Of these, those of the ranks that were asked for; None where there is none of a rank."""
    priced: int
    """Calls whose cost is known, without those that were refused before any attempt: these cost nothing."""
    cost: float
    """Mean of these; 0 without any."""
    deviation: float
    """Standard deviation of their costs as a sample; 0 for fewer than two."""
    skewness: float
    """Moment coefficient of their costs; 0 for fewer than three, and where they hardly differ."""


class TracePart(msgspec.Struct, frozen=True):
    """Some of the spans of a trace: all of them, where it is not a very large one."""

    spans: list[Span]
    """With their content, oldest first."""
    count: int
    """How many the trace has in all."""


def in_order(span: Span) -> tuple[int, bool, str]:
    """What sorts the spans of a trace: oldest first, and of those that began at once the one at the top."""
    return span.started_ns, span.parent_id != "", span.span_id


Ranks = Callable[[int], Sequence[int]]
"""Which of so many values, sorted and counted from 1, are wanted: always as many ranks; 0 is none."""


class CallReader(Protocol):
    """Questions about calls. All see what the shipper has committed."""

    def page(self, wanted: TraceFilter, limit: int, after: Place | None = None) -> CallsPage:
        """Calls, newest first, `limit` at most, from a place on.

        Pages that follow each other hold each call once, and miss none that was there when the first was asked for,
        however many come meanwhile. With `wide`, as `TraceReader.search`.
        """
        ...

    def count(self, wanted: TraceFilter, slots: int, now_ns: int) -> CallCount:
        """How many match, in `slots` slots of time at most and one more.

        Without `since_ns` time begins with the first that matches; without `until_ns` it ends with the last, or, when
        `since_ns` is given, at `now_ns`.
        """
        ...

    def totals(self, wanted: TraceFilter, step_ns: int = 0) -> list[Totals]:
        """Of all the calls: always one. With `step_ns`: of each slot of time that has any, oldest first."""
        ...

    def course(self, wanted: TraceFilter, step_ns: int) -> tuple[Totals, list[Totals]]:
        """Both at once: of all the calls, and of each slot of `step_ns` that has any, oldest first."""
        ...

    def samples(
        self, by: Sequence[Dimension], wanted: TraceFilter, ranks: Ranks, step_ns: int = 0, offset_ns: int = 0
    ) -> list[Sample]:
        """Calls per combination of dimensions, and per time slot when `step_ns` is not 0, the oldest first.

        Raises `RequestError` for more groups than `MOST_SAMPLES`.
        """
        ...

    def trace(self, trace_or_request_id: str, offset: int = 0, tenant: str = "", environment: str = "") -> TracePart:
        """Up to `MOST_SPANS` spans of one trace, after the first `offset`; none when it is unknown.

        Those of a request that is asked for by its id come before the oldest. `tenant`, `environment`: only theirs.
        """
        ...

    def findings(self, wanted: TraceFilter, step_ns: int, limit: int, timezone: str = "") -> list[FindingCount]:
        """What guards found in calls, oldest slot first, and in a slot those with the most calls.

        `limit`: groups of guard, kind, place and action, those with the most calls; of each all slots. `timezone`: as
        in `TraceReader`.
        """
        ...
