"""Intervals by resampling whole units: cases, clusters of cases, or labelled items."""

import math
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from moat.evals.statistics.clusters import totals
from moat.evals.statistics.distributions import normal_cdf, normal_quantile
from moat.evals.statistics.intervals import Interval

if TYPE_CHECKING:
    import numpy as np

SAMPLES = 2_000
CELLS = 4_000_000
"""Units times samples drawn at once: bounds the memory to some 100 MB."""
KEPT_CELLS = 250_000
"""So small a draw, of 2 MB, is kept for the next statistic over as many units."""

Statistic = Callable[["np.ndarray"], "np.ndarray"]
"""From sums over units, shape (samples, parts), to values, shape (samples,); NaN where there is none."""


def resample(
    parts: "np.ndarray",
    statistic: Statistic,
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    samples: int = SAMPLES,
) -> Interval:
    """Bootstrap interval, bias-corrected and accelerated (BCa: Efron 1987, JASA 82; Davison & Hinkley 1997, 5.3.2).

    `parts` has one row for each unit; the statistic must be a function of the rows' sums. That makes thousands
    of resamples one matrix product, and the jackknife behind the acceleration a subtraction. Units of one
    cluster are drawn together (Field & Welsh 2007, JRSS-B 69). Samples for which the statistic does not exist
    are left out.

    The interval is infinite for fewer than two clusters. It is wrong where a sample cannot show what matters:
    when all units are alike it has no length, and with fewer than about 20 clusters it is too short.
    """
    import numpy as np

    rows = totals(np.asarray(parts, dtype=float), clusters)
    count = len(rows)
    if count < 2:
        return Interval(-math.inf, math.inf)
    whole = rows.sum(axis=0)
    seen = float(statistic(whole[None])[0])
    drawn = statistic(draw_sums(rows, samples, seed))
    drawn = np.sort(drawn[np.isfinite(drawn)])
    if not len(drawn) or not math.isfinite(seen):
        return Interval(-math.inf, math.inf)
    left_out = statistic(whole - rows)
    ends = _ends(seen, drawn, left_out[np.isfinite(left_out)], confidence)
    low, high = np.quantile(drawn, ends)
    return Interval(float(low), float(high))


def ratio_bootstrap(
    tops: "Sequence[float] | np.ndarray",
    bottoms: "Sequence[float] | np.ndarray",
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    log: bool = False,
) -> Interval:
    """Interval of one total over another, studentised (bootstrap-t: Hall 1988, Ann. Stat. 16; Davison & Hinkley 1997,
    5.2.1): for skewed values such as costs and latencies, where Student's t is lopsided and `resample` still too short.

    Bottoms of 1 make it the interval of a mean. `log` does it on a log scale, which fits ratios of positive totals.
    The interval is infinite for fewer than two clusters. Raises `ValueError` as `coded` does.
    """
    import numpy as np

    base = totals(np.stack([np.asarray(tops, dtype=float), np.asarray(bottoms, dtype=float)], axis=1), clusters)
    if len(base) < 2:
        return Interval(-math.inf, math.inf)
    rows = np.concatenate([base, base * base, base[:, :1] * base[:, 1:]], axis=1)

    def estimates(sums: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
        """The ratio and its linearised standard error, on the scale asked for."""
        top, bottom, tops2, bottoms2, both = sums.T
        ratio = top / bottom
        squares = np.maximum(tops2 - 2 * ratio * both + ratio**2 * bottoms2, 0)
        error = np.sqrt(len(base) / (len(base) - 1) * squares) / bottom
        return (np.log(ratio), error / ratio) if log else (ratio, error)

    (seen,), (error,) = estimates(rows.sum(axis=0)[None])
    if error == 0:
        return Interval(*(float(np.exp(seen) if log else seen),) * 2)
    drawn, errors = estimates(draw_sums(rows, SAMPLES, seed))
    known = errors > 1e-9 * error
    most, least = np.quantile((drawn[known] - seen) / errors[known], [(1 + confidence) / 2, (1 - confidence) / 2])
    ends = seen - most * error, seen - least * error
    return Interval(*(float(np.exp(end) if log else end) for end in ends))


def draw_sums(rows: "np.ndarray", samples: int, seed: int) -> "np.ndarray":
    """Sums over resampled units, shape (samples, parts)."""
    import numpy as np

    count = len(rows)
    if samples * count <= KEPT_CELLS:
        kept: np.ndarray = _kept_draws(count, samples, seed) @ rows
        return kept
    random, chunk = np.random.default_rng(seed), max(1, CELLS // count)
    sizes = [min(chunk, samples - start) for start in range(0, samples, chunk)]
    return np.concatenate([_draws(count, size, random) @ rows for size in sizes])


@lru_cache(maxsize=8)
def _kept_draws(count: int, samples: int, seed: int) -> "np.ndarray":
    """Scores, slices and judges over as many units are resampled alike."""
    import numpy as np

    return _draws(count, samples, np.random.default_rng(seed))


def _draws(count: int, samples: int, random: "np.random.Generator") -> "np.ndarray":
    """How often each unit is drawn, shape (samples, units)."""
    import numpy as np

    picks = random.integers(0, count, (samples, count), dtype=np.int32) + np.arange(samples)[:, None] * count
    return np.bincount(picks.ravel(), minlength=samples * count).reshape(samples, count).astype(float)


def _ends(seen: float, drawn: "np.ndarray", left_out: "np.ndarray", confidence: float) -> tuple[float, float]:
    """Which quantiles of the sorted samples are the interval's ends."""
    import numpy as np

    n = len(drawn)
    ties = (np.searchsorted(drawn, seen, "left") + np.searchsorted(drawn, seen, "right")) / 2
    bias = normal_quantile(float(min(max(ties / n, 1 / (n + 1)), n / (n + 1))))
    spread = left_out.mean() - left_out if len(left_out) else left_out
    size = float((spread**2).sum()) ** 1.5
    acceleration = float((spread**3).sum()) / (6 * size) if size else 0.0

    def end(quantile: float) -> float:
        z = bias + normal_quantile(quantile)
        return normal_cdf(bias + z / max(1e-9, 1 - acceleration * z))

    return end((1 - confidence) / 2), end((1 + confidence) / 2)
