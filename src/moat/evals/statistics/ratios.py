"""By how many percent something changed: cost, latency, tokens."""

import math
from collections.abc import Hashable, Sequence

from moat.evals.statistics.bootstrap import ratio_bootstrap
from moat.evals.statistics.clusters import totals
from moat.evals.statistics.intervals import Estimate


def relative_change(
    before: Sequence[float],
    after: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Change of the total over paired cases, as a share of what it was: 0.1 is ten percent more.

    The ratio of two totals (Cochran 1977, Sampling Techniques, chapter 6) with a studentised bootstrap interval on a
    log scale (`bootstrap.ratio_bootstrap`): costs are skewed. A few cases that hold most of the total still make it too
    short: look at the largest. The interval is infinite for fewer than two clusters, or when nothing is left after.
    Raises `ValueError` for negative values, unequal lengths, or nothing at all before.
    """
    import numpy as np

    if len(before) != len(after):
        raise ValueError("as many values before as after are needed")
    rows = totals(np.stack([np.asarray(before, dtype=float), np.asarray(after, dtype=float)], axis=1), clusters)
    if (rows < 0).any() or not rows[:, 0].any():
        raise ValueError("needs values of at least 0, not all 0 before")
    old, new = (float(total) for total in rows.sum(axis=0))
    ratio, count = new / old, len(rows)
    if count < 2 or ratio == 0:
        return Estimate(ratio - 1, -1.0, math.inf, math.inf, count)
    residuals = rows[:, 1] - ratio * rows[:, 0]
    error = math.sqrt(count / (count - 1) * float(residuals @ residuals)) / old
    low, high = ratio_bootstrap(rows[:, 1], rows[:, 0], confidence=confidence, log=True)
    return Estimate(ratio - 1, low - 1, high - 1, error, count)
