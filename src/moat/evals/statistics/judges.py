"""From what a judge says to what people would say: its error rates, and means corrected for them.

Two ways, for two situations. `rogan_gladen` needs labels of any answers, as long as the judge errs on them as often
as on these; pass or fail only. `ppi_mean` needs labels of a random sample of these very answers, takes scores of any
kind, assumes nothing about the judge, and is the better one where both are possible.
"""

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from moat.evals.statistics.clusters import totals
from moat.evals.statistics.distributions import normal_quantile, t_quantile
from moat.evals.statistics.intervals import wilson

if TYPE_CHECKING:
    import numpy as np


UNSEEN = 1.0
"""Added to sums of squares and products of labels that pass or fail: half of the win and loss of Bonett and Price."""


class Share(NamedTuple):
    """A proportion with its interval; `mean` is None and the interval 0 to 1 when there was nothing to count."""

    mean: float | None
    low: float
    high: float
    n: int


class Rates(NamedTuple):
    """How often a judge is right, by what people said."""

    tpr: Share
    """Of what people passed, what the judge passed (sensitivity, recall)."""
    tnr: Share
    """Of what people failed, what the judge failed (specificity)."""
    accuracy: Share


class Corrected(NamedTuple):
    """A mean as people would have it."""

    mean: float
    low: float
    high: float
    error: float
    """Standard error."""


class Rectified(NamedTuple):
    """A mean from few labels and many judgements."""

    mean: float
    low: float
    high: float
    error: float
    weight: float
    """How much the judge counts: 0 not at all, 1 as much as it can."""
    gain: float
    """The judge's worth: with labels alone, so many times as many would be needed for the same error."""


def rates(tp: int, fn: int, fp: int, tn: int, confidence: float = 0.95) -> Rates:
    """Rates of a judge against people, with Wilson intervals. `fp`: the judge passed what people failed.

    Raises `ValueError` for negative counts.
    """
    if min(tp, fn, fp, tn) < 0:
        raise ValueError("counts cannot be negative")
    return Rates(
        _share(tp, tp + fn, confidence),
        _share(tn, fp + tn, confidence),
        _share(tp + tn, tp + fn + fp + tn, confidence),
    )


def rogan_gladen(share: float, n: float, measured: Rates, confidence: float = 0.95) -> Corrected | None:
    """What share of n answers people would pass, when a judge with measured rates passes `share` of them.

    Rogan & Gladen (1978, Am. J. Epidemiol. 107); the interval counts the error of the rates themselves (Lang &
    Reiczigel 2014, Prev. Vet. Med. 113; for judges: Lee et al. 2025, arXiv 2511.21140). `n` is how many independent
    answers the share rests on; with clusters the effective number.

    None when there is nothing to correct by: no label of one of the two kinds, or a judge no better than a coin.
    Wrong when the judge errs more, or less, on these answers than on the labelled ones: another language, another
    prompt, harder questions. Raises `ValueError` unless 0 <= share <= 1 and n > 0.
    """
    if not (0 <= share <= 1 and n > 0):
        raise ValueError("needs 0 <= share <= 1 and n > 0")
    tpr, tnr = measured.tpr, measured.tnr
    if tpr.mean is None or tnr.mean is None or tpr.mean + tnr.mean <= 1:
        return None
    mean = min(1.0, max(0.0, (share + tnr.mean - 1) / (tpr.mean + tnr.mean - 1)))
    z = normal_quantile((1 + confidence) / 2)
    seen, many = (n * share + z * z / 2) / (n + z * z), n + z * z
    hit, hits = (tpr.n * tpr.mean + 1) / (tpr.n + 2), tpr.n + 2
    miss, misses = (tnr.n * tnr.mean + 1) / (tnr.n + 2), tnr.n + 2
    if hit + miss <= 1:
        return None
    true = min(1.0, max(0.0, (seen + miss - 1) / (hit + miss - 1)))
    of_hits, of_misses = hit * (1 - hit) / hits, miss * (1 - miss) / misses
    shift = 2 * z * z * (true * of_hits - (1 - true) * of_misses)
    variance = seen * (1 - seen) / many + true**2 * of_hits + (1 - true) ** 2 * of_misses
    error = math.sqrt(variance) / (hit + miss - 1)
    low, high = max(0.0, true + shift - z * error), min(1.0, true + shift + z * error)
    return Corrected(mean, min(low, mean), max(high, mean), error)


def ppi_mean(
    labels: Sequence[float],
    judged: Sequence[float],
    others: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    other_clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Rectified:
    """What people would score on average, from few labels and many judgements (PPI++: Angelopoulos, Duchi & Zrnic
    2023, arXiv 2311.01453): the judge's mean on `others`, set right by how far it is off on the labelled ones.

    `labels` and `judged` are about the same answers, a random sample; `others` are the judge's scores of the answers
    without label. The weight is the one with the least variance, between 0 and 1, so a useless judge costs nothing.
    Student's t with one degree of freedom less than labelled clusters; where labels only pass or fail, few of
    them may show no fail, or no error of the judge: then the variances, and how the two vary together, are taken to be
    a little larger than seen (`UNSEEN`). Wrong when the labelled answers were picked,
    for example because they looked bad. Raises `ValueError` for fewer than 2 labels or others (or clusters of them),
    or unequal lengths.
    """
    import numpy as np

    if len(labels) != len(judged):
        raise ValueError("needs a judgement for each label")
    paired = np.stack([np.asarray(labels, dtype=float), np.asarray(judged, dtype=float)], axis=1)
    truth, said = _centred(paired, clusters)
    (rest,) = _centred(np.asarray(others, dtype=float)[:, None], other_clusters)
    unseen = UNSEEN / len(labels) ** 2 if set(labels) <= {0, 1} else 0.0
    spread = float(said @ said) + float(rest @ rest) + unseen
    weight = min(1.0, max(0.0, (float(truth @ said) + unseen) / spread)) if spread else 0.0
    mean = float(np.mean(labels)) - weight * (float(np.mean(judged)) - float(np.mean(others)))
    variance = weight**2 * float(rest @ rest) + float(((truth - weight * said) ** 2).sum()) + unseen
    alone = float(truth @ truth) + unseen
    error = math.sqrt(variance)
    half = t_quantile((1 + confidence) / 2, len(truth) - 1) * error
    return Rectified(mean, mean - half, mean + half, error, weight, alone / variance if variance else 1.0)


def _centred(values: "np.ndarray", clusters: Sequence[Hashable] | None) -> "np.ndarray":
    """For each column what its clusters add to its mean's error: products of these are (co)variances of means."""
    import numpy as np

    rows = totals(values - values.mean(axis=0) if len(values) else values, clusters)
    if len(rows) < 2:
        raise ValueError("needs at least two independent values")
    scaled: np.ndarray = rows.T * math.sqrt(len(rows) / (len(rows) - 1)) / len(values)
    return scaled


def _share(part: int, whole: int, confidence: float) -> Share:
    if whole == 0:
        return Share(None, 0.0, 1.0, 0)
    low, high = wilson(part, whole, confidence)
    return Share(part / whole, low, high, whole)
