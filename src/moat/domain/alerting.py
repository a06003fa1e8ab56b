"""Alerts: rules, what they measured, what fires, who is told. Also the shape of `alerts` in moat.yaml.

Values are in the units of people: seconds, dollars, tokens, shares from 0 to 1, opinions from 0 to 1 or (feedback)
1 to 5.
"""

from typing import Annotated, Any, Literal

import msgspec

Measure = Literal[
    "latency_p50",
    "latency_p95",
    "latency_p99",
    "first_token_p50",
    "tokens_per_second",
    "error_rate",
    "timeout_rate",
    "provider_failures",
    "cost_per_call",
    "spend_today",
    "tokens_per_call",
    "calls",
    "feedback",
    "score",
    "low_scores",
    "score_shift",
    "cache_hit_rate",
    "slow_calls",
    "failed_calls",
    "expensive_calls",
]
"""What a rule looks at. `low_scores`: share of opinions below a half. `score_shift`: how far the distribution of a
score has moved (population stability index). `slow_calls`, `failed_calls`, `expensive_calls`: single calls."""

Severity = Literal["critical", "warning", "info"]

Side = Literal["above", "below"]

RuleName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=64)]
Length = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,4}[smhdw]$")]
"""Of time: `90s`, `15m`, `24h`, `7d`."""
Relative = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,4}(\.[0-9]{1,4})?x$")]
"""Times the baseline: `2x`, `0.8x`."""
Bar = float | Relative
Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class RuleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shipped rule changed, by its name, or one of one's own, which needs `measure` and `above` or `below`."""

    name: RuleName
    enabled: bool = True
    measure: Measure | None = None
    score: str = ""
    """Name of the score, for measures of opinions; empty: each that there is, by itself."""
    above: Bar | None = None
    """Fires above it: a value, or times the baseline (`2x`)."""
    below: Bar | None = None
    limit: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """For single calls: seconds, or dollars, from which one counts."""
    per: list[str] | None = None
    """Dimensions: each group is measured, and fires, by itself."""
    where: str | None = None
    """Only these calls: an expression of the filter language of `moat traces search`."""
    window: Length | None = None
    """How far back each evaluation looks."""
    min_samples: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Calls, or opinions, below which nothing is said."""
    after: Count | None = None
    """Evaluations in a row that must find it before it fires."""
    severity: Severity | None = None
    remedy: str | None = None
    """What to do, told with the alert."""


class ChannelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somewhere that messages go. Credentials are `${VAR}` references."""

    kind: Literal["webhook", "email", "apprise"]
    url: str
    """`webhook`: where JSON is posted. `email`: the mail server, `smtp://user:password@host:port` or `smtps://...`.
    `apprise`: any URL that apprise knows, such as `slack://...`, `pagerduty://...`."""
    secret: str = ""
    """`webhook`: signs each request (HMAC-SHA256)."""
    to: list[str] = []
    """`email`: addresses."""
    sender: str = ""
    """`email`: the From address."""
    tls: bool = True
    """`email`: False: a server that offers no TLS gets letters all the same, and never a password."""
    private_network: bool = False
    """May its host be a public name that leads to a private address?"""


class RouteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told of what. All routes that fit apply; all that a route states must hold."""

    channels: Annotated[list[str], msgspec.Meta(min_length=1)]
    severity: list[Severity] = []
    """Empty: any."""
    rules: list[str] = []
    """Empty: any."""
    match: dict[str, list[str]] = {}
    """By dimension: only alerts of these values."""


class AlertsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `moat serve` watches for, and whom it tells."""

    enabled: bool = True
    every: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 60.0
    """Seconds between two evaluations."""
    timezone: str = "UTC"
    """Where days begin, for spending by the day. IANA name."""
    daily_budget: str = ""
    """US dollars a day for all, as text; empty: of a limit on money by the day over all calls, else $50."""
    rules: list[RuleConfig] = []
    channels: dict[RuleName, ChannelConfig] = {}
    routes: list[RouteConfig] = []
    """Empty: everything goes to every channel."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What is watched. Immutable; compiled from what is shipped and what moat.yaml says."""

    name: str
    measure: Measure
    side: Side
    threshold: float
    """In the measure's unit; times the baseline when `relative`."""
    meaning: str
    """What it tells, in a sentence."""
    remedy: str
    """What to do when it fires."""
    seed: str = ""
    """The row of the metrics table that it answers; empty for own rules."""
    relative: bool = False
    by: tuple[str, ...] = ("environment",)
    where: str = ""
    score: tuple[str, ...] = ()
    """Names of scores; empty: each that there is, by itself."""
    limit: float = 0.0
    """Of single calls."""
    window_s: int = 900
    min_samples: int = 100
    after: int = 2
    calm: int = 3
    """Evaluations in a row at the clear bar or better until it resolves."""
    clear: float = 0.9
    """The clear bar: so much of the threshold (of one that fires below, its inverse)."""
    severity: Severity = "warning"
    inhibited_by: tuple[str, ...] = ()
    """Rules whose firing explains this one: then nobody is told of it."""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What is usual."""

    center: float
    """Median."""
    spread: float
    """Robust standard deviation of single slots."""
    slots: int
    of: str
    """`this hour of the week`, `this hour of the day`, `all hours` or `days`."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule measured of one group of calls."""

    rule: str
    labels: dict[str, str] = {}
    """The group, by dimension."""
    value: float
    samples: int
    window_s: int = 0
    """How far back it looked; one group may be read over several windows."""
    low: float | None = None
    """Ends of the value's confidence interval; None where the value is no estimate."""
    high: float | None = None
    baseline: Baseline | None = None
    examples: tuple[str, ...] = ()
    """Request ids."""
    explained_by: dict[str, int] = {}
    """Providers whose outage explains it, provided that it lasted until then at least (Unix nanoseconds)."""
    note: str = ""
    """Why it says nothing, such as too little history."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that finds something in one group, for a moment (`pending`) or long enough (`firing`)."""

    rule: str
    labels: dict[str, str] = {}
    state: Literal["pending", "firing"]
    since_ns: int
    """First of the evaluations in a row that found it."""
    fired_ns: int = 0
    seen_ns: int
    """Last evaluation that could measure it."""
    breaches: int = 1
    calms: int = 0
    window_s: int = 0
    """Of the reading that it fired by: it takes as long a look to resolve it."""
    value: float
    bar: float
    samples: int
    baseline: float | None = None
    examples: tuple[str, ...] = ()
    explained_by: dict[str, int] = {}
    """As in the last `Reading` that was past the bar."""
    recent: bool = True
    """Does the shortest window still show it? What only longer ones show explains nothing of what happens now."""
    told: bool = False
    """Was anybody told, or is it muted so far?"""
    muted: str = ""
    """Why nobody is told at present."""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody is told of some alerts for a while: who wanted it, and why."""

    id: str
    rule: str = ""
    """Empty: every rule."""
    match: dict[str, str] = {}
    """By dimension; all must be equal."""
    by: str
    why: str
    at_ns: int
    until_ns: int
    """Exclusive."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An alert began to fire, or ended."""

    id: str
    """Made of rule, group and when it fired: the same event again is the same."""
    at_ns: int
    kind: Literal["fired", "resolved"]
    rule: str
    severity: Severity
    labels: dict[str, str] = {}
    value: float
    bar: float
    samples: int = 0
    baseline: float | None = None
    examples: tuple[str, ...] = ()
    why: str = ""
    muted: str = ""
    """Why nobody is told; empty: they are."""


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """An alert about a provider that fired, and may be over: what it explains outlives it."""

    rule: str
    labels: dict[str, str]
    until_ns: int
    """The last evaluation that it fired at and whose shortest window showed it."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """All that an evaluation must know of the ones before."""

    alerts: tuple[Alert, ...] = ()
    silences: tuple[Silence, ...] = ()
    outages: tuple[Outage, ...] = ()


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one channel is told at once. Text is plain, title one line."""

    id: str
    at_ns: int
    kind: Literal["fired", "resolved", "report", "test"]
    severity: Severity = "info"
    title: str
    text: str
    html: str = ""
    """The same as a page, for e-mail; empty: the text only."""
    rule: str = ""
    events: tuple[Event, ...] = ()


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message on its way to one channel."""

    id: str
    channel: str
    message: Message
    status: Literal["waiting", "sent", "failed"] = "waiting"
    tries: int = 0
    next_ns: int
    """Not before."""
    done_ns: int = 0
    error: str = ""
    """Why the last try failed, without secrets."""


def key_of(rule: str, labels: dict[str, Any]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """One alert's identity."""
    return rule, tuple(labels.items())
