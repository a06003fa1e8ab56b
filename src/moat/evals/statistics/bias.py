"""What a judge lets itself be swayed by: the place of an answer, and its length."""

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from moat.evals.statistics.clusters import coded
from moat.evals.statistics.intervals import difference_interval
from moat.evals.statistics.judges import Share, rates
from moat.evals.statistics.significance import sign_flip


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
    first: Sequence[float], second: Sequence[float], clusters: Sequence[Hashable] | None = None
) -> PositionBias:
    """From pairs judged in both orders (Wang et al. 2024, "Large Language Models are not Fair Evaluators", ACL).

    For each pair the score of one of its answers (1 it wins, 0.5 a tie, 0 it loses), when it stood first, and when it
    stood second. A lean is not all: a judge that flips at random has none and is of no use; `consistent` shows that.
    Raises `ValueError` for no pairs, or unequal lengths.
    """
    pairs = list(zip(first, second, strict=True))
    differences = [one - other for one, other in pairs]
    estimate = difference_interval(differences, clusters)
    alike = sum(one == other for one, other in pairs)
    consistent = rates(alike, len(pairs) - alike, 0, 0).tpr
    low, high = max(-1.0, estimate.low), min(1.0, estimate.high)
    return PositionBias(estimate.mean, low, high, sign_flip(differences, clusters).two_sided, consistent)


def length_bias(
    judged: Sequence[float],
    truths: Sequence[float],
    lengths: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> LengthBias | None:
    """The slope of what the judge scores above people, over the logarithm of the length.

    Without people's scores a slope proves nothing: longer answers may be better (Dubois et al. 2024, arXiv 2404.04475).
    Least squares with the robust error HC2 (MacKinnon & White 1985, J. Econometrics 29), summed by cluster, and t with
    two degrees of freedom less than clusters. For a pairwise judge give preferences, and ratios of the two lengths.
    None when lengths do not vary, or for fewer than three clusters. Raises `ValueError` for a length that is not
    positive, or unequal lengths of the sequences.
    """
    import numpy as np
    from scipy.special import stdtr, stdtrit

    if not len(judged) == len(truths) == len(lengths) or min(lengths, default=0) <= 0:
        raise ValueError("needs a truth and a positive length for each judgement")
    errors, codes, count = coded(np.asarray(judged, dtype=float) - np.asarray(truths, dtype=float), clusters)
    logs = np.log2(np.asarray(lengths, dtype=float))
    x = logs - logs.mean()
    spread = float(x @ x)
    if count < 3 or spread < 1e-12:
        return None
    slope = float(x @ errors) / spread
    residuals = errors - errors.mean() - slope * x
    leverage = 1 / len(x) + x * x / spread
    scores = x * residuals / np.sqrt(np.maximum(1 - leverage, 1e-12))
    sums = np.bincount(codes, weights=scores)
    error = math.sqrt(float(sums @ sums)) / spread
    half = float(stdtrit(count - 2, (1 + confidence) / 2)) * error
    tail = float(stdtr(count - 2, -abs(slope) / error)) if error else 0.5 * (slope == 0)
    return LengthBias(slope, slope - half, slope + half, 2 * tail)
