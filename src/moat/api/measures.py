"""What calls measure, and how sure that is: error rate, latency and cost per call, each with a 95 % interval."""

import math
from fractions import Fraction

import msgspec
from starlette.requests import Request

from moat.api.endpoint import VIEWERS, Endpoint
from moat.api.records import FILTER, dimensions, offset_of, step_of, wanted
from moat.api.services import Services
from moat.evals.statistics.intervals import wilson
from moat.evals.statistics.skewed import quantile_ranks, skewed_mean
from moat.ports.calls import Sample

MEDIAN, HIGH = Fraction(1, 2), Fraction(95, 100)


class Estimated(msgspec.Struct, frozen=True, kw_only=True):
    """A number of some calls, and where the true one lies with 95 % confidence."""

    value: float
    low: float | None
    high: float | None
    """None, each: too few calls to say."""


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """What one group of calls measures. Durations are nanoseconds, money picodollars."""

    group: tuple[str, ...]
    slot_ns: int
    """Start of the time slot; 0 when time was not divided."""
    calls: int
    errors: int
    error_rate: Estimated
    """Of all calls (Wilson's interval)."""
    timed: int
    """Calls that have a latency: answered, or ended because nobody answered in time."""
    p50_ns: Estimated | None
    """Of these, as is the next; None without any. Intervals are order statistics: for both ends the median takes 6
    calls, the 95th percentile 72."""
    p95_ns: Estimated | None
    priced: int
    """Calls whose cost is known, without those that were refused before any attempt: these cost nothing."""
    cost: Estimated | None
    """Mean of these, with an interval for skewed values; None without any. It takes 10 calls."""


def get_measures(request: Request, services: Services) -> list[Measures]:
    """Error rate, latency and cost per call with 95 % intervals, by any dimensions, the oldest slot first.

    A canary and what it shall replace are `by=arm` of one `experiment`.
    """
    by, asked = dimensions(request), wanted(request, services)
    found = services.calls.samples(by, asked, _ranks, step_of(request), offset_of(request))
    return [_measures(sample) for sample in found]


def _ranks(timed: int) -> list[int]:
    return [*quantile_ranks(timed, MEDIAN), *quantile_ranks(timed, HIGH)]


def _measures(sample: Sample) -> Measures:
    low, high = wilson(sample.errors, sample.calls)
    rate = Estimated(value=sample.errors / sample.calls, low=low, high=high)
    cost = skewed_mean(sample.priced, sample.cost, sample.deviation, sample.skewness) if sample.priced else None
    return Measures(
        group=sample.group,
        slot_ns=sample.slot_ns,
        calls=sample.calls,
        errors=sample.errors,
        error_rate=rate,
        timed=sample.timed,
        p50_ns=_quantile(sample.latencies[:3]),
        p95_ns=_quantile(sample.latencies[3:]),
        priced=sample.priced,
        cost=Estimated(value=sample.cost, low=_known(cost.low), high=_known(cost.high)) if cost else None,
    )


def _quantile(found: tuple[int | None, ...]) -> Estimated | None:
    value, low, high = found
    return None if value is None else Estimated(value=value, low=low, high=high)


def _known(end: float) -> float | None:
    return end if math.isfinite(end) else None


ENDPOINTS = (
    Endpoint(
        *("GET", "/api/v1/measures", VIEWERS, get_measures, list[Measures]),
        query=(*FILTER, "by", "step_ns", "offset_ns"),
        honours=("environment", "tenant"),
    ),
)
