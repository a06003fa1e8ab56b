"""What stands behind a value that is past its bar: calls that show it, and providers that explain it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from moat.domain.alerting import Measure, Reading, Rule
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter, TraceReader
from moat.telemetry.alerts.evaluate import bar_of, breaches, slowest
from moat.telemetry.alerts.measures import share
from moat.telemetry.query_terms import TIMEOUT
from moat.telemetry.traffic import TRAFFIC

EXAMPLES = 5
LOOKED_AT = 200
"""The newest calls past the bar; of these the worst are shown."""
SLOT_NS = 60 * 10**9
"""As fine as failures are dated."""
TOGETHER = 100
"""Traces that are asked for at once: a filter has a greatest length."""
MOST_ATTEMPTS = 1000
"""Of these."""

_FAILED: Mapping[Measure, str] = {"error_rate": "error", "timeout_rate": f"error = {TIMEOUT}"}
_TAILS: Mapping[Measure, float] = {"latency_p50": 0.5, "latency_p95": 0.05, "latency_p99": 0.01}
"""Share of the calls that may be past a bar that the quantile is within."""
_PAST_LATENCY = f"latency {{sign}} {{bar:.6f}}s and (not error or error = {TIMEOUT})"

Part = tuple[int, int]
"""When calls began (Unix nanoseconds), and how many they are."""


class Window(NamedTuple):
    """Unix nanoseconds, the end exclusive."""

    since_ns: int
    until_ns: int


def examples(traces: TraceReader, rule: Rule, reading: Reading, window: Window) -> tuple[str, ...]:
    """Request ids of calls that are past the bar: the worst of the newest, or the newest where all are alike."""
    past = is_past(rule, reading.labels, bar_of(rule, reading))
    if past is None:
        return ()
    calls = traces.search(_wanted(rule, reading.labels, window, past), LOOKED_AT)
    if worst := _WORST.get(rule.measure):
        calls = sorted(calls, key=worst, reverse=True)
    return tuple(dict.fromkeys(span.request_id or span.trace_id for span in calls))[:EXAMPLES]


def explaining(traces: TraceReader, rule: Rule, reading: Reading, window: Window) -> dict[str, int]:
    """Providers without which the rule would find nothing in this group, and until when they must have been down for
    that: where a rate is back within its bar without the calls that failed there before then, or a quantile without the
    time that earlier calls spent there.
    """
    if rule.measure in _FAILED:
        return _without(traces, rule, reading, window)
    if rule.measure in _TAILS and rule.side == "above":
        return _slowed(traces, rule, reading, window)
    return {}


def behind(calls: Sequence[Span]) -> dict[str, int]:
    """Providers that explain each of these single calls, and when the last of these began."""
    found = Counter(provider for call in calls for provider in _blamed(call.error, call.provider, call.left_alone))
    last = max((call.started_ns for call in calls), default=0)
    return {provider: last for provider, number in found.items() if number == len(calls)}


def _blamed(error: str, provider: str, left_alone: str) -> list[str]:
    """Of a call: where it failed; of one that was sent nowhere, who was left alone."""
    if not error:
        return []
    return [provider] if provider else [name for name in left_alone.split(",") if name]


def _without(traces: TraceReader, rule: Rule, reading: Reading, window: Window) -> dict[str, int]:
    rows = traces.series(
        ["error", "provider", "left_alone"], _wanted(rule, reading.labels, window, _FAILED[rule.measure]), SLOT_NS
    )
    failed, at = sum(row.calls for row in rows), dict[str, list[Part]]()
    for row in reversed(rows):
        for provider in _blamed(*row.group):
            at.setdefault(provider, []).append((row.slot_ns, row.calls))

    def within(kept: int) -> bool:
        rest = share(kept, reading.samples - failed + kept)
        if rest is None:
            return True
        return not breaches(
            rule, replace(reading, value=rest.value, samples=rest.samples, low=rest.low, high=rest.high)
        )

    return _known({name: _until(failed, parts, within) for name, parts in at.items()})


def _slowed(traces: TraceReader, rule: Rule, reading: Reading, window: Window) -> dict[str, int]:
    labels = {"alias" if name == "model" else name: value for name, value in reading.labels.items()}
    spent = traces.spending(["provider"], _wanted(rule, labels, window))
    providers = [row.group[0] for row in spent if row.failed]
    bar = slowest(rule, reading)
    if not providers or bar is None:
        return {}
    wanted = _wanted(rule, reading.labels, window, _PAST_LATENCY.format(sign=">", bar=bar))
    past = sum(row.calls for row in traces.usages([], wanted))
    calls = traces.search(wanted, LOOKED_AT)
    if not calls:
        return {}
    attempts = _attempts(traces, calls, window)
    may = _TAILS[rule.measure] * reading.samples * len(calls) / past  # of those looked at

    def explained(provider: str) -> list[Part]:
        rest = ((call, call.duration_ns - spent_at(provider, attempts.get(call.span_id, ()))) for call in calls)
        return [(call.started_ns, 1) for call, without in rest if without <= bar * 1e9]

    return _known({name: _until(len(calls), explained(name), lambda kept: kept <= may) for name in providers})


def _until(number: int, parts: Sequence[Part], within: Callable[[int], bool]) -> int | None:
    """So many calls are past a bar, and these parts of them would not be without a provider, the newest first. When the
    newest part began that must be left out for the rest to be `within`; None where it is not, even without all of them.
    """
    kept = number - sum(calls for _, calls in parts)
    if not within(kept):
        return None
    for began_ns, calls in parts:
        kept += calls
        if not within(kept):
            return began_ns
    return None


def _known(found: Mapping[str, int | None]) -> dict[str, int]:
    return {name: until for name, until in found.items() if until is not None}


def _attempts(traces: TraceReader, calls: Sequence[Span], window: Window) -> dict[str, list[Span]]:
    """By the call's span, oldest first."""
    found: dict[str, list[Span]] = {}
    for first in range(0, len(calls), TOGETHER):
        ids = ", ".join(quoted(call.trace_id) for call in calls[first : first + TOGETHER])
        wanted = TraceFilter(q=f"kind = attempt and trace in ({ids})", since_ns=window.since_ns)
        for span in reversed(traces.search(wanted, MOST_ATTEMPTS)):
            found.setdefault(span.parent_id, []).append(span)
    return found


def spent_at(provider: str, attempts: Sequence[Span]) -> int:
    """Nanoseconds in which a call waited for this provider alone, or to ask again after it: attempts, oldest first."""
    everyone, others = Elapsed(), Elapsed()
    for number, span in enumerate(attempts):
        end = span.started_ns + span.duration_ns
        if number + 1 < len(attempts):
            end = max(end, attempts[number + 1].started_ns)
        everyone.add(span.started_ns, end)
        if span.provider != provider:
            others.add(span.started_ns, end)
    return everyone.ns - others.ns


class Elapsed:
    """How long at least one of several spans of time went on; they come by their beginnings."""

    def __init__(self) -> None:
        self.ns = 0
        self._end = 0

    def add(self, start_ns: int, end_ns: int) -> None:
        """One more."""
        self.ns += max(0, end_ns - max(start_ns, self._end))
        self._end = max(self._end, end_ns)


def _wanted(rule: Rule, labels: Mapping[str, str], window: Window, past: str = "") -> TraceFilter:
    """The calls of one group in a window that are past the bar."""
    group = (f"{name} = {quoted(value)}" for name, value in labels.items() if name != "score")
    q = " and ".join(f"({part})" for part in (TRAFFIC, rule.where, *group, past) if part)
    return TraceFilter(q=q, shadow=False, since_ns=window.since_ns, until_ns=window.until_ns)


def of_single(rule: Rule) -> str:
    """What each call has that a rule about single calls counts, in the filter language; empty for other rules."""
    return {
        "slow_calls": f"latency > {rule.limit:.3f}s",
        "failed_calls": "error",
        "expensive_calls": f"cost > ${rule.limit:.9f}",
    }.get(rule.measure, "")


def is_past(rule: Rule, labels: Mapping[str, str], bar: float | None) -> str | None:
    """What calls of a group past the bar have, in the filter language; None where none is, or no bar is known."""
    if single := of_single(rule):
        return single
    if rule.measure in _FAILED:
        return _FAILED[rule.measure]
    if bar is None:
        return None
    sign = ">" if rule.side == "above" else "<"
    said = {
        "provider_failures": "kind = attempt and error",
        "latency_p50": _PAST_LATENCY.format(sign=sign, bar=bar),
        "first_token_p50": f"stream and first_token {sign} {bar:.6f}s",
        "cost_per_call": f"cost {sign} ${bar:.12f}",
        "tokens_per_call": f"tokens {sign} {bar:.0f}",
    }
    said["latency_p95"] = said["latency_p99"] = said["latency_p50"]
    score = labels.get("score", "")
    if score.isidentifier():
        said["feedback"] = f"score.{score} < {max(0.0, (bar - 1) / 4):.6f}"
        said["score"] = f"score.{score} < {max(0.0, bar):.6f}"
        said["low_scores"] = f"score.{score} < 0.5"
    return said.get(rule.measure)


def quoted(text: str) -> str:
    """A text as the filter language takes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_WORST: Mapping[Measure, Callable[[Span], int]] = {
    "latency_p50": lambda span: span.duration_ns,
    "latency_p95": lambda span: span.duration_ns,
    "latency_p99": lambda span: span.duration_ns,
    "first_token_p50": lambda span: span.first_token_ns,
    "cost_per_call": lambda span: span.cost or 0,
    "tokens_per_call": lambda span: span.input_tokens + span.output_tokens,
}
