"""Intervals of proportions: exact, for rare events, and for cases that belong together."""

from moat.evals.statistics.clusters import Clusters, Values
from moat.evals.statistics.distributions import beta_quantile, normal_quantile, t_quantile
from moat.evals.statistics.intervals import Estimate, Interval, mean_interval, wilson

BINARY = 2
"""Units' worth of the variance of passes and fails, mixed into a smaller one; they weigh more where fails are rare."""


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Exact interval of a proportion (Clopper & Pearson 1934, Biometrika 26): covers at least as often as it says, and
    for that is longer than `wilson`. For claims that must not be too bold, such as safety.

    Raises `ValueError` unless 0 <= successes <= n and n > 0.
    """
    if not 0 <= successes <= n or n == 0:
        raise ValueError("needs 0 <= successes <= n and n > 0")
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else beta_quantile(tail, successes, n - successes + 1)
    high = 1.0 if successes == n else beta_quantile(1 - tail, successes + 1, n - successes)
    return Interval(low, high)


def at_most(failures: int, n: int, confidence: float = 0.95) -> float:
    """The largest true failure rate that so many failures in n leave possible, one-sided and exact.

    None in n: about 3/n at 95 % ("rule of three": Hanley & Lippman-Hand 1983, JAMA 249).
    """
    return clopper_pearson(failures, n, 2 * confidence - 1).high


def describe_failures(failures: int, n: int) -> str:
    """What a count of failures proves, in words: `none of 100 failed: fewer than 3 % do, with 95 % confidence`."""
    seen = "none" if failures == 0 else str(failures)
    return f"{seen} of {n} failed: fewer than {100 * at_most(failures, n):.2g} % do, with 95 % confidence"


def score_interval(values: Values, clusters: Clusters = None) -> Estimate:
    """95 % interval of a mean score: `wilson` for independent passes and fails, else `share_interval`."""
    import numpy as np

    estimate = share_interval(values, clusters)
    if independent_passes(values, clusters):
        low, high = wilson(float(np.sum(values)), len(values))
        return estimate._replace(low=low, high=high)
    return estimate


def independent_passes(values: Values, clusters: Clusters = None) -> bool:
    """Is each value a pass or a fail of its own?"""
    import numpy as np

    return clusters is None and bool(np.isin(values, (0.0, 1.0)).all())


def share_interval(values: Values, clusters: Clusters = None, confidence: float = 0.95) -> Estimate:
    """Interval of a mean of values from 0 to 1 that stays inside, with clusters or without.

    Wilson's interval for the effective number of cases: as many independent ones as would have the same standard error,
    fewer by the squared ratio of the normal to the t quantile when clusters are few (Korn & Graubard 1998, Survey
    Methodology 24; Wilson in this place: Dean & Pagano 2015, Survey Methodology 41). Values that vary less than passes
    and fails would (means of repeats) are taken to vary a little more than seen: `BINARY` units' worth of a pass or
    fail. Values that are all alike count as many as the clusters are worth. With one cluster nothing is known: 0 to 1.
    It is too short where few clusters hold most cases and are alike by chance. Raises `ValueError` for values outside
    0 to 1.
    """
    import numpy as np

    array = np.asarray(values, dtype=float)
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError("needs values from 0 to 1")
    estimate = mean_interval(array, clusters, confidence)
    mean = estimate.mean
    if estimate.clusters < 2:
        return estimate._replace(low=0.0, high=1.0)
    quantile = (1 + confidence) / 2
    few = (normal_quantile(quantile) / t_quantile(quantile, estimate.degrees)) ** 2
    n = few * effective_cases(mean, estimate.error, len(array), estimate.worth)
    low, high = wilson(min(n, n * mean), n, confidence)
    return estimate._replace(low=low, high=high)


def effective_cases(mean: float, error: float, n: int, clusters: float) -> float:
    """How many independent passes and fails know as much about their mean as n values with this standard error do.

    `clusters`: as many equally large ones tell as much. As `share_interval` has it, before it allows for few clusters.
    """
    binary, variance = mean * (1 - mean), error**2 * n
    if error <= 1e-9 or binary <= 0:
        return clusters
    if variance < binary:
        variance += (binary - variance) * BINARY / (4 * binary * clusters + BINARY)
    return n * binary / variance
