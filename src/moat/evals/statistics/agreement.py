"""Do two judges, or many, say the same of the same answers, beyond what chance explains?

A unit is one answer that several people or judges rated. Intervals resample units, or clusters of them
(`bootstrap.resample`).
"""

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from moat.evals.statistics.bootstrap import resample
from moat.evals.statistics.intervals import wilson
from moat.evals.statistics.weighting import UnitWeights, relative, worth

if TYPE_CHECKING:
    import numpy as np

Weights = Literal["none", "linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval"]

Disagreement = Callable[["np.ndarray"], tuple["np.ndarray", "np.ndarray"]]
"""From sums over units, shape (samples, parts), to the disagreement seen and that by chance, each of shape (samples,);
1 is as far apart as two ratings can be."""

MAX_LABELS = 50
"""More labels than this are numbers, not labels: `level="interval"` takes any."""


class Agreement(NamedTuple):
    """A coefficient of agreement: 1 is perfect, 0 what chance gives, below is systematic disagreement."""

    value: float | None
    """None when it does not exist: everybody gave one and the same label to everything."""
    low: float
    high: float
    observed: float
    """Share of agreement seen (of pairs of ratings; partial where labels have weights or distances)."""
    units: int
    """Units that at least two rated."""


def cohen_kappa(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    *,
    weights: Weights = "none",
    order: Sequence[Hashable] | None = None,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    unit_weights: UnitWeights = None,
) -> Agreement:
    """Two raters who rated everything (Cohen 1960, Educ. Psychol. Meas. 20; weighted: 1968, Psychol. Bull. 70).

    Weights count how far apart two labels are, in steps of `order` (default: sorted); `unit_weights` are for how many
    units of the whole each one stands (a stratified sample). Raises `ValueError` for sequences of different length, no
    units, or a label that is not in `order`.

    Wrong when one label is rare: kappa is then low though the raters hardly differ; see `gwet_ac1`.
    """
    import numpy as np

    tables, labels = _tables(first, second, order)
    steps = np.abs(np.subtract.outer(np.arange(labels), np.arange(labels))) / max(1, labels - 1)
    distance = {"none": (steps > 0).astype(float), "linear": steps, "quadratic": steps**2}[weights]

    def disagreement(sums: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
        table = sums.reshape(-1, labels, labels)
        table = table / table.sum(axis=(1, 2), keepdims=True)
        chance = table.sum(axis=2)[:, :, None] * table.sum(axis=1)[:, None, :]
        return (table * distance).sum(axis=(1, 2)), (chance * distance).sum(axis=(1, 2))

    return _agreement(tables, disagreement, clusters, confidence, unit_weights)


def gwet_ac1(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Agreement:
    """Two raters when one label is rare (Gwet 2008, Br. J. Math. Stat. Psychol. 61): chance agreement is what
    raters who guess on hard units would have, so that rare labels do not pull it to 0.
    """
    import numpy as np

    tables, labels = _tables(first, second, None)

    def disagreement(sums: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
        table = sums.reshape(-1, labels, labels)
        table = table / table.sum(axis=(1, 2), keepdims=True)
        share = (table.sum(axis=1) + table.sum(axis=2)) / 2
        chance = (share * (1 - share)).sum(axis=1) / max(1, labels - 1)
        return 1 - np.trace(table, axis1=1, axis2=2), 1 - chance

    return _agreement(tables, disagreement, clusters, confidence)


def krippendorff_alpha(
    units: Sequence[Sequence[Hashable | None]],
    *,
    level: Level = "nominal",
    order: Sequence[Hashable] | None = None,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    unit_weights: UnitWeights = None,
) -> Agreement:
    """Any number of raters, with gaps (Krippendorff 2019, Content Analysis, 4th ed., chapter 12).

    One sequence of ratings for each unit, in any order; None, or a shorter sequence, is a gap. Units with fewer
    than two ratings say nothing and are left out. `level` is how ratings differ: as names, as ranks (in `order`,
    default sorted), or as numbers. `unit_weights`: as in `cohen_kappa`. Raises `ValueError` when no unit has two
    ratings, a label is not in `order`, or there are more than `MAX_LABELS` labels.
    """
    import numpy as np

    rated = [[rating for rating in unit if rating is not None] for unit in units]
    kept = [index for index, ratings in enumerate(rated) if len(ratings) > 1]
    if not kept:
        raise ValueError("needs a unit with two ratings")
    rated = [rated[index] for index in kept]
    if clusters is not None:
        if len(clusters) != len(units):
            raise ValueError("as many clusters as units are needed")
        clusters = [clusters[index] for index in kept]
    if unit_weights is not None:
        unit_weights = [unit_weights[index] for index in kept]
    if level == "interval":
        return _agreement(_number_parts(rated), _number_disagreement, clusters, confidence, unit_weights)
    index = _index((rating for ratings in rated for rating in ratings), order)
    codes = [tuple(sorted(index[rating] for rating in ratings)) for ratings in rated]
    made = {code: _coincidences(code, len(index)) for code in set(codes)}  # most units are rated alike
    parts = np.array([made[code] for code in codes])
    differ = _label_disagreement(len(index), ordinal=level == "ordinal")
    return _agreement(parts, differ, clusters, confidence, unit_weights)


def _agreement(
    parts: "np.ndarray",
    disagreement: Disagreement,
    clusters: Sequence[Hashable] | None,
    confidence: float,
    weights: UnitWeights = None,
) -> Agreement:
    import numpy as np

    parts = parts * relative(weights, len(parts))[:, None]

    def coefficient(sums: "np.ndarray") -> "np.ndarray":
        seen, chance = disagreement(sums)
        known = chance > 1e-12
        return np.where(known, 1 - seen / np.where(known, chance, 1), np.nan)

    seen, chance = (float(each[0]) for each in disagreement(parts.sum(axis=0)[None]))
    if chance <= 1e-12:
        return Agreement(None, -1.0, 1.0, 1 - seen, len(parts))
    low, high = resample(parts, coefficient, clusters=clusters, confidence=confidence)
    if seen < 1e-12:
        # Nobody disagreed, and so in no resample: how many may is what none of n leaves possible (rule of three).
        independent = len(parts) if clusters is None else len(set(clusters))
        known = independent * worth(weights, len(parts)) / len(parts)
        low, high = 1 - wilson(0, known, confidence).high / chance, 1.0
    return Agreement(1 - seen / chance, max(-1.0, low), min(1.0, high), 1 - seen, len(parts))


def _tables(
    first: Sequence[Hashable], second: Sequence[Hashable], order: Sequence[Hashable] | None
) -> tuple["np.ndarray", int]:
    """One flat contingency table for each unit, with a single 1 in it."""
    import numpy as np

    if len(first) != len(second) or not len(first):
        raise ValueError("needs as many second ratings as first ones, and at least one")
    index = _index((*first, *second), order)
    cells = np.array([index[a] * len(index) + index[b] for a, b in zip(first, second, strict=True)])
    return np.eye(len(index) ** 2)[cells], len(index)


def _index(ratings: Iterable[Hashable], order: Sequence[Hashable] | None) -> dict[Hashable, int]:
    found = set(ratings)
    if order is not None and not found <= set(order):
        raise ValueError(f"not in the order given: {sorted(map(str, found - set(order)))}")
    try:
        labels = list(order) if order is not None else sorted(found)  # type: ignore[type-var]
    except TypeError:
        labels = sorted(found, key=str)
    if len(labels) > MAX_LABELS:
        raise ValueError(f"more than {MAX_LABELS} labels: numbers need level='interval'")
    return {label: place for place, label in enumerate(labels)}


def _coincidences(codes: tuple[int, ...], labels: int) -> "np.ndarray":
    """All ordered pairs of a unit's ratings, each unit weighing as much as it has ratings."""
    import numpy as np

    counts = np.bincount(codes, minlength=labels)
    pairs = (np.outer(counts, counts) - np.diag(counts)) / (len(codes) - 1)
    return pairs.ravel()


def _label_disagreement(labels: int, *, ordinal: bool) -> Disagreement:
    import numpy as np

    def disagreement(sums: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
        pairs = sums.reshape(-1, labels, labels)
        counts = pairs.sum(axis=2)
        total = counts.sum(axis=1)
        distance = np.broadcast_to(1 - np.eye(labels), pairs.shape)
        if ordinal:
            ranks = np.cumsum(counts, axis=1) - counts / 2
            distance = (ranks[:, :, None] - ranks[:, None, :]) ** 2
            distance = distance / np.maximum(distance.max(axis=(1, 2), keepdims=True), 1e-300)
        seen = (pairs * distance).sum(axis=(1, 2)) / total
        chance = (counts[:, :, None] * counts[:, None, :] * distance).sum(axis=(1, 2))
        return seen, chance / (total * np.maximum(total - 1, 1))

    return disagreement


def _number_parts(rated: Sequence[Sequence[Hashable]]) -> "np.ndarray":
    """For each unit its squared distances, and count, sum and squares of its ratings, on a scale from 0 to 1."""
    import numpy as np

    numbers = [[_number(rating) for rating in ratings] for ratings in rated]
    least = min(map(min, numbers))
    spread = max(map(max, numbers)) - least or 1.0
    parts = []
    for unit in numbers:
        scaled = (np.array(unit) - least) / spread
        within = 2 * len(unit) * float(((scaled - scaled.mean()) ** 2).sum()) / (len(unit) - 1)
        parts.append((within, len(unit), float(scaled.sum()), float((scaled**2).sum())))
    return np.array(parts)


def _number(rating: Hashable) -> float:
    if not isinstance(rating, int | float) or not math.isfinite(rating):
        raise ValueError(f"level='interval' needs numbers, not {rating!r}")
    return float(rating)


def _number_disagreement(sums: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
    import numpy as np

    within, count, total, squares = sums.T
    return within / count, 2 * (count * squares - total**2) / (count * np.maximum(count - 1, 1))
