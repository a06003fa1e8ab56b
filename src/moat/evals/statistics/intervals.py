"""Confidence intervals."""

import math
from typing import TYPE_CHECKING, NamedTuple

from moat.evals.statistics.clusters import Clusters, Grouped, Values, coded, grouped
from moat.evals.statistics.distributions import normal_cdf, normal_quantile, t_cdf, t_quantile

if TYPE_CHECKING:
    import numpy as np


class Interval(NamedTuple):
    """Lower and upper end."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A mean with its uncertainty."""

    mean: float
    low: float
    high: float
    error: float
    """Standard error of the mean."""
    clusters: int
    """Independent units it rests on: cases, or clusters of cases."""
    worth: float = 0.0
    degrees: float = 0.0
    """`clusters.Balance` of those; 0 where it was not asked for."""


def wilson(successes: float, n: float, confidence: float = 0.95) -> Interval:
    """Score interval of a proportion (Wilson 1927, JASA 22)."""
    _check_counts(successes, n)
    z2 = normal_quantile((1 + confidence) / 2) ** 2
    p = successes / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return Interval(0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def mean_interval(values: Values, clusters: Clusters = None, confidence: float = 0.95) -> Estimate:
    """Student's t interval of a mean, with a cluster-robust standard error when clusters are given.

    Cases of one cluster need not be independent; the error is the sandwich estimator for a mean with the factor
    G/(G-1) (Liang & Zeger 1986, Biometrika 73; Miller 2024, "Adding Error Bars to Evals", section 2.2). t has G-1
    degrees of freedom, or fewer where clusters differ in size (`clusters.balance`). Without clusters each value is its
    own and this is the textbook interval. With fewer than two clusters nothing is known: the interval is infinite.
    """
    array, codes, count = coded(values, clusters)
    return _estimate(array, codes, grouped(array, codes, count), confidence)


def difference_interval(differences: Values, clusters: Clusters = None, confidence: float = 0.95) -> Estimate:
    """Interval of the mean of paired differences, -1 to 1, that stays honest when few cases differ.

    Most differences between two prompts are zero or small, and a t interval on few others, or none, is far too
    short. Bonett & Price (2012, J. Educ. Behav. Stat. 37) add one win and one loss to paired binary outcomes
    before the Wald interval, here with t instead of the normal quantile. Done to differences of any size, that
    is one pair at plus and one at minus their typical size. Rare losses make the mean skewed, where an
    interval symmetrical about it still ends too early: each end is at least as far out as `_most` says. `mean`
    is the plain mean; `error` is what the interval's length amounts to.
    """
    estimate, units = _padded(differences, clusters, confidence)
    if estimate.clusters < 2:
        return estimate
    low, high = min(estimate.low, -_most(units, -1, confidence)), max(estimate.high, _most(units, 1, confidence))
    error = estimate.error * (high - low) / (estimate.high - estimate.low)
    return estimate._replace(low=low, high=high, error=error)


def difference_tails(differences: Values, clusters: Clusters = None) -> tuple[float, float]:
    """One-sided p-values, of the mean not being below 0 and not being above: where `difference_interval` ends at 0.

    Unlike those of `significance.sign_flip` they hold for skewed differences too: many small losses beside few large
    gains, which may be too rare to show up, are no loss.
    """
    estimate, units = _padded(differences, clusters, 0.95)
    if estimate.clusters < 2:
        return 1.0, 1.0
    below = t_cdf((estimate.low + estimate.high) / 2 / estimate.error, estimate.degrees)
    return max(below, _tail(units, 1)), max(1 - below, _tail(units, -1))


class Rise(NamedTuple):
    """How far values lie above a point, those below it counting as 0, by cluster."""

    mean: float
    typical: float
    """Of those above, weighted by how far: tiny ones, however many, do not make it small. 1 when there is none."""


def rise(values: Values, clusters: Clusters = None) -> Rise:
    """How far values lie above their mean."""
    array, codes, count = coded(values, clusters)
    return _rise(grouped(array, codes, count), 1, float(array.mean()))


def _padded(differences: Values, clusters: Clusters, confidence: float) -> tuple[Estimate, Grouped]:
    """The interval with one win and one loss added, and the differences by cluster."""
    import numpy as np

    array, codes, count = coded(differences, clusters)
    squares = array * array
    size = math.sqrt(_typical(squares, np.ones(len(squares))))
    units = grouped(array, codes, count)
    padded = np.concatenate([array, [size, -size]])
    estimate = _estimate(padded, np.concatenate([codes, [count, count + 1]]), units, confidence, added=2)
    return estimate._replace(mean=float(array.mean())), units


def _typical(sizes: "np.ndarray", weights: "np.ndarray") -> float:
    """Mean of sizes weighted by themselves: tiny ones, however many, do not make it small.

    1, the worst there could be, when all are zero.
    """
    squares = float(weights @ (sizes * sizes))
    return squares / float(weights @ sizes) if squares else 1.0


def _rise(units: Grouped, sign: int, point: float) -> Rise:
    import numpy as np

    above = np.maximum(sign * (units.means - point), 0)
    return Rise(float(units.shares @ above), _typical(above, units.shares))


def _most(units: Grouped, sign: int, confidence: float) -> float:
    """How large the true mean of values, or with a sign of -1 of their opposites, may be, when positive ones may be
    rare: the larger of two limits.

    Rare and seen: Wilson's upper limit for as many values of one size, all others zero, as have the same sum and
    sum of squares as the positive ones. Rare and not seen: values of 1 in a share of the cases up to the limit
    for none of n ("rule of three", Hanley & Lippman-Hand 1983, JAMA 249). n is what the clusters are worth.
    """
    n, mean, above = units.balance.worth, sign * float(units.shares @ units.means), _rise(units, sign, 0.0)
    seen = above.typical * wilson(min(n, n * above.mean / above.typical), n, confidence).high - (above.mean - mean)
    share = wilson(0, n, confidence).high
    return max(seen, mean + share * (1 - mean))


def _tail(units: Grouped, sign: int) -> float:
    """The one-sided p-value at which `_most` is 0: both of its limits solved for the normal quantile."""
    n, short, above = units.balance.worth, -sign * float(units.shares @ units.means), _rise(units, sign, 0.0)
    if short <= 0:
        return 1.0
    limit = (above.mean + short) / above.typical
    gap = above.mean / above.typical - limit
    seen = normal_cdf(gap / math.sqrt(limit * (1 - limit) / n)) if limit < 1 else 0.0
    return max(seen, normal_cdf(-math.sqrt(short * n)))


def _estimate(array: "np.ndarray", codes: "np.ndarray", units: Grouped, confidence: float, added: int = 0) -> Estimate:
    """`added`: clusters that the values have beyond the units."""
    import numpy as np

    clusters, (worth, degrees) = len(units.means), units.balance
    centre = float(array.mean())
    if degrees < 1:
        return Estimate(centre, -math.inf, math.inf, math.inf, clusters, worth, degrees)
    count = clusters + added
    sums = np.bincount(codes, weights=array - centre, minlength=count)
    error = math.sqrt(count / (count - 1) * float(sums @ sums)) / len(array)
    half = t_quantile((1 + confidence) / 2, degrees) * error
    return Estimate(centre, centre - half, centre + half, error, clusters, worth, degrees)


def _check_counts(successes: float, n: float) -> None:
    if not 0 <= successes <= n or n == 0:
        raise ValueError("needs 0 <= successes <= n and n > 0")
