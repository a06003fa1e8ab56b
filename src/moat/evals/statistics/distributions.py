"""Distribution functions and their inverses, for one number at a time.

In plain Python: a comparison needs a few dozen of them, and loading `scipy.special` takes longer than all the rest.
They equal it to 1e-9, relative.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()
STEPS = 10_000
"""Of a continued fraction; what is met takes some root of its parameters."""
LEAST = -745.0
"""Logarithm of the smallest positive number."""


def normal_cdf(x: float) -> float:
    """The chance that a standard normal value is at most x."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


def normal_quantile(p: float) -> float:
    """The inverse of `normal_cdf` (Wichura 1988, Applied Statistics 37, AS 241); infinite at 0 and 1."""
    return _NORMAL.inv_cdf(p) if 0 < p < 1 else math.copysign(math.inf, p - 0.5)


def t_cdf(t: float, degrees: float) -> float:
    """The chance that a value of Student's t with so many degrees of freedom is at most t."""
    if math.isinf(t):
        return 1.0 if t > 0 else 0.0
    if math.isinf(degrees):
        return normal_cdf(t)
    ratio = t * t / degrees
    x = 1 / (1 + ratio)
    tail = _beta(degrees / 2, 0.5, x, 1 - x if ratio > 1 else ratio * x) / 2
    return tail if t < 0 else 1 - tail


@lru_cache(maxsize=4096)
def t_quantile(p: float, degrees: float) -> float:
    """The inverse of `t_cdf`; infinite at 0 and 1, and where it is beyond 1e161."""
    if p == 0.5:
        return 0.0
    if not 0 < p < 1 or math.isinf(degrees):
        return normal_quantile(p)
    log = _log_beta_quantile(2 * min(p, 1 - p), degrees / 2, 0.5)
    size = math.sqrt(degrees * -math.expm1(log)) * math.exp(-log / 2) if log > LEAST + 1 else math.inf
    return math.copysign(size, p - 0.5)


def binomial_cdf(successes: float, n: float, share: float) -> float:
    """The chance of at most so many successes in n tries; counts need not be whole."""
    if not 0 <= successes < n:
        return 0.0 if successes < 0 else 1.0
    return beta_cdf(1 - share, n - successes, successes + 1)


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function."""
    return 0.0 if x <= 0 else 1.0 if x >= 1 else _beta(a, b, x, 1 - x)


def beta_quantile(p: float, a: float, b: float) -> float:
    """The inverse of `beta_cdf`; 0 and 1 at 0 and 1."""
    if not 0 < p < 1:
        return 0.0 if p <= 0 else 1.0
    return math.exp(_log_beta_quantile(p, a, b))


def _beta(a: float, b: float, x: float, y: float) -> float:
    """`beta_cdf` of x, y being 1 - x, by its continued fraction (Didonato & Morris 1992, ACM TOMS 18)."""
    if x <= 0 or y <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, y, x)
    return _density(a, b, x, y) / a * _fraction(a, b, x)


def _density(a: float, b: float, x: float, y: float) -> float:
    """x**a * y**b / B(a, b), without the loss of digits that differences of large logarithms of gamma have."""
    n = a + b
    root = math.sqrt(a * b / (2 * math.pi * n))
    return root * math.exp(
        a * math.log(x * (n / a)) + b * math.log(y * (n / b)) + _stirling(n) - _stirling(a) - _stirling(b)
    )


def _stirling(a: float) -> float:
    """What Stirling's approximation of the logarithm of gamma leaves."""
    if a < 10:
        return math.lgamma(a) - (a - 0.5) * math.log(a) + a - 0.5 * math.log(2 * math.pi)
    s = 1 / (a * a)
    return (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188 - s * 691 / 360360))))) / a


def _fraction(a: float, b: float, x: float) -> float:
    """By the modified method of Lentz (Press et al. 2007, Numerical Recipes, 6.4)."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1 / (1 + even * d), 1 + even / c
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1 / (1 + odd * d), 1 + odd / c
        value *= d * c
        if abs(d * c - 1) < 1e-16:
            break
    return value


def _log_beta_quantile(p: float, a: float, b: float) -> float:
    """The logarithm of `beta_quantile`: by its size even next to 1, and nearly a line where p is small."""
    target = math.log(p)

    def off(log: float) -> tuple[float, float]:
        x, y = math.exp(log), -math.expm1(log)
        share = _beta(a, b, x, y)
        if share <= 0 or y <= 0:
            return (math.inf if y <= 0 else -math.inf), 0.0
        return math.log(share) - target, _density(a, b, x, y) / y / share

    return _root(off, math.log(a / (a + b)), LEAST, 0.0)


def _root(off: Callable[[float], tuple[float, float]], at: float, low: float, high: float) -> float:
    """Where a rising function, given with its slope, is 0: Newton's method, or halving where that leaves the bounds."""
    for _ in range(200):
        value, slope = off(at)
        low, high = (low, at) if value > 0 else (at, high)
        step = at - value / slope if slope > 0 else math.inf
        after = step if low < step < high else (low + high) / 2
        if abs(after - at) <= 1e-12 * abs(at):
            return after
        at = after
    return at
