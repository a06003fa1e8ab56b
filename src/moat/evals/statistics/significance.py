"""Paired tests, and the correction for several at once."""

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

EXACT_UNITS = 14
"""Up to so many non-zero units all sign patterns are counted; above, a seeded sample of them."""
SAMPLES = 20_000
CHUNK = 1_000


class PValues(NamedTuple):
    """How surprising the data would be without a difference."""

    two_sided: float
    worse: float
    """One-sided: against the candidate being worse."""


def mcnemar(lost: int, won: int) -> PValues:
    """Exact test of paired binary outcomes (McNemar 1947, Psychometrika 12): binomial over discordant pairs.

    `lost` and `won` count the cases that only the baseline, and only the candidate, got right.
    """
    from scipy.special import bdtr

    if lost < 0 or won < 0:
        raise ValueError("counts cannot be negative")
    n = lost + won
    if n == 0:
        return PValues(1.0, 1.0)
    worse = float(bdtr(won, n, 0.5))
    better = float(bdtr(lost, n, 0.5))
    return PValues(min(1.0, 2 * min(worse, better)), worse)


def sign_flip(differences: Sequence[float], clusters: Sequence[Hashable] | None = None, seed: int = 0) -> PValues:
    """Permutation test of paired differences: without an effect each one's sign is a coin flip (Fisher 1935).

    A cluster flips as a whole. Exact for few non-zero units; else Monte Carlo, where the observed pattern
    counts as one of the sample, so that p is never too small (Phipson & Smyth 2010, SAGMB 9).
    """
    import numpy as np

    values = np.asarray(differences, dtype=float)
    if clusters is not None:
        index: dict[Hashable, int] = {}
        codes = [index.setdefault(cluster, len(index)) for cluster in clusters]
        values = np.bincount(codes, weights=values)
    values = values[values != 0]
    n = len(values)
    if n == 0:
        return PValues(1.0, 1.0)
    slack = 1e-9 * float(np.abs(values).sum())
    observed = float(values.sum())
    if n <= EXACT_UNITS:
        patterns = (np.arange(2**n)[:, None] >> np.arange(n) & 1) * 2 - 1
        sums = patterns @ values
        extreme, lower, total = np.abs(sums) >= abs(observed) - slack, sums <= observed + slack, 2**n
        return PValues(float(extreme.sum()) / total, float(lower.sum()) / total)
    random = np.random.default_rng(seed)
    extreme_count = lower_count = 1
    for _ in range(SAMPLES // CHUNK):
        sums = (random.integers(0, 2, (CHUNK, n), dtype=np.int8) * 2.0 - 1.0) @ values
        extreme_count += int((np.abs(sums) >= abs(observed) - slack).sum())
        lower_count += int((sums <= observed + slack).sum())
    return PValues(extreme_count / (SAMPLES + 1), lower_count / (SAMPLES + 1))


def below(successes: int, n: int, floor: float) -> float:
    """One-sided exact binomial p-value against a true rate of at least `floor`."""
    from scipy.special import bdtr

    return 1.0 if floor <= 0 else float(bdtr(successes, n, floor)) if floor < 1 else float(successes == n)


def mean_below(mean: float, error: float, clusters: int, floor: float) -> float:
    """One-sided t p-value against a true mean of at least `floor`; 1 when nothing is known of the error.

    Values that are all alike leave no error to scale by: then it is the sign test.
    """
    from scipy.special import stdtr

    if clusters < 2 or not math.isfinite(error):
        return 1.0
    if error == 0:
        return 1.0 if mean >= floor else 0.5**clusters
    return float(stdtr(clusters - 1, (mean - floor) / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given, for a family-wise error below alpha (Holm 1979, Scand. J. Stat. 6)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
