"""What people would score a run, from few labels and a judge's scores of all its answers."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from moat.domain.errors import InputError
from moat.domain.scores import Case, Result
from moat.evals.answer import Answered
from moat.evals.judges.labels import Item
from moat.evals.judges.material import response_of
from moat.evals.statistics.judges import ppi_mean


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A run's mean as people would have it, with its 95 % interval."""

    run: str
    score: str
    mean: float
    low: float
    high: float
    judge: float
    """The judge's own mean, over all answers."""
    labelled: int
    judged: int
    """Answers that only the judge scored."""
    weight: float
    """How much the judge counts, 0 to 1."""
    gain: float
    """With labels alone, so many times as many would be needed."""


def estimate(
    run: str, score: str, results: Iterable[Result], labelled: Sequence[Item], cases: Mapping[str, Case]
) -> Estimate:
    """By PPI++ (`moat.evals.statistics.judges.ppi_mean`). The labelled answers have to be a random sample of the run.

    Raises `InputError` for labels of a stratified sample, or when fewer than two answers have a label, or have none.
    """
    if len({item.weight for item in labelled}) > 1:
        raise InputError(
            "the labels are of a stratified sample, which over-represents some answers",
            where=run,
            remedy="Label a random one: `moat judge export` without `--stratified`.",
        )
    known = {(item.case, item.answer): item.value for item in labelled}
    both: list[tuple[float, float, str]] = []
    others: list[tuple[float, str]] = []
    for result in results:
        value = next((each.value for each in result.scores if each.name == score), None)
        if value is None:
            continue
        cluster = _cluster(result.case, cases)
        label = known.get((result.case, response_of(Answered(result.output, tool_calls=result.tool_calls))))
        if label is None:
            others.append((value, cluster))
        else:
            both.append((label, value, cluster))
    if min(len({pair[2] for pair in both}), len({other[1] for other in others})) < 2:
        raise InputError(
            f"{len(both)} answers have a label and {len(others)} only the judge's {score!r}: both need two cases",
            where=run,
            remedy="Label a sample of the run: `moat judge export`.",
        )
    labels, judged, clusters = (list(column) for column in zip(*both, strict=True))
    rest, rest_clusters = (list(column) for column in zip(*others, strict=True))
    found = ppi_mean(labels, judged, rest, clusters=clusters, other_clusters=rest_clusters)
    scores = [*judged, *rest]
    return Estimate(
        run=run,
        score=score,
        mean=min(1.0, max(0.0, found.mean)),
        low=min(1.0, max(0.0, found.low)),
        high=max(0.0, min(1.0, found.high)),
        judge=sum(scores) / len(scores),
        labelled=len(both),
        judged=len(others),
        weight=found.weight,
        gain=found.gain,
    )


def _cluster(case: str, cases: Mapping[str, Case]) -> str:
    """Answers to one case belong together, and cases of one cluster."""
    found = cases.get(case)
    return f"cluster {found.cluster}" if found is not None and found.cluster else f"case {case}"
