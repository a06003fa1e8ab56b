"""What stands behind a value that is past its bar: calls that show it, and providers that explain it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from moat.domain.alerting import Measure, Reading, Rule
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter, TraceReader
from moat.telemetry.alerts.evaluate import bar_of, breaches
from moat.telemetry.alerts.measures import share
from moat.telemetry.query_terms import TIMEOUT
from moat.telemetry.traffic import TRAFFIC

EXAMPLES = 5
LOOKED_AT = 200
"""The newest calls past the bar; of these the worst are shown."""

_FAILED: Mapping[Measure, str] = {"error_rate": "error", "timeout_rate": f"error = {TIMEOUT}"}
_TAILS: Mapping[Measure, float] = {
    "latency_p50": 0.5,
    "first_token_p50": 0.5,
    "latency_p95": 0.05,
    "latency_p99": 0.01,
    "tokens_per_second": 0.2,
}
"""Share of the calls that can move the value."""


class Window(NamedTuple):
    """Unix nanoseconds, the end exclusive."""

    since_ns: int
    until_ns: int


def examples(traces: TraceReader, rule: Rule, reading: Reading, window: Window) -> tuple[str, ...]:
    """Request ids of calls that are past the bar: the worst of the newest, or the newest where all are alike."""
    past = _past(rule, reading)
    if past is None:
        return ()
    calls = traces.search(_wanted(rule, reading.labels, window, past), LOOKED_AT)
    if worst := _WORST.get(rule.measure):
        calls = sorted(calls, key=worst, reverse=True)
    return tuple(dict.fromkeys(span.request_id or span.trace_id for span in calls))[:EXAMPLES]


def explaining(traces: TraceReader, rule: Rule, reading: Reading, window: Window) -> tuple[str, ...]:
    """Providers without whose failures the rule would find nothing in this group: where a rate is back within its bar
    without the calls that failed there, and a quantile has enough calls that failed there, or were kept away, to move.
    """
    if rule.measure in _FAILED:
        return _without(traces, rule, reading, window)
    if rule.measure in _TAILS:
        return _slowed(traces, rule, reading, window)
    return ()


def behind(calls: Sequence[Span]) -> tuple[str, ...]:
    """Providers that explain each of these single calls."""
    found = Counter(provider for call in calls for provider in _blamed(call.error, call.provider, call.left_alone))
    return tuple(provider for provider, number in found.items() if number == len(calls))


def _blamed(error: str, provider: str, left_alone: str) -> list[str]:
    """Of a call: where it failed; of one that was sent nowhere, who was left alone."""
    if not error:
        return []
    return [provider] if provider else [name for name in left_alone.split(",") if name]


def _without(traces: TraceReader, rule: Rule, reading: Reading, window: Window) -> tuple[str, ...]:
    rows = traces.usages(
        ["error", "provider", "left_alone"], _wanted(rule, reading.labels, window, _FAILED[rule.measure])
    )
    failed, at = sum(row.calls for row in rows), Counter[str]()
    for row in rows:
        for provider in _blamed(*row.group):
            at[provider] += row.calls
    return tuple(name for name, calls in at.items() if not _still(rule, reading, failed - calls, calls))


def _still(rule: Rule, reading: Reading, failed: int, left_out: int) -> bool:
    rest = share(failed, reading.samples - left_out)
    if rest is None:
        return False
    return breaches(rule, replace(reading, value=rest.value, samples=rest.samples, low=rest.low, high=rest.high))


def _slowed(traces: TraceReader, rule: Rule, reading: Reading, window: Window) -> tuple[str, ...]:
    calls, at = 0, Counter[str]()
    for row in traces.usages(["left_alone"], _wanted(rule, reading.labels, window)):
        calls += row.calls
        for provider in filter(None, row.group[0].split(",")):
            at[provider] += row.calls
    labels = {"alias" if name == "model" else name: value for name, value in reading.labels.items()}
    for spend in traces.spending(["provider"], _wanted(rule, labels, window)):
        at[spend.group[0]] += spend.failed
    return tuple(name for name, number in at.items() if number and number >= _TAILS[rule.measure] * calls)


def _wanted(rule: Rule, labels: Mapping[str, str], window: Window, past: str = "") -> TraceFilter:
    """The calls of one group in a window that are past the bar."""
    group = (f"{name} = {_quoted(value)}" for name, value in labels.items() if name != "score")
    q = " and ".join(f"({part})" for part in (TRAFFIC, rule.where, *group, past) if part)
    return TraceFilter(q=q, shadow=False, since_ns=window.since_ns, until_ns=window.until_ns)


def _past(rule: Rule, reading: Reading) -> str | None:
    """What calls past the bar have, in the filter language; None where no single call is."""
    if rule.measure in _FAILED:
        return _FAILED[rule.measure]
    bar = bar_of(rule, reading)
    if bar is None:
        return None
    sign = ">" if rule.side == "above" else "<"
    said = {
        "provider_failures": "kind = attempt and error",
        "latency_p50": f"latency {sign} {bar:.6f}s and (not error or error = {TIMEOUT})",
        "first_token_p50": f"stream and first_token {sign} {bar:.6f}s",
        "cost_per_call": f"cost {sign} ${bar:.12f}",
        "tokens_per_call": f"tokens {sign} {bar:.0f}",
    }
    said["latency_p95"] = said["latency_p99"] = said["latency_p50"]
    score = reading.labels.get("score", "")
    if score.isidentifier():
        said["feedback"] = f"score.{score} < {max(0.0, (bar - 1) / 4):.6f}"
        said["score"] = f"score.{score} < {max(0.0, bar):.6f}"
        said["low_scores"] = f"score.{score} < 0.5"
    return said.get(rule.measure)


def _quoted(text: str) -> str:
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
