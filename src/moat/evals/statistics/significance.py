"""Paired tests, and the correction for several at once."""

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from moat.evals.statistics.clusters import coded
from moat.evals.statistics.intervals import mean_interval

if TYPE_CHECKING:
    import numpy as np

EXACT_UNITS = 14
"""Up to so many non-zero units all sign patterns are counted; above, a seeded sample of them."""
SAMPLES = 20_000
ALIKE = 16
"""So many units of one size are drawn together."""


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
    counts as one of the sample, so that p is never too small (Phipson & Smyth 2010, SAGMB 9). Raises `ValueError`
    for a difference that is not finite.
    """
    import numpy as np

    if not len(differences):
        return PValues(1.0, 1.0)
    array, codes, count = coded(differences, clusters)
    values = np.bincount(codes, weights=array, minlength=count)
    values = values[values != 0]
    n = len(values)
    if n == 0:
        return PValues(1.0, 1.0)
    slack = 1e-9 * float(np.abs(values).sum())
    observed = float(values.sum())
    if n <= EXACT_UNITS:
        sums, count = _patterns(n) @ values, 0
    else:
        sums, count = _some_sums(np.abs(values), np.random.default_rng(seed)), 1
    extreme = count + int((np.abs(sums) >= abs(observed) - slack).sum())
    lower = count + int((sums <= observed + slack).sum())
    return PValues(extreme / (len(sums) + count), lower / (len(sums) + count))


def _patterns(units: int) -> "np.ndarray":
    """All patterns of signs, shape (2**units, units)."""
    import numpy as np

    patterns: np.ndarray = (np.arange(2**units)[:, None] >> np.arange(units) & 1) * 2.0 - 1.0
    return patterns


def _some_sums(sizes: "np.ndarray", random: "np.random.Generator") -> "np.ndarray":
    """Sums under `SAMPLES` random patterns of signs.

    Of many units of one size only the number of positive ones matters, which is binomial. The others go by eights:
    a random byte looks the sum of eight up.
    """
    import numpy as np

    sums = np.zeros(SAMPLES)
    distinct, counts = np.unique(sizes.round(12), return_counts=True)
    many = counts >= ALIKE
    for size, count in zip(distinct[many], counts[many], strict=True):
        sums += size * (2.0 * random.binomial(count, 0.5, SAMPLES) - count)
    rest = np.repeat(distinct[~many], counts[~many])
    for table in np.pad(rest, (0, -len(rest) % 8)).reshape(-1, 8) @ _patterns(8).T:
        sums += table.take(np.frombuffer(random.bytes(SAMPLES), dtype=np.uint8))
    return sums


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
    """Adjusted p-values, in the order given, for a family-wise error below alpha (Holm 1979, Scand. J. Stat. 6).

    Raises `ValueError` for a p-value that is not between 0 and 1.
    """
    _check_p(p_values)
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given, for exploring (Benjamini & Hochberg 1995, JRSS-B 57).

    Of the findings with an adjusted p of at most q, on average a share of at most q is chance. Enough to choose
    which slices to look at; a gate needs `holm`. Raises `ValueError` for a p-value that is not between 0 and 1.
    """
    _check_p(p_values)
    adjusted = [0.0] * len(p_values)
    smallest = 1.0
    ranked = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for rank in range(len(ranked), 0, -1):
        index = ranked[rank - 1]
        smallest = min(smallest, p_values[index] * len(p_values) / rank)
        adjusted[index] = smallest
    return adjusted


def paired_test(differences: Sequence[float], clusters: Sequence[Hashable] | None = None) -> tuple[str, PValues]:
    """The test that fits, and its name: `mcnemar` for passes and fails of independent cases, else `sign_flip`."""
    values = list(differences)
    if clusters is None and set(values) <= {-1.0, 0.0, 1.0}:
        return "exact McNemar test", mcnemar(values.count(-1.0), values.count(1.0))
    return "sign-flip permutation test" + (" by cluster" if clusters else ""), sign_flip(values, clusters)


def paired_t(differences: Sequence[float], clusters: Sequence[Hashable] | None = None) -> PValues:
    """Student's t test of paired differences, cluster-robust (Student 1908, Biometrika 6; `mean_interval`).

    Quick, and close to `sign_flip` from some 30 units on; with fewer, or with mostly zero differences, it is not to
    be trusted. Differences that are all alike leave no error to scale by: then it is the sign test.
    """
    from scipy.special import stdtr

    estimate = mean_interval(differences, clusters)
    if estimate.clusters < 2 or estimate.mean == 0:
        return PValues(1.0, 0.5 if estimate.clusters > 1 else 1.0)
    if estimate.error == 0:
        tail = 0.5**estimate.clusters
        return PValues(2 * tail, tail if estimate.mean < 0 else 1.0)
    t = estimate.mean / estimate.error
    worse = float(stdtr(estimate.clusters - 1, t))
    return PValues(2 * min(worse, 1 - worse), worse)


def _check_p(p_values: Sequence[float]) -> None:
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("p-values lie between 0 and 1")
