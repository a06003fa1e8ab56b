"""What the trace store counted, as the value that a rule looks at, with how sure it is."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from moat.domain.alerting import Measure, Rule
from moat.domain.usage import PICODOLLARS
from moat.ports.traces import Scores, Spend, Usages

SURE = 3.0
"""Standard deviations of a confidence interval's ends: a rule is looked at a thousand times a day."""
BINS = 10
SHIFT_SURE = 27.88
"""The 99.9 % quantile of chi-squared with 9 degrees of freedom (`scipy.stats.chi2.ppf(0.999, 9)`)."""
LEAST_VARIANCE = 0.01
"""Of opinions: a few that agree do not make it certain."""


class Sample(NamedTuple):
    """A value over so many calls or opinions, and its interval when it is an estimate."""

    value: float
    samples: int
    low: float | None = None
    high: float | None = None


def of_usages(measure: Measure, found: Usages) -> Sample | None:
    """None where the calls say nothing of it."""
    return _USAGES[measure](found) if found.calls else None


def of_spend(rule: Rule, found: Spend) -> Sample | None:
    """Of attempts."""
    if rule.measure == "spend_today":
        return Sample(found.cost / PICODOLLARS, max(found.requests, 1))
    return share(found.failed, found.requests)


def of_scores(rule: Rule, found: Scores) -> Sample | None:
    """Of opinions, apart from their distribution."""
    if not found.count:
        return None
    if rule.measure == "low_scores":
        return share(found.low, found.count)
    mean = found.total / found.count
    variance = max(found.squares / found.count - mean * mean, LEAST_VARIANCE)
    reach = SURE * math.sqrt(variance / found.count)
    if rule.measure == "feedback":
        return Sample(1 + 4 * mean, found.count, 1 + 4 * (mean - reach), 1 + 4 * (mean + reach))
    return Sample(mean, found.count, mean - reach, mean + reach)


def share(part: int, whole: int) -> Sample | None:
    """A rate with Wilson's score interval (1927); None of nothing.

    >>> found = share(1, 20)
    >>> found.value, found.low < 0.01
    (0.05, True)
    """
    if whole <= 0:
        return None
    rate, square = part / whole, SURE * SURE
    center = (rate + square / (2 * whole)) / (1 + square / whole)
    reach = SURE * math.sqrt(rate * (1 - rate) / whole + square / (4 * whole * whole)) / (1 + square / whole)
    return Sample(rate, whole, max(0.0, center - reach), min(1.0, center + reach))


def shift(now: Sequence[int], before: Sequence[int]) -> Sample | None:
    """The population stability index of two histograms of ten bins.

    0.1 is commonly called a small shift, 0.2 a large one. When nothing moved, the index times the harmonic number of
    samples is about chi-squared with nine degrees of freedom (Yurdakul and Naranjo, 2020): below that the low end is 0.
    """
    new, old = sum(now), sum(before)
    if len(now) != BINS or len(before) != BINS or not new or not old:
        return None
    index = 0.0
    for here, there in zip(now, before, strict=True):
        p, q = (here + 0.5) / (new + BINS / 2), (there + 0.5) / (old + BINS / 2)
        index += (p - q) * math.log(p / q)
    sure = index / (1 / new + 1 / old) > SHIFT_SURE
    return Sample(index, min(new, old), index if sure else 0.0, None)


def merged(rows: Sequence[Scores]) -> Scores:
    """Opinions of one name and group from several sources, together."""
    first = rows[0]
    bins = [sum(part) for part in zip(*(row.bins for row in rows), strict=True)] if all(r.bins for r in rows) else []
    return Scores(
        group=first.group,
        slot_ns=first.slot_ns,
        name=first.name,
        source=first.source,
        count=sum(row.count for row in rows),
        total=sum(row.total for row in rows),
        squares=sum(row.squares for row in rows),
        low=sum(row.low for row in rows),
        bins=tuple(bins),
    )


_FIRST = "first_token_p50_ns"


def _latency(name: str) -> Callable[[Usages], Sample | None]:
    def read(found: Usages) -> Sample | None:
        nanoseconds: int = getattr(found, name)
        return Sample(nanoseconds / 1e9, found.streams if name == _FIRST else found.timed) if nanoseconds else None

    return read


def _speed(found: Usages) -> Sample | None:
    return Sample(found.streamed_tokens / found.streaming_ns * 1e9, found.streams) if found.streaming_ns else None


def _cost(found: Usages) -> Sample | None:
    priced = found.calls - found.unpriced - found.refused
    return Sample(found.cost / PICODOLLARS / priced, priced) if priced > 0 else None


def _tokens(found: Usages) -> Sample | None:
    asked = found.calls - found.refused
    return Sample((found.input_tokens + found.output_tokens) / asked, asked) if asked else None


_USAGES: Mapping[Measure, Callable[[Usages], Sample | None]] = {
    "latency_p50": _latency("p50_ns"),
    "latency_p95": _latency("p95_ns"),
    "latency_p99": _latency("p99_ns"),
    "first_token_p50": _latency(_FIRST),
    "tokens_per_second": _speed,
    "error_rate": lambda found: share(found.errors, found.calls),
    "timeout_rate": lambda found: share(found.timeouts, found.calls),
    "cost_per_call": _cost,
    "tokens_per_call": _tokens,
    "calls": lambda found: Sample(found.calls, found.calls),
    "cache_hit_rate": lambda found: share(found.hits, found.looked_up),
}
