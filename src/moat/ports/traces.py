"""The trace store: everything that is asked about finished calls. No SQL outside its adapters."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec

from moat.domain.calls import Deployment
from moat.domain.feedback import Feedback, Source
from moat.domain.spans import Span
from moat.domain.usage import Usage

Dimension = Literal[
    "tenant",
    "feature",
    "user",
    "model",
    "alias",
    "provider",
    "operation",
    "prompt",
    "version",
    "release",
    "arm",
    "experiment",
    "environment",
    "key",
    "error",
    "session",
    "service",
    "guard",
    "left_alone",
]


Nanoseconds = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""Unix time, as the store can hold it."""


class TraceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls: every given field must match exactly; times are Unix nanoseconds, `until` exclusive."""

    tenant: str = ""
    feature: str = ""
    user: str = ""
    session: str = ""
    key: str = ""
    model: str = ""
    alias: str = ""
    provider: str = ""
    operation: str = ""
    prompt: str = ""
    version: str = ""
    release: str = ""
    arm: str = ""
    experiment: str = ""
    environment: str = ""
    service: str = ""
    guard: str = ""
    request_id: str = ""
    trace_id: str = ""
    error: str = ""
    q: str = ""
    """An expression of the filter language (`moat.telemetry.query`), such as `latency > 2s and cost >= $0.01`; it and
    the other fields must all hold. Raises `RequestError` where it is used when it is none."""
    failed: bool | None = None
    """True: only calls that ended in an error; False: only those that did not."""
    shadow: bool | None = None
    """True: only copies that nobody waited for; False: only calls that somebody saw."""
    wide: bool = False
    """Where no call matches, what applications reported may: the top span of a trace, or a span at any depth when the
    question is about more than whose it is (`q`, or one of `OF_SPANS`)."""
    since_ns: Nanoseconds = 0
    until_ns: Nanoseconds = 0
    ended_since_ns: Nanoseconds = 0
    """Only what ended then or later, however long before it began: a call is stored when it has ended."""


OF_SPANS = ("service", "operation", "trace_id", "model", "provider", "error")
"""What spans of applications have at any depth."""


class Usages(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of one group of calls. Durations are nanoseconds; cost picodollars."""

    group: tuple[str, ...]
    slot_ns: int = 0
    """Start of the time slot; 0 when time was not divided."""
    calls: int
    errors: int
    timeouts: int = 0
    """Of the errors: those whose kind is a timeout."""
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int
    unpriced: int
    """Calls whose cost is unknown and so not in `cost`."""
    timed: int
    """Calls that have a latency: answered, or ended because nobody answered in time. Those that failed otherwise say
    nothing of how fast answers are, and in batches nobody waits."""
    p50_ns: int
    """Of these, as are the next two."""
    p95_ns: int
    p99_ns: int
    first_token_p50_ns: int
    """Over streamed calls: without a stream the first token comes with the last."""
    streamed_tokens: int = 0
    """Output tokens of streamed calls that gave more than one ..."""
    streaming_ns: int = 0
    """... and the time from their first token to the end: tokens per second is one over the other."""
    streams: int = 0
    """How many calls these are."""
    refused: int = 0
    """Of the errors: calls that failed before any attempt, such as those that a limit refused. They cost nothing."""
    looked_up: int = 0
    """Calls for which a cache was asked ..."""
    hits: int = 0
    """... and those it answered."""


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """Opinions of one name about one group of calls."""

    group: tuple[str, ...]
    slot_ns: int = 0
    """By the time of the call, not of the opinion."""
    name: str
    source: Source
    count: int
    """Opinions with a value."""
    total: float
    """Sum of the values, each 0 to 1."""
    squares: float
    """Sum of their squares."""
    low: int
    """Values below 0.5."""
    bins: tuple[int, ...] = ()
    """How many values lie in each tenth, [0, 0.1) first; 1 is in the last. Empty where a store does not count them."""


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """A session, or a user, as its calls show it."""

    id: str
    tenant: str
    user: str
    """Of a session: whose; of a user: the id again."""
    sessions: int
    calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost: int
    """Picodollars of what is priced."""
    first_ns: int
    last_ns: int
    """Start of the first and of the last call."""
    score: float | None
    """Mean of what people said, 0 to 1; None when nobody did."""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """What goes, and when: Unix nanoseconds, 0: never. What started before it goes."""

    content_ns: int = 0
    """Inputs, outputs, messages of errors and what else holds content (`moat.telemetry.content`); the span stays."""
    spans_ns: int = 0
    """Spans, and the opinions of them."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the store holds, and what it takes."""

    spans: int
    opinions: int
    rejects: int
    bytes: int
    """On the disk, with what is not yet given back."""
    first_ns: int
    """Start of the oldest span; 0 when there is none."""


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """What one group of requests to providers cost: sums over their attempts, exact. Money is picodollars."""

    group: tuple[str, ...]
    slot_ns: int = 0
    """Start of the time slot; 0 when time was not divided."""
    calls: int = 0
    """Calls that somebody made. Grouped or filtered by what only an attempt has (model, provider, error): calls with
    an attempt there, so that one with a fallback counts twice."""
    requests: int = 0
    """Attempts: each is billed by itself."""
    failed: int = 0
    """Attempts that gave no complete answer."""
    usage: Usage = Usage()
    """Tokens and pieces; `estimated` when any of them are."""
    estimated: int = 0
    """Attempts whose usage is our estimate."""
    cost: int = 0
    unpriced: int = 0
    """Attempts whose cost is not known, and so not in `cost`."""
    hits: int = 0
    """Calls that a cache answered; 0 where calls are counted by their attempts."""
    saved: int = 0
    """What these would have cost."""
    refused: int = 0
    """Calls that failed before any attempt, such as those that a limit refused; 0 where `hits` is."""


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """A stored attempt, as far as its price goes."""

    deployment: Deployment
    alias: str
    usage: Usage
    started_ns: int
    cost: int | None
    price_version: str


class RepriceOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Which attempts to price anew, in whose name. Times are Unix nanoseconds, 0: no bound; `until_ns` exclusive."""

    actor: str
    price_version: str
    """Of the table that prices them now."""
    since_ns: int = 0
    until_ns: int = 0
    dry_run: bool = False
    """Work everything out and change nothing."""


class PriceChange(msgspec.Struct, frozen=True, kw_only=True):
    """What new prices make of the attempts at one deployment that were priced with one table. Money is picodollars."""

    provider: str
    model: str
    price_version: str
    """That they were priced with before."""
    attempts: int = 0
    changed: int = 0
    """Attempts whose cost is another now, or known now."""
    kept: int = 0
    """Attempts for which there is no price now: they stay as they were."""
    before: int = 0
    after: int = 0
    """Sums of what is known."""


class Repricing(msgspec.Struct, frozen=True, kw_only=True):
    """What a re-pricing did: its entry in the audit."""

    at_ns: int
    order: RepriceOrder
    changes: tuple[PriceChange, ...]
    """Largest difference first."""

    @property
    def before(self) -> int:
        """Picodollars in all."""
        return sum(change.before for change in self.changes)

    @property
    def after(self) -> int:
        """Picodollars in all."""
        return sum(change.after for change in self.changes)


class TraceReader(Protocol):
    """Questions. All see what the shipper has committed."""

    def search(self, wanted: TraceFilter, limit: int = 50) -> list[Span]:
        """Calls, newest first, without `input` and `output`; other spans if `q` speaks of kinds, or as `wide` says."""
        ...

    def trace(self, trace_or_request_id: str) -> list[Span]:
        """All spans of one trace with their content, oldest first; empty when unknown."""
        ...

    def usages(self, by: Sequence[Dimension], wanted: TraceFilter) -> list[Usages]:
        """Totals of the calls per combination of dimensions, most expensive first; no dimension: one row."""
        ...

    def series(
        self, by: Sequence[Dimension], wanted: TraceFilter, step_ns: int, offset_ns: int = 0, timezone: str = ""
    ) -> list[Usages]:
        """As `usages` per time slot of `step_ns`, oldest first; a slot without calls is absent.

        Slots begin at multiples of `step_ns`, or so much later as `offset_ns` (below `step_ns`) says; here and below.
        With `timezone`, an IANA name, those longer than an hour begin at multiples on the clock there, in place of
        `offset_ns`: a day in which clocks change has 23 or 25 hours. Raises `ConfigError` for an unknown one.
        """
        ...

    def scores(
        self, by: Sequence[Dimension], wanted: TraceFilter, step_ns: int = 0, offset_ns: int = 0
    ) -> list[Scores]:
        """What people and scorers said of these calls, per name, by name."""
        ...

    def feedback(self, trace_or_request_id: str) -> list[Feedback]:
        """What was said of one trace or request, oldest first."""
        ...

    def opinions(self, wanted: TraceFilter, limit: int = 50, source: Source | None = None) -> list[Feedback]:
        """What was said of such calls, the newest first; `source`: by people alone, or by scorers."""
        ...

    def sessions(self, wanted: TraceFilter, limit: int = 50) -> list[Visit]:
        """Sessions that have such calls, the last active first."""
        ...

    def users(self, wanted: TraceFilter, limit: int = 50) -> list[Visit]:
        """Users that have such calls, the last active first."""
        ...

    def pages(self, wanted: TraceFilter, size: int = 1000) -> Iterator[list[Span]]:
        """Whole traces that have such a call, spans with content, oldest first: for exports. Reads as it is asked.

        With `wide`, traces that have no call as well: what matches is one of their spans.
        """
        ...

    def kept(self) -> Kept:
        """How much there is."""
        ...

    def spending(
        self, by: Sequence[Dimension], wanted: TraceFilter, step_ns: int = 0, offset_ns: int = 0, timezone: str = ""
    ) -> list[Spend]:
        """What attempts cost per combination of dimensions, and per time slot when `step_ns` is not 0.

        Most expensive first, or by time; groups without any row are absent. Filters look at each attempt: `model` is
        the provider's name of it, and `failed` is about the attempt.
        """
        ...

    def deployments(self, wanted: TraceFilter) -> list[tuple[str, Deployment]]:
        """Every alias and deployment that attempts were made at."""
        ...

    def repricings(self, limit: int = 50) -> list[Repricing]:
        """What re-pricings did, newest first; dry runs are not kept."""
        ...


class TraceWriter(Protocol):
    """The shipper's side."""

    def ingest(self, segments: Sequence[Path]) -> int:
        """Commit all whole lines of these NDJSON segments in one transaction; how many spans were new.

        At least once: a span seen before (same `trace_id`, `span_id` and `started_ns`, as in a segment that
        comes again) changes nothing. A line that is not a span is set aside in the `rejects` table with its
        reason, never an error and never dropped. Raises `DocumentError` for segments it can never take,
        `StorageError` when it cannot take them now.
        """
        ...

    def ingest_feedback(self, segments: Sequence[Path]) -> int:
        """As `ingest`, of lines that are `Feedback`: the later of the same id stands."""
        ...

    def expire(self, retention: Retention) -> int:
        """Let go of what is older, a little at a time so that nobody waits long; how many spans went or lost content.

        Kept whatever their age: nothing. Idempotent. Raises `StorageError`.
        """
        ...

    def backup(self, target: Path) -> None:
        """A copy of the store as of one moment, whole or not at all, while it is used. Raises `StorageError`."""
        ...

    def reprice(self, order: RepriceOrder, price: Callable[[Charge], int | None]) -> Repricing:
        """Price stored attempts anew, and note it for `repricings`.

        Attempts, their calls and the note change together; a large history in several steps, and the note says how far
        it came: doing it again does the rest. `price` answers None where there is no price: that attempt stays as it
        was. The cost of a call becomes the sum over its attempts, unknown when one of them is. A version that ends in
        `moat.domain.batches.BATCH_PRICED` keeps that ending. Raises `StorageError`.
        """
        ...
