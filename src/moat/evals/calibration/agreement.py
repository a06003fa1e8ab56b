"""What a judge and people say of the same answers."""

from collections.abc import Mapping, Sequence

import msgspec

from moat.evals.statistics.agreement import Agreement, cohen_kappa, krippendorff_alpha
from moat.evals.statistics.bias import length_bias, position_bias
from moat.evals.statistics.judges import Share, rates
from moat.evals.statistics.weighting import weighted_interval

LEAST = 5
"""With fewer answers than this nothing is said of a slice: every interval would be as wide as it can be."""
MAX_SLICES = 50
"""The largest are kept."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, as people and the judge see it."""

    case: str
    people: tuple[float, ...]
    """What each person said, 0 to 1."""
    judged: float
    length: int
    """Characters of the answer."""
    cluster: str = ""
    weight: float = 1.0
    """How many answers of the run it stands for: all measures are of the run, not of the sample."""
    orders: tuple[float, float] | None = None
    """Of a pairwise judge: what the answer scored when it stood first, and second."""

    @property
    def truth(self) -> float:
        """The people's mean."""
        return sum(self.people) / len(self.people)


class Coefficient(msgspec.Struct, frozen=True):
    """A coefficient with its 95 % interval."""

    value: float | None
    low: float
    high: float


class Shift(msgspec.Struct, frozen=True):
    """How much higher the judge scores than people, on average, with its 95 % interval."""

    mean: float
    low: float
    high: float
    error: float
    degrees: float
    """Of freedom, of Student's t."""


class Sway(msgspec.Struct, frozen=True):
    """How a pairwise judge depends on the order of the two answers."""

    lean: Coefficient
    """How much higher the same answer scores in the first place than in the second, -1 to 1."""
    consistent: Coefficient
    """Share of pairs that are judged alike in both orders."""


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """How a judge compares with people."""

    n: int
    """Answers that both judged."""
    people: int
    """Most people who labelled one answer."""
    threshold: float
    """From this value on an answer passes."""
    tp: int
    fn: int
    fp: int
    tn: int
    """`fp`: the judge passed what people failed. Of a weighted sample the counts that it is worth, rounded."""
    tpr: Coefficient
    tnr: Coefficient
    kappa: Coefficient
    """Cohen's, of pass and fail."""
    alpha: Coefficient
    """Krippendorff's, of the values as numbers, between the judge and the people's mean."""
    alpha_people: Coefficient | None
    """Among the people; None when no answer was labelled by two."""
    shift: Shift
    length_bias: Coefficient | None
    """How much higher than people the judge scores with each doubling of an answer's length; None where lengths hardly
    vary."""
    binary: bool
    """Does the judge only pass and fail?"""
    sway: Sway | None = None


class SliceMeasures(msgspec.Struct, frozen=True, kw_only=True):
    """How a judge compares with people in one part of the cases: as `Measures`."""

    name: str
    """`tags=vip`, `labels.intent=refund`."""
    n: int
    tp: int
    fn: int
    fp: int
    tn: int
    tpr: Coefficient
    tnr: Coefficient
    kappa: Coefficient
    shift: Coefficient
    length_bias: Coefficient | None


def measures_of_slices(
    pairs: Sequence[Pair], members: Mapping[str, Sequence[str]], threshold: float
) -> tuple[SliceMeasures, ...]:
    """Compare in parts. `members`: ids of the cases of each slice (`moat.evals.slices.slices`)."""
    parts = {name: [pair for pair in pairs if pair.case in set(cases)] for name, cases in members.items()}
    sizes = sorted((name for name, part in parts.items() if len(part) >= LEAST), key=lambda name: -len(parts[name]))
    kept = set(sizes[:MAX_SLICES])
    return tuple(_of_slice(name, measures(parts[name], threshold)) for name in parts if name in kept)


def _of_slice(name: str, found: Measures) -> SliceMeasures:
    return SliceMeasures(
        name=name,
        n=found.n,
        tp=found.tp,
        fn=found.fn,
        fp=found.fp,
        tn=found.tn,
        tpr=found.tpr,
        tnr=found.tnr,
        kappa=found.kappa,
        shift=Coefficient(found.shift.mean, found.shift.low, found.shift.high),
        length_bias=found.length_bias,
    )


def measures(pairs: Sequence[Pair], threshold: float) -> Measures:
    """Compare. Raises `ValueError` for fewer than two pairs."""
    if len(pairs) < 2:
        raise ValueError("needs two answers that people and the judge judged")
    clusters = _clusters(pairs)
    truth = [pair.truth >= threshold for pair in pairs]
    said = [pair.judged >= threshold for pair in pairs]
    tp, fn = _counts([pair for pair, good in zip(pairs, truth, strict=True) if good], threshold)
    fp, tn = _counts([pair for pair, good in zip(pairs, truth, strict=True) if not good], threshold)
    found = rates(tp, fn, fp, tn)
    weights = _weights(pairs)
    several = [pair for pair in pairs if len(pair.people) > 1]
    shift = weighted_interval([pair.judged - pair.truth for pair in pairs], weights, clusters)
    return Measures(
        n=len(pairs),
        people=max(len(pair.people) for pair in pairs),
        threshold=threshold,
        tp=tp,
        fn=fn,
        fp=fp,
        tn=tn,
        tpr=_share(found.tpr),
        tnr=_share(found.tnr),
        kappa=_coefficient(cohen_kappa(truth, said, clusters=clusters, unit_weights=weights)),
        alpha=_alpha([(pair.truth, pair.judged) for pair in pairs], pairs),
        alpha_people=_alpha([pair.people for pair in several], several) if several else None,
        shift=Shift(shift.mean, max(-1.0, shift.low), min(1.0, shift.high), shift.error, shift.degrees),
        length_bias=_length_bias(pairs),
        binary={pair.judged for pair in pairs} <= {0.0, 1.0},
        sway=_sway(pairs),
    )


def people_agree(values: Sequence[Sequence[float]], weights: Sequence[float]) -> Coefficient | None:
    """Krippendorff's alpha among people; None when no answer has two labels. Weights: as in `Pair`."""
    if max(map(len, values), default=0) < 2:
        return None
    return _coefficient(krippendorff_alpha(values, level="interval", unit_weights=weights))


def _alpha(values: Sequence[Sequence[float]], pairs: Sequence[Pair]) -> Coefficient:
    return _coefficient(
        krippendorff_alpha(values, level="interval", clusters=_clusters(pairs), unit_weights=_weights(pairs))
    )


def _weights(pairs: Sequence[Pair]) -> list[float]:
    return [pair.weight for pair in pairs]


def _clusters(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    """Answers to one case are not independent, nor are cases of one cluster."""
    return [("cluster", pair.cluster) if pair.cluster else ("case", pair.case) for pair in pairs]


def _counts(pairs: Sequence[Pair], threshold: float) -> tuple[int, int]:
    """How many the judge passed, and failed. With weights, what the sample is worth (Kish's effective size)."""
    total = sum(pair.weight for pair in pairs)
    if not total:
        return 0, 0
    passed = sum(pair.weight for pair in pairs if pair.judged >= threshold)
    worth = total**2 / sum(pair.weight**2 for pair in pairs)
    return round(worth * passed / total), round(worth * (total - passed) / total)


def _length_bias(pairs: Sequence[Pair]) -> Coefficient | None:
    found = length_bias(
        [pair.judged for pair in pairs],
        [pair.truth for pair in pairs],
        [max(1, pair.length) for pair in pairs],
        _clusters(pairs),
        weights=_weights(pairs),
    )
    return Coefficient(found.slope, found.low, found.high) if found is not None else None


def _sway(pairs: Sequence[Pair]) -> Sway | None:
    turned = [pair for pair in pairs if pair.orders is not None]
    if not turned:
        return None
    first, second = zip(*(pair.orders or () for pair in turned), strict=True)
    found = position_bias(first, second, _clusters(turned), _weights(turned))
    return Sway(Coefficient(found.lean, found.low, found.high), _share(found.consistent))


def _share(found: Share) -> Coefficient:
    return Coefficient(found.mean, found.low, found.high)


def _coefficient(found: Agreement) -> Coefficient:
    return Coefficient(found.value, found.low, found.high)
