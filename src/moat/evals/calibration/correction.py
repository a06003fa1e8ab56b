"""A judge's mean as people would have it."""

import math
from typing import Protocol

import msgspec

from moat.evals.calibration.standing import Calibration
from moat.evals.statistics.distributions import t_quantile
from moat.evals.statistics.judges import rates, rogan_gladen


class Summary(Protocol):
    """A score over the cases of a run: `moat.evals.compare.Summary`."""

    @property
    def n(self) -> int:
        """Cases."""
        ...

    @property
    def mean(self) -> float | None:
        """Over cases."""
        ...

    @property
    def low(self) -> float:
        """Of its interval."""
        ...

    @property
    def high(self) -> float:
        """Of its interval."""
        ...

    @property
    def error(self) -> float:
        """Standard error."""
        ...

    @property
    def worth(self) -> float:
        """Independent groups of cases, as many equally large ones as say as much; 0: each case is one."""
        ...

    @property
    def degrees(self) -> float:
        """Of freedom, of the error; 0: one less than cases."""
        ...


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """What a judge's mean was, and what it would be if people had judged: both with 95 % intervals."""

    raw: float
    raw_low: float
    raw_high: float
    mean: float | None
    """None: it cannot be corrected, and `method` says why."""
    low: float = 0.0
    high: float = 1.0
    method: str


def corrected(summary: Summary, calibration: Calibration) -> Corrected | None:
    """Of a score's summary over cases; None when there is no mean.

    A judge that passes and fails: by its error rates (Rogan & Gladen; see `moat.evals.statistics.judges`). One that
    scores: by how much higher than people it scores, with the error of that (the difference estimator; as
    prediction-powered inference with full weight, Angelopoulos et al. 2023, Science 382). Both hold as long as the
    judge errs on these answers as it did on the labelled ones.
    """
    if summary.mean is None:
        return None
    measured = calibration.measures
    if measured.binary:
        found = rogan_gladen(summary.mean, _worth(summary), rates(measured.tp, measured.fn, measured.fp, measured.tn))
        if found is None:
            return _made(summary, None, "not corrected: no labels of one kind, or a judge no better than a coin")
        return _made(summary, (found.mean, found.low, found.high), "Rogan-Gladen, by the judge's error rates")
    if not (math.isfinite(summary.error) and math.isfinite(measured.shift.error)):
        return _made(summary, None, "not corrected: too few independent answers")

    error = math.hypot(summary.error, measured.shift.error)
    half = t_quantile(0.975, max(1.0, min(summary.degrees or summary.n - 1, measured.shift.degrees))) * error
    mean = min(1.0, max(0.0, summary.mean - measured.shift.mean))
    exact = summary.mean - measured.shift.mean
    return _made(summary, (mean, min(exact - half, mean), max(exact + half, mean)), "by the judge's mean difference")


def _worth(summary: Summary) -> float:
    """How many independent passes and fails have this error."""
    assert summary.mean is not None
    independent = summary.worth or summary.n
    if summary.error <= 0 or not math.isfinite(summary.error):
        return independent
    return min(float(summary.n), max(1.0, summary.mean * (1 - summary.mean) / summary.error**2))


def _made(summary: Summary, found: tuple[float, float, float] | None, method: str) -> Corrected:
    assert summary.mean is not None
    mean, low, high = found or (None, 0.0, 1.0)
    return Corrected(
        raw=summary.mean,
        raw_low=summary.low,
        raw_high=summary.high,
        mean=mean,
        low=min(1.0, max(0.0, low)),
        high=max(0.0, min(1.0, high)),
        method=method,
    )
