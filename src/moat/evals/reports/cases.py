"""The cases of a report, with their answers: memory holds what they scored, a file what was said."""

import tempfile
import weakref
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, overload

import msgspec

from moat.domain.scores import Case, Result
from moat.evals.compare import Measured
from moat.evals.datasets import Dataset
from moat.evals.running.stored import of, scored

Change = Literal["worse", "better", "mixed", "single", "same", "new"]
"""How a case fared against the baseline; `single` where only one of the two has scores of it, as when an answer failed;
`new` where there is no baseline."""

ORDER: tuple[Change, ...] = ("worse", "mixed", "single", "better", "new", "same")

Means = dict[str, dict[str, float]]
"""By score and case: the mean over the repeats that have a value."""

BATCH = 1000
"""Cases whose answers are brought together at a time."""
IN_MEMORY = 32 * 2**20
"""Bytes of answers that are held in memory before a file takes them."""


_ANSWERS = msgspec.json.Decoder(tuple[tuple[Result, ...], tuple[Result, ...]])


class CaseReport(msgspec.Struct, frozen=True, kw_only=True):
    """One case, answered by the candidate and, where there is one, the baseline."""

    case: Case
    change: Change
    scores: dict[str, tuple[float | None, float | None]]
    """Candidate's and baseline's mean over repeats, by score; None where there is no value."""
    failed: bool = False
    """Has the candidate no answer, or no score, for some repeat?"""
    candidate: tuple[Result, ...] = ()
    """By repeat."""
    baseline: tuple[Result, ...] = ()

    @property
    def lowest(self) -> float:
        """The least of its scores; 0 when it failed, 1 when nothing was scored."""
        values = [new for new, _ in self.scores.values() if new is not None]
        return 0.0 if self.failed else min(values, default=1.0)

    @property
    def loss(self) -> float:
        """The largest loss of any score, negative for a case that only gained."""
        losses = [old - new for new, old in self.scores.values() if new is not None and old is not None]
        return max(losses, default=0.0)


class Cases(Sequence[CaseReport]):
    """All cases of a report. Each is read when it is asked for."""

    def __init__(self, outlines: Sequence[CaseReport], candidate: Measured, baseline: Measured | None) -> None:
        """The answers of both sides are gone through now, and not needed any more."""
        self.outlines = outlines
        """The same cases without their answers, which nothing has to be read for."""
        self._places = array("q")
        self._answers = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  it lives as long as the report
        weakref.finalize(self, self._answers.close)
        for start in range(0, len(outlines), BATCH):
            ids = [one.case.id for one in outlines[start : start + BATCH]]
            wanted = set(ids)
            after = _by_case(of(candidate.results, wanted))
            before = _by_case(of(baseline.results, wanted)) if baseline else {}
            for case in ids:
                self._places.append(self._answers.tell())
                self._answers.write(msgspec.json.encode((after[case], before.get(case, ()))) + b"\n")

    def __len__(self) -> int:
        """How many there are."""
        return len(self.outlines)

    @overload
    def __getitem__(self, index: int) -> CaseReport: ...
    @overload
    def __getitem__(self, index: slice) -> list[CaseReport]: ...
    def __getitem__(self, index: int | slice) -> CaseReport | list[CaseReport]:
        """With the answers."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        outline = self.outlines[index]
        self._answers.seek(self._places[index])
        candidate, baseline = _ANSWERS.decode(self._answers.readline())
        return msgspec.structs.replace(outline, candidate=candidate, baseline=baseline)


def gathered(dataset: Dataset, sides: tuple[Measured, Measured | None], new: Means, old: Means | None) -> Cases:
    """The cases that the candidate, the first of the sides, was asked; what got worse first (see `RunReport.cases`)."""
    return Cases(outlined(dataset, sides[0], new, old), *sides)


def outlined(
    dataset: Dataset, candidate: Measured, new: Means, old: Means | None, *, every: bool = False
) -> list[CaseReport]:
    """The same cases in the same order, without their answers. `every`: those too that only the baseline scored."""
    asked: dict[str, bool] = {}
    names: dict[str, None] = {}
    for result in scored(candidate.results):
        failed = bool(result.error) or any(score.status == "error" for score in result.scores)
        asked[result.case] = asked.get(result.case, False) or failed
        names.update((score.name, None) for score in result.scores)
    if every:
        names.update(dict.fromkeys(old or {}))
        asked |= {case: False for by_case in (old or {}).values() for case in by_case if case not in asked}
    outlines = []
    for case in dataset.cases:
        if case.id in asked:
            pairs = {name: (new.get(name, {}).get(case.id), (old or {}).get(name, {}).get(case.id)) for name in names}
            outlines.append(
                CaseReport(
                    case=case,
                    change=_change(pairs) if old is not None else "new",
                    scores={name: pair for name, pair in pairs.items() if pair != (None, None)},
                    failed=asked[case.id],
                )
            )
    outlines.sort(key=lambda one: (ORDER.index(one.change), -one.loss, not one.failed, one.lowest))
    return outlines


def _change(scores: Mapping[str, tuple[float | None, float | None]]) -> Change:
    moved = {new > old for new, old in scores.values() if new is not None and old is not None and new != old}
    if moved:
        return "mixed" if len(moved) == 2 else "better" if True in moved else "worse"
    candidate, baseline = ([pair[side] is not None for pair in scores.values()] for side in (0, 1))
    return "single" if any(candidate) != any(baseline) else "same"


def _by_case(results: Iterable[Result]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        found[result.case].append(result)
    return found
