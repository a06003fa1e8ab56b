"""Samples in which some units stand for more than others: a stratified one takes what is rare more often."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from moat.evals.statistics.clusters import Clusters, Values, balance, coded
from moat.evals.statistics.distributions import t_quantile

if TYPE_CHECKING:
    import numpy as np

UnitWeights = Sequence[float] | None
"""How many units of the whole each one stands for; None: all for as many."""


class Weighted(NamedTuple):
    """A weighted mean with its uncertainty."""

    mean: float
    low: float
    high: float
    error: float
    degrees: float
    """Of freedom, of Student's t."""


def relative(weights: UnitWeights, count: int) -> "np.ndarray":
    """Weights with a mean of 1. Raises `ValueError` unless there are so many, all finite and above 0."""
    import numpy as np

    if not count:
        raise ValueError("needs at least one value")
    if weights is None:
        return np.ones(count)
    array = np.asarray(weights, dtype=float)
    if len(array) != count or not (np.isfinite(array) & (array > 0)).all():
        raise ValueError("needs a weight above 0 for each value")
    found: np.ndarray = array / array.mean()
    return found


def worth(weights: UnitWeights, count: int) -> float:
    """How many units of equal weight say as much (Kish 1965, Survey Sampling, 11.7)."""
    array = relative(weights, count)
    return count**2 / float(array @ array)


def weighted_interval(
    values: Values, weights: UnitWeights = None, clusters: Clusters = None, confidence: float = 0.95
) -> Weighted:
    """Student's t interval of a weighted mean, as `intervals.mean_interval` with equal weights.

    The error is the linearised one of a ratio, summed by cluster (Cochran 1977, Sampling Techniques, 6.3; Binder 1983,
    Int. Stat. Rev. 51); strata are not used, which makes it rather too large. Degrees of freedom are those of clusters
    that hold so much of the weight (`clusters.balance`). Infinite for fewer than two clusters, or as many as are worth
    fewer than two. Raises `ValueError` as
    `relative` and `coded` do.
    """
    import numpy as np

    array, codes, count = coded(values, clusters)
    scaled = relative(weights, len(array))
    mean = float(scaled @ array) / len(array)
    held = balance(np.bincount(codes, weights=scaled))
    if held.worth < 2:
        return Weighted(mean, -math.inf, math.inf, math.inf, held.worth - 1)
    sums = np.bincount(codes, weights=scaled * (array - mean))
    error = math.sqrt(count / (count - 1) * float(sums @ sums)) / len(array)
    half = t_quantile((1 + confidence) / 2, held.degrees) * error
    return Weighted(mean, mean - half, mean + half, error, held.degrees)
