"""Scores of the slices of a dataset, and which of them moved.

Slices are explored, not gated: where many are looked at, some look bad by chance. Their p-values are adjusted
together after Benjamini & Hochberg (1995, JRSS-B 57), so that of the slices marked as moved about 5 % are not.
"""

from collections.abc import Mapping, Sequence

import msgspec

from moat.domain.scores import Case
from moat.evals.slices import slices
from moat.evals.statistics.intervals import difference_interval
from moat.evals.statistics.proportions import score_interval
from moat.evals.statistics.significance import benjamini_hochberg, paired_test

FEW = 10
"""Slices with fewer cases are shown and marked: their intervals say next to nothing."""
MAX_SLICES = 100
"""The largest, over all paths: more are no overview."""
ALPHA = 0.05


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """One score over the cases of one slice."""

    name: str
    """`tags=vip`, `labels.intent=refund`."""
    score: str
    n: int
    """Cases with a value."""
    mean: float
    low: float
    high: float
    """95 % interval."""
    baseline: float | None = None
    """Mean of the baseline over the same cases."""
    difference: float | None = None
    """Candidate minus baseline over the cases that both have a value for; with its 95 % interval."""
    difference_low: float | None = None
    difference_high: float | None = None
    p: float | None = None
    """Two-sided, of no difference; adjusted over all slices and scores."""
    moved: bool = False
    """Is the difference beyond chance, all slices considered?"""
    few: bool = False
    """Are there fewer than `FEW` cases?"""


def measure_slices(
    cases: Sequence[Case],
    paths: Sequence[str],
    candidate: Mapping[str, Mapping[str, float]],
    baseline: Mapping[str, Mapping[str, float]] | None = None,
) -> tuple[Slice, ...]:
    """Every slice along the paths, for every score: means by score and case come in.

    Raises `ConfigError` for a path that leads nowhere.
    """
    by_id = {case.id: case for case in cases}
    sliced = slices(cases, paths)
    kept = {*sorted(sliced, key=lambda name: -len(sliced[name]))[:MAX_SLICES]}
    found = [
        _slice(name, score, [by_id[case] for case in ids if case in values], values, (baseline or {}).get(score, {}))
        for name, ids in sliced.items()
        if name in kept
        for score, values in candidate.items()
        if any(case in values for case in ids)
    ]
    adjusted = iter(benjamini_hochberg([one.p for one in found if one.p is not None]))
    result = []
    for one in found:
        p = next(adjusted) if one.p is not None else None
        result.append(msgspec.structs.replace(one, p=p, moved=p is not None and p <= ALPHA))
    return tuple(result)


def _slice(name: str, score: str, cases: Sequence[Case], new: Mapping[str, float], old: Mapping[str, float]) -> Slice:
    values = [new[case.id] for case in cases]
    estimate = score_interval(values, _clusters(cases))
    one = Slice(
        name=name,
        score=score,
        n=len(values),
        mean=estimate.mean,
        low=estimate.low,
        high=estimate.high,
        few=len(values) < FEW,
    )
    paired = [case for case in cases if case.id in old]
    if not paired:
        return one
    moves = [new[case.id] - old[case.id] for case in paired]
    groups = _clusters(paired)
    difference = difference_interval(moves, groups)
    _, tested = paired_test(moves, groups)
    return msgspec.structs.replace(
        one,
        baseline=sum(old[case.id] for case in paired) / len(paired),
        difference=difference.mean,
        difference_low=max(-1.0, difference.low),
        difference_high=min(1.0, difference.high),
        p=tested.two_sided,
    )


def _clusters(cases: Sequence[Case]) -> list[tuple[str, str]] | None:
    return [case.unit for case in cases] if any(case.cluster for case in cases) else None
