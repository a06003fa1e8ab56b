"""How much a suite can see, and how many cases a question needs.

Normal approximation for a paired design (Cohen 1988, chapter 2; Miller 2024, "Adding Error Bars to Evals",
section 5). `deviation` is the standard deviation of the per-case differences; with clusters, the standard
error times the root of the number of cases.
"""

import math

ALPHA = 0.05
POWER = 0.8


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


def _factor(tail: float, power: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(1 - tail) + ndtri(power))
