"""How much a suite can see, and how many cases a question needs.

Normal approximation for a paired design (Cohen 1988, chapter 2; Miller 2024, "Adding Error Bars to Evals",
section 5). `deviation` is the standard deviation of the per-case differences; with clusters, the standard
error times the root of the number of cases. With fewer than some 20 clusters all of this is too hopeful.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from moat.evals.statistics.distributions import normal_cdf, normal_quantile
from moat.evals.statistics.repeats import Components

ALPHA = 0.05
POWER = 0.8
CORRELATION = 0.5
"""Assumed between the scores of two versions on one case, when nothing was measured."""


def detectable(deviation: float, n: int, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest true difference that a two-sided test on n cases finds with this power."""
    if n < 1:
        return math.inf
    return _factor(alpha / 2, power) * deviation / math.sqrt(n)


def cases_needed(deviation: float, effect: float, *, alpha: float = ALPHA, power: float = POWER) -> int:
    """Cases for a two-sided test to find a true difference of `effect` with this power."""
    if effect <= 0:
        raise ValueError("the effect must be positive")
    return max(2, math.ceil((_factor(alpha / 2, power) * deviation / effect) ** 2))


def least_cases(margin: float, loss: float = 0.0, *, alpha: float = ALPHA) -> int:
    """Cases below which no result passes a margin, whatever it is, when this loss was seen.

    So many must be seen for losses too rare to show up to be excluded: the other half of
    `intervals.difference_interval`. Raises `ValueError` unless loss < margin < 1.
    """
    if not loss < margin < 1:
        raise ValueError("the loss must be below the margin, and the margin below 1")
    share = (margin - loss) / (1 - loss)
    return math.ceil(normal_quantile(1 - alpha / 2) ** 2 * (1 - share) / share)


def cases_to_pass(
    deviation: float, margin: float, loss: float = 0.0, *, alpha: float = ALPHA, power: float = POWER
) -> int:
    """Cases with which a version with this true loss passes a margin with this power.

    Both halves of `intervals.difference_interval` must end below the margin: what the differences' own spread leaves
    possible, and what losses too rare to show up do. Raises `ValueError` unless loss < margin < 1.
    """
    least, gap = least_cases(margin, loss, alpha=alpha), margin - loss
    unseen = normal_quantile(1 - alpha / 2) ** 2 * (1 - loss)
    chance = normal_quantile(power) * deviation
    root = (math.sqrt(chance**2 + 4 * unseen * gap) - chance) / (2 * unseen)
    return max(least, math.ceil(root**-2), cases_needed(deviation, gap, alpha=alpha, power=power))


def power_of(effect: float, deviation: float, n: int, *, alpha: float = ALPHA) -> float:
    """The chance that a two-sided test on n cases finds a true difference of this size."""
    if deviation == 0:
        return 1.0 if effect else alpha
    shift, bound = abs(effect) * math.sqrt(n) / deviation, normal_quantile(1 - alpha / 2)
    return normal_cdf(shift - bound) + normal_cdf(-shift - bound)


class Design(NamedTuple):
    """How a comparison asks."""

    cases: int
    repeats: int = 1
    effect_of_clusters: float = 1.0
    """`design_effect` of the cases' clusters."""


def detect(design: Design, found: Components, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest true difference that a design finds, when differences vary as in `found`.

    Repeats shrink what varies within cases, and clusters inflate what varies between them.
    """
    variance = found.between * design.effect_of_clusters + found.within / design.repeats
    return detectable(math.sqrt(variance), design.cases, alpha=alpha, power=power)


def design_effect(sizes: Sequence[int], icc: float) -> float:
    """By how much clusters inflate the variance of a mean (Kish 1965, Survey Sampling, 5.4; unequal sizes: Kerry &
    Bland 2001, Statistics in Medicine 20).

    `sizes`: cases of each cluster; `icc`: correlation of two cases of one cluster. Raises `ValueError` for none, or an
    empty one.
    """
    if not sizes or min(sizes) < 1:
        raise ValueError("needs clusters with at least one case each")
    return 1 + (sum(size * size for size in sizes) / sum(sizes) - 1) * icc


def assumed_deviation(pass_rate: float, correlation: float = CORRELATION) -> float:
    """Standard deviation of per-case differences of two versions that both pass this share of the cases.

    Two passes correlate as much as their cases are easy or hard for both. Raises `ValueError` for a rate outside
    0 to 1 or a correlation outside -1 to 1.
    """
    if not (0 <= pass_rate <= 1 and -1 <= correlation <= 1):
        raise ValueError("needs 0 <= pass_rate <= 1 and -1 <= correlation <= 1")
    return math.sqrt(2 * pass_rate * (1 - pass_rate) * (1 - correlation))


def _factor(tail: float, power: float) -> float:

    return normal_quantile(1 - tail) + normal_quantile(power)
