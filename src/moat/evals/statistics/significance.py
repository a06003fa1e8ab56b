"""Paired tests, and the correction for several at once."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from moat.evals.statistics.clusters import Clusters, Values, coded
from moat.evals.statistics.distributions import beta_cdf, binomial_cdf, normal_quantile, t_cdf
from moat.evals.statistics.intervals import Rise, difference_tails, mean_interval
from moat.evals.statistics.proportions import effective_cases

if TYPE_CHECKING:
    import numpy as np

EXACT_UNITS = 14
"""Up to so many non-zero units all sign patterns are counted; above, a seeded sample of them."""
SAMPLES = 20_000
FEW = 2_000
"""So many are drawn first; that they are enough shows in `CLEAR` of them, or more, being as extreme."""
CLEAR = 200
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
    if lost < 0 or won < 0:
        raise ValueError("counts cannot be negative")
    n = lost + won
    if n == 0:
        return PValues(1.0, 1.0)
    worse = binomial_cdf(won, n, 0.5)
    better = binomial_cdf(lost, n, 0.5)
    return PValues(min(1.0, 2 * min(worse, better)), worse)


def sign_flip(differences: Values, clusters: Clusters = None, seed: int = 0) -> PValues:
    """Permutation test of paired differences: without an effect each one's sign is a coin flip (Fisher 1935).

    A cluster flips as a whole. Exact for few non-zero units. Else Monte Carlo, where the observed pattern counts as
    one of the sample, so that p is never too small (Phipson & Smyth 2010, SAGMB 9): a small sample where that shows a
    p above `CLEAR` / `FEW` (after Besag & Clifford 1991, Biometrika 78), the whole otherwise, and none where p is below
    all that a sample could show (Hoeffding 1963, JASA 58: an upper bound of it, which is what is given then). Raises
    `ValueError` for a difference that is not finite.
    """
    import numpy as np

    if not len(differences):
        return PValues(1.0, 1.0)
    array, codes, count = coded(differences, clusters)
    values = np.bincount(codes, weights=array, minlength=count)
    values = values[values != 0]
    if len(values) == 0:
        return PValues(1.0, 1.0)
    if len(values) <= EXACT_UNITS:
        return _shares(values, _patterns(len(values)) @ values, itself=0)
    observed = float(values.sum())
    bound = math.exp(-(observed**2) / (2 * float(values @ values)))
    if bound <= 1 / (SAMPLES + 1):
        return PValues(2 * bound, bound if observed < 0 else 1.0)
    random = np.random.default_rng(seed)
    few = _shares(values, _some_sums(np.abs(values), FEW, random), itself=1)
    if min(few) > CLEAR / FEW:
        return few
    all_ = _shares(values, _some_sums(np.abs(values), SAMPLES, random), itself=1)
    return PValues(*(first if first > CLEAR / FEW else second for first, second in zip(few, all_, strict=True)))


def _shares(values: "np.ndarray", sums: "np.ndarray", itself: int) -> PValues:
    """Shares of the sums that are as extreme as that of the values, which is counted `itself` times."""
    import numpy as np

    observed, slack = float(values.sum()), 1e-9 * float(np.abs(values).sum())
    extreme = itself + int((np.abs(sums) >= abs(observed) - slack).sum())
    lower = itself + int((sums <= observed + slack).sum())
    return PValues(extreme / (len(sums) + itself), lower / (len(sums) + itself))


def _patterns(units: int) -> "np.ndarray":
    """All patterns of signs, shape (2**units, units)."""
    import numpy as np

    patterns: np.ndarray = (np.arange(2**units)[:, None] >> np.arange(units) & 1) * 2.0 - 1.0
    return patterns


def _some_sums(sizes: "np.ndarray", samples: int, random: "np.random.Generator") -> "np.ndarray":
    """Sums under random patterns of signs.

    Of many units of one size only the number of positive ones matters, which is binomial. The others go by eights:
    a random byte looks the sum of eight up.
    """
    import numpy as np

    sums = np.zeros(samples)
    distinct, counts = np.unique(sizes.round(12), return_counts=True)
    many = counts >= ALIKE
    for size, count in zip(distinct[many], counts[many], strict=True):
        sums += size * (2.0 * random.binomial(count, 0.5, samples) - count)
    rest = np.repeat(distinct[~many], counts[~many])
    for table in np.pad(rest, (0, -len(rest) % 8)).reshape(-1, 8) @ _patterns(8).T:
        sums += table.take(np.frombuffer(random.bytes(samples), dtype=np.uint8))
    return sums


def below(successes: float, n: float, floor: float) -> float:
    """One-sided exact binomial p-value against a true rate of at least `floor`; counts need not be whole."""
    if floor <= 0 or successes >= n:
        return 1.0
    return beta_cdf(1 - floor, n - successes, successes + 1) if floor < 1 else 0.0


def mean_below(
    mean: float,
    error: float,
    n: int,
    clusters: float,
    floor: float,
    *,
    degrees: float | None = None,
    above: Rise | None = None,
) -> float:
    """One-sided p-value of a mean of n scores, 0 to 1, of so many clusters, against a true mean of at least `floor`.

    `below` for the effective number of cases, taken from the normal distribution to t for few clusters (Korn & Graubard
    1998, Survey Methodology 24). Scores that are mostly low and rarely high look surely low when few high ones showed
    up: with `above`, how far scores lie above their mean (`intervals.rise`), that is allowed for too. Clusters that
    differ in size count by their `clusters.Balance`: `clusters` is what they are worth, and there are fewer `degrees`
    of freedom than one less. 1 when nothing is known of the error.
    """
    if clusters <= 1 or not math.isfinite(error) or mean >= floor:
        return 1.0
    count = effective_cases(mean, error, n, clusters)
    p = t_cdf(normal_quantile(below(count * mean, count, floor)), clusters - 1 if degrees is None else degrees)
    return p if above is None else max(p, _rare(above, mean, clusters, floor))


def _rare(above: Rise, mean: float, clusters: float, floor: float) -> float:
    """The same for scores that have two values, as far apart and the high one as rare as was seen; or the high one is 1
    and did not show up.
    """
    rate = above.mean / above.typical
    limit = rate + (floor - mean) * (1 - rate) / above.typical
    return max(below(clusters * rate, clusters, limit), below(0, clusters, (floor - mean) / (1 - mean)))


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


def paired_test(differences: Values, clusters: Clusters = None) -> tuple[str, PValues]:
    """The test that fits, and its name: `mcnemar` for passes and fails of independent cases, else `sign_flip`.

    `sign_flip` takes differences for as likely up as down, which skewed ones are not: its p-values are given as no
    smaller than those of `intervals.difference_tails`.
    """
    import numpy as np

    values = np.asarray(differences, dtype=float)
    if clusters is None and np.isin(values, (-1.0, 0.0, 1.0)).all():
        return "exact McNemar test", mcnemar(int((values == -1).sum()), int((values == 1).sum()))
    by = "" if clusters is None else " by cluster"
    flip, (worse, better) = sign_flip(values, clusters), difference_tails(values, clusters)
    p = PValues(max(flip.two_sided, min(1.0, 2 * worse, 2 * better)), max(flip.worse, worse))
    return f"sign-flip permutation test{by}", p


def paired_t(differences: Values, clusters: Clusters = None) -> PValues:
    """Student's t test of paired differences, cluster-robust (Student 1908, Biometrika 6; `mean_interval`).

    Quick, and close to `sign_flip` from some 30 units on; with fewer, or with mostly zero differences, it is not to
    be trusted. Differences that are all alike leave no error to scale by: then it is the sign test.
    """
    estimate = mean_interval(differences, clusters)
    if estimate.clusters < 2 or estimate.mean == 0:
        return PValues(1.0, 0.5 if estimate.clusters > 1 else 1.0)
    if estimate.error == 0:
        tail = 0.5**estimate.worth
        return PValues(2 * tail, tail if estimate.mean < 0 else 1.0)
    t = estimate.mean / estimate.error
    worse = t_cdf(t, estimate.degrees)
    return PValues(2 * min(worse, 1 - worse), worse)


def _check_p(p_values: Sequence[float]) -> None:
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("p-values lie between 0 and 1")
