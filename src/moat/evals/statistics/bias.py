"""What a judge lets itself be swayed by: the place of an answer, and its length."""

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from moat.evals.statistics.clusters import coded
from moat.evals.statistics.distributions import t_cdf, t_quantile
from moat.evals.statistics.intervals import difference_interval, wilson
from moat.evals.statistics.judges import Share
from moat.evals.statistics.significance import sign_flip
from moat.evals.statistics.weighting import UnitWeights, relative, weighted_interval, worth


class PositionBias(NamedTuple):
    """How a pairwise judge depends on which answer stands first."""

    lean: float
    """How much higher the same answer scores in the first place than in the second, -1 to 1; 0: not at all."""
    low: float
    high: float
    p: float
    """Two-sided, against no lean."""
    consistent: Share
    """Pairs judged alike in both orders."""


class LengthBias(NamedTuple):
    """How a judge's score depends on length, beyond what people think of long answers."""

    slope: float
    """By how much the score rises with each doubling of the length, over what people's does."""
    low: float
    high: float
    p: float
    """Two-sided, against no slope."""


def position_bias(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    weights: UnitWeights = None,
) -> PositionBias:
    """From pairs judged in both orders (Wang et al. 2024, "Large Language Models are not Fair Evaluators", ACL).

    For each pair the score of one of its answers (1 it wins, 0.5 a tie, 0 it loses), when it stood first, and when it
    stood second; `weights` are for how many pairs of the whole each one stands (a stratified sample). A lean is not
    all: a judge that flips at random has none and is of no use; `consistent` shows that. Raises `ValueError` for no
    pairs, or unequal lengths.
    """
    pairs = list(zip(first, second, strict=True))
    differences = [one - other for one, other in pairs]
    scaled = relative(weights, len(pairs))
    whole = worth(weights, len(pairs))
    alike = sum(float(weight) for weight, (one, other) in zip(scaled, pairs, strict=True) if one == other) / len(pairs)
    consistent = Share(alike, *wilson(min(whole, whole * alike), whole), round(whole))
    mean, low, high = _lean(differences, clusters, weights, whole)
    p = sign_flip([weight * each for weight, each in zip(scaled, differences, strict=True)], clusters).two_sided
    return PositionBias(mean, max(-1.0, low), min(1.0, high), p, consistent)


def _lean(
    differences: Sequence[float], clusters: Sequence[Hashable] | None, weights: UnitWeights, whole: float
) -> tuple[float, float, float]:
    """Mean and interval; no shorter than leans which so few pairs cannot show (rule of three)."""
    if weights is None or len(set(weights)) == 1:
        return difference_interval(differences, clusters)[:3]
    found = weighted_interval(differences, weights, clusters)
    unseen = wilson(0, whole).high
    low = min(found.low, found.mean - unseen * (1 + found.mean))
    return found.mean, low, max(found.high, found.mean + unseen * (1 - found.mean))


def length_bias(
    judged: Sequence[float],
    truths: Sequence[float],
    lengths: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    weights: UnitWeights = None,
) -> LengthBias | None:
    """The slope of what the judge scores above people, over the logarithm of the length.

    Without people's scores a slope proves nothing: longer answers may be better (Dubois et al. 2024, arXiv 2404.04475).
    Least squares, weighted where a sample was stratified, with the robust error HC2 (MacKinnon & White 1985,
    J. Econometrics 29), summed by cluster, and t with two degrees of freedom less than clusters. For a pairwise judge
    give preferences, and ratios of the two lengths. None when lengths do not vary, or for fewer than three clusters.
    Raises `ValueError` for a length that is not positive, or unequal lengths of the sequences.
    """
    import numpy as np

    if not len(judged) == len(truths) == len(lengths) or min(lengths, default=0) <= 0:
        raise ValueError("needs a truth and a positive length for each judgement")
    errors, codes, count = coded(np.asarray(judged, dtype=float) - np.asarray(truths, dtype=float), clusters)
    logs = np.log2(np.asarray(lengths, dtype=float))
    scaled = relative(weights, len(logs))
    x = logs - float(scaled @ logs) / len(logs)
    spread = float(scaled @ (x * x))
    if count < 3 or spread < 1e-12:
        return None
    slope = float((scaled * x) @ errors) / spread
    residuals = errors - float(scaled @ errors) / len(errors) - slope * x
    leverage = scaled * (1 / len(x) + x * x / spread)
    scores = scaled * x * residuals / np.sqrt(np.maximum(1 - leverage, 1e-12))
    sums = np.bincount(codes, weights=scores)
    error = math.sqrt(float(sums @ sums)) / spread
    half = t_quantile((1 + confidence) / 2, count - 2) * error
    tail = t_cdf(-abs(slope) / error, count - 2) if error else 0.5 * (slope == 0)
    return LengthBias(slope, slope - half, slope + half, 2 * tail)
