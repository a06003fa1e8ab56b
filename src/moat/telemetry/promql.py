"""Alert rules in Prometheus's language, over the metrics of `GET /metrics`.

The server's own rules compare with what is usual at this hour of the week; Prometheus compares with the mean of the
seven days before the window. Durations are what PromQL calls them.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from moat.domain.alerting import Rule
from moat.telemetry.histograms import LATENCY
from moat.telemetry.query_terms import TIMEOUTS as ENDED_LATE

BASELINE = "7d"
TIMEOUTS = "|".join(ENDED_LATE)
_LABELS = {"environment": "environment", "feature": "feature", "model": "model", "alias": "model", "release": "release"}
"""Of metrics, by dimension of the trace store."""
_NOT_IN = re.compile(r"not error in \(([a-z_, ]+)\)")


class _Over(NamedTuple):
    """Where an expression looks."""

    window: str
    """`[15m]`, or `[7d] offset 15m`."""
    by: str
    """`by (environment, model) `, or nothing."""
    spared: str
    """Errors of calls that are left out, with `|` between them."""

    def calls(self, metric: str, function: str = "rate", **labels: str) -> str:
        """A sum over a counter of calls."""
        return f"sum {self.by}({function}({metric}{_selector(labels)}{self.window}))"

    @property
    def all(self) -> dict[str, str]:
        """Which calls are looked at."""
        return {"error": f"!~{self.spared}"} if self.spared else {}

    @property
    def failed(self) -> dict[str, str]:
        """Those of them that failed."""
        return {"error": f"!~|{self.spared}"} if self.spared else {"error": "!="}


def expression(rule: Rule) -> str | None:
    """When the rule fires; None where the metrics do not have what it looks at."""
    value = _VALUES.get(rule.measure)
    spared = _NOT_IN.fullmatch(rule.where)
    if value is None or (rule.where and spared is None):
        return None
    labels = _labels(rule)
    if labels is None:
        return None
    by = f"by ({', '.join(labels)}) " if labels else ""
    window, errors = duration(rule.window_s), "|".join(spared[1].split(", ")) if spared else ""
    now = _Over(f"[{window}]", by, errors)
    shown = value(rule, now)
    if shown is None:
        return None
    bar = f"{rule.threshold:g}"
    if rule.relative:
        bar = f"{bar} * ({value(rule, now._replace(window=f'[{BASELINE}] offset {window}'))})"
    found = f"{shown} {'>' if rule.side == 'above' else '<'} {bar}"
    if rule.min_samples <= 1:
        return found
    return f"({found}) and {_samples(rule, now)} >= {rule.min_samples}"


def duration(seconds: int) -> str:
    """As PromQL writes it.

    >>> duration(900), duration(86_400), duration(90)
    ('15m', '1d', '90s')
    """
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _labels(rule: Rule) -> tuple[str, ...] | None:
    """The labels to group by; None where the metrics do not have them."""
    if rule.measure == "provider_failures":
        return ("gen_ai_provider_name",)
    if rule.measure == "cache_hit_rate":
        return ("alias",)
    if rule.measure in _OPINIONS:
        return ("environment",) if rule.measure == "feedback" else ("environment", "name")
    labels = tuple(_LABELS.get(dimension, "") for dimension in rule.by)
    return None if "" in labels else labels


def _samples(rule: Rule, over: _Over) -> str:
    if rule.measure == "provider_failures":
        return over.calls("gen_ai_client_operation_duration_seconds_count", "increase")
    if rule.measure == "cache_hit_rate":
        return f"sum by (alias) ({_lookups(over, 'increase')})"
    if rule.measure in _OPINIONS:
        return over.calls("llm_score_count", "increase", **_scores(rule))
    if rule.measure in _LATENCIES:
        return over.calls("llm_latency_seconds_count", "increase")
    return over.calls("llm_requests_total", "increase", **over.all)


def _quantile(quantile: float, metric: str) -> Callable[[Rule, _Over], str]:
    def value(rule: Rule, over: _Over) -> str:
        by = over.by.replace("by (", "by (le, ") or "by (le) "
        return f"histogram_quantile({quantile:g}, {over._replace(by=by).calls(metric)})"

    return value


def _per_call(metric: str) -> Callable[[Rule, _Over], str]:
    def value(rule: Rule, over: _Over) -> str:
        return f"{over.calls(metric)} / {over.calls('llm_requests_total')}"

    return value


def _per_second(rule: Rule, over: _Over) -> str:
    return f"{over.calls('llm_streamed_tokens_total')} / {over.calls('llm_streaming_seconds_total')}"


def _errors(rule: Rule, over: _Over) -> str:
    failed = over.calls("llm_requests_total", **over.failed)
    return f"{failed} / {over.calls('llm_requests_total', **over.all)}"


def _timeouts(rule: Rule, over: _Over) -> str:
    late = over.calls("llm_requests_total", error=f"=~{TIMEOUTS}")
    return f"{late} / {over.calls('llm_requests_total', **over.all)}"


def _provider(rule: Rule, over: _Over) -> str:
    metric = "gen_ai_client_operation_duration_seconds_count"
    return f"{over.calls(metric, error_type='!=')} / {over.calls(metric)}"


def _spend(rule: Rule, over: _Over) -> str:
    return over.calls("llm_cost_dollars_total", "increase")


def _hits(rule: Rule, over: _Over) -> str:
    hits = " + ".join(f"rate(moat_cache_{kind}_total{over.window})" for kind in ("hits", "similar"))
    return f"sum by (alias) ({hits}) / sum by (alias) ({_lookups(over, 'rate')})"


def _lookups(over: _Over, function: str) -> str:
    return " + ".join(f"{function}(moat_cache_{kind}_total{over.window})" for kind in ("hits", "similar", "misses"))


def _scores(rule: Rule) -> dict[str, str]:
    if rule.measure == "feedback":
        return {"name": "=feedback", "source": "=person"}
    if rule.score:
        return {"name": f"=~{'|'.join(rule.score)}"}
    return {"source": "=scorer"}


def _mean(rule: Rule, over: _Over) -> str:
    which = _scores(rule)
    return f"{over.calls('llm_score_sum', 'increase', **which)} / {over.calls('llm_score_count', 'increase', **which)}"


def _feedback(rule: Rule, over: _Over) -> str:
    return f"1 + 4 * {_mean(rule, over)}"


def _low(rule: Rule, over: _Over) -> str:
    which = _scores(rule)
    low = over.calls("llm_scores_low_total", "increase", **which)
    return f"{low} / {over.calls('llm_score_count', 'increase', **which)}"


def _shift(rule: Rule, over: _Over) -> str:
    """The largest distance of two distributions (Kolmogorov and Smirnov): buckets are shares below a bound already."""
    before = over._replace(window=f"[{BASELINE}] offset {over.window.strip('[]')}")
    shares = (_distribution(rule, over), _distribution(rule, before))
    return f"max {over.by}(abs({shares[0]} - {shares[1]}))"


def _distribution(rule: Rule, over: _Over) -> str:
    which = _scores(rule)
    by = over.by.replace("by (", "by (le, ")
    below = over._replace(by=by).calls("llm_score_bucket", "increase", **which)
    return f"{below} / ignoring (le) group_left () {over.calls('llm_score_count', 'increase', **which)}"


def _calls(rule: Rule, over: _Over) -> str:
    return over.calls("llm_requests_total", "increase", **over.all)


def _failed(rule: Rule, over: _Over) -> str:
    return over.calls("llm_requests_total", "increase", **over.failed)


def _slow(rule: Rule, over: _Over) -> str | None:
    if rule.limit not in LATENCY:
        return None
    below = over.calls("llm_latency_seconds_bucket", "increase", le=f"={rule.limit!r}")
    return f"{over.calls('llm_latency_seconds_count', 'increase')} - {below}"


_OPINIONS = ("feedback", "score", "low_scores", "score_shift")
_LATENCIES = ("latency_p50", "latency_p95", "latency_p99")
_VALUES: dict[str, Callable[[Rule, _Over], str | None]] = {
    "latency_p50": _quantile(0.5, "llm_latency_seconds_bucket"),
    "latency_p95": _quantile(0.95, "llm_latency_seconds_bucket"),
    "latency_p99": _quantile(0.99, "llm_latency_seconds_bucket"),
    "first_token_p50": _quantile(0.5, "llm_first_token_seconds_bucket"),
    "tokens_per_second": _per_second,
    "error_rate": _errors,
    "timeout_rate": _timeouts,
    "provider_failures": _provider,
    "cost_per_call": _per_call("llm_cost_dollars_total"),
    "tokens_per_call": _per_call("llm_tokens_total"),
    "spend_today": _spend,
    "calls": _calls,
    "feedback": _feedback,
    "score": _mean,
    "low_scores": _low,
    "score_shift": _shift,
    "cache_hit_rate": _hits,
    "slow_calls": _slow,
    "failed_calls": _failed,
}


def _selector(labels: Mapping[str, str]) -> str:
    """`{error!~"a|b"}` of operators and values; nothing of nothing."""
    parts = []
    for name, said in labels.items():
        operator = re.match(r"=~|!~|!=|=", said)
        assert operator is not None, said
        parts.append(f'{name}{operator[0]}"{said[operator.end() :]}"')
    return f"{{{','.join(parts)}}}" if parts else ""
