"""The one model of a report: what a run found, against what, and case by case."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from moat.domain.scores import Case, Result, Run, Verdict
from moat.evals.compare import DIGITS, Difference, Failure, Measured, ScoreComparison, Summary
from moat.evals.datasets import Dataset
from moat.evals.gate import GateReport, GateResult
from moat.evals.reports.slicing import Slice, measure_slices

Change = Literal["worse", "better", "mixed", "same", "new"]
"""How a case fared against the baseline; `new` where there is none to compare with."""

Means = dict[str, dict[str, float]]
"""By score and case: the mean over the repeats that have a value."""

ORDER: tuple[Change, ...] = ("worse", "mixed", "better", "new", "same")


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be known about a score before its numbers are believed."""

    text: str
    """`uncalibrated judge`, `judge calibrated on 120 answers, kappa 0.81`, ..."""
    trusted: bool = False
    mean: float | None = None
    """Corrected for what the judge gets wrong, with its 95 % interval; None where that is not known."""
    low: float | None = None
    high: float | None = None


class ScoreLine(msgspec.Struct, frozen=True, kw_only=True):
    """One score over all cases."""

    name: str
    gated: bool
    candidate: Summary
    baseline: Summary | None = None
    difference: Difference | None = None
    detectable: float | None = None
    """The true difference that so many cases would find with 80 % power."""
    worse: int = 0
    better: int = 0
    mark: Mark | None = None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What one run took."""

    answers: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost: int
    """Picodollars of the answers whose price is known."""
    unpriced: int
    """Answers without a known price."""
    scoring_cost: int
    """Picodollars that scoring cost (judges)."""
    latency_ns: tuple[int, ...]
    """Of answers, sorted: 0, 5, 25, 50, 75, 95, 99, 100 % quantiles; empty without answers."""


QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


class CaseReport(msgspec.Struct, frozen=True, kw_only=True):
    """One case, answered by the candidate and, where there is one, the baseline."""

    case: Case
    change: Change
    scores: dict[str, tuple[float | None, float | None]]
    """Candidate's and baseline's mean over repeats, by score; None where there is no value."""
    candidate: tuple[Result, ...]
    """By repeat."""
    baseline: tuple[Result, ...] = ()

    @property
    def failed(self) -> bool:
        """Has the candidate no answer, or no score, for some repeat?"""
        return any(r.error or any(s.status == "error" for s in r.scores) for r in self.candidate)

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


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a run."""

    run: Run
    baseline: Run | None = None
    verdict: Verdict | None = None
    """None when the suite has no gates."""
    summary: str = ""
    gates: tuple[GateResult, ...] = ()
    scores: tuple[ScoreLine, ...] = ()
    slices: tuple[Slice, ...] = ()
    totals: Totals
    baseline_totals: Totals | None = None
    failures: tuple[Failure, ...] = ()
    cases: tuple[CaseReport, ...] = ()
    """What got worse first, the largest loss first; then what failed, what got better, the rest by its score."""

    @property
    def title(self) -> str:
        """What was evaluated, in a few words."""
        return f"{self.run.suite}: {subject(self.run)}"

    @property
    def simulated(self) -> bool:
        """Did a simulated provider answer, at least in part?"""
        return "simulated" in self.run.provider


def subject(run: Run) -> str:
    """What answered in a run: `support/answer@1.1.0`, or the target's own name."""
    return run.target or (f"{run.prompt}@{run.version}" if run.version else run.prompt or run.model)


def build_report(
    found: GateReport,
    candidate: Measured,
    dataset: Dataset,
    *,
    baseline: Measured | None = None,
    slice_by: Sequence[str] = (),
    marks: Mapping[str, Mark] | None = None,
) -> RunReport:
    """Bring together what a run's gates found and the answers they were about.

    `slice_by`: paths that `moat.evals.slices` knows; `marks` by name of score. Raises `ConfigError` for a path that
    leads nowhere.
    """
    comparison = found.comparison
    gated = {result.gate.score for result in found.gates}
    new = means(candidate.results)
    old = means(baseline.results) if baseline else None
    return RunReport(
        run=comparison.candidate,
        baseline=comparison.baseline,
        verdict=found.verdict if found.gates else None,
        summary=found.summary,
        gates=found.gates,
        scores=tuple(
            _line(score, gated, marks or {}, _moves(new.get(score.name, {}), (old or {}).get(score.name, {})))
            for score in comparison.scores
        ),
        slices=measure_slices(dataset.cases, slice_by, new, old),
        totals=totals(candidate.results),
        baseline_totals=totals(baseline.results) if baseline else None,
        failures=comparison.candidate_failures,
        cases=_cases(dataset, (candidate, baseline), new, old),
    )


def means(results: Iterable[Result]) -> Means:
    """Each case's scores, averaged over its repeats."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        for score in result.scores:
            if score.value is not None:
                values[score.name][result.case].append(score.value)
    return {
        name: {case: round(sum(some) / len(some), DIGITS) for case, some in by_case.items()}
        for name, by_case in values.items()
    }


def totals(results: Iterable[Result]) -> Totals:
    """Add up what answers took."""
    results = list(results)
    answered = [result for result in results if not result.error]
    latencies = sorted(result.latency_ns for result in answered)
    last = len(latencies) - 1
    return Totals(
        answers=len(results),
        errors=len(results) - len(answered),
        input_tokens=sum(result.input_tokens for result in results),
        output_tokens=sum(result.output_tokens for result in results),
        cost=sum(result.cost or 0 for result in results),
        unpriced=sum(result.cost is None for result in answered),
        scoring_cost=sum(score.cost for result in results for score in result.scores),
        latency_ns=tuple(latencies[round(last * share)] for share in QUANTILES) if latencies else (),
    )


def _moves(new: Mapping[str, float], old: Mapping[str, float]) -> list[float]:
    return [new[case] - before for case, before in old.items() if case in new and new[case] != before]


def _line(score: ScoreComparison, gated: set[str], marks: Mapping[str, Mark], moves: Sequence[float]) -> ScoreLine:
    return ScoreLine(
        name=score.name,
        gated=score.name in gated,
        candidate=score.candidate,
        baseline=score.baseline,
        difference=score.difference,
        detectable=score.detectable,
        worse=sum(move < 0 for move in moves),
        better=sum(move > 0 for move in moves),
        mark=marks.get(score.name),
    )


def _cases(
    dataset: Dataset, sides: tuple[Measured, Measured | None], new: Means, old: Means | None
) -> tuple[CaseReport, ...]:
    after, before = (_by_case(side.results) if side else {} for side in sides)
    names = list(dict.fromkeys(score.name for results in after.values() for r in results for score in r.scores))
    cases = []
    for case in dataset.cases:
        if case.id not in after:
            continue
        scores = {name: (new.get(name, {}).get(case.id), (old or {}).get(name, {}).get(case.id)) for name in names}
        cases.append(
            CaseReport(
                case=case,
                change=_change(scores) if old is not None else "new",
                scores={name: pair for name, pair in scores.items() if pair != (None, None)},
                candidate=tuple(after[case.id]),
                baseline=tuple(before.get(case.id, ())),
            )
        )
    cases.sort(key=lambda one: (ORDER.index(one.change), -one.loss, not one.failed, one.lowest))
    return tuple(cases)


def _change(scores: Mapping[str, tuple[float | None, float | None]]) -> Change:
    moved = {new > old for new, old in scores.values() if new is not None and old is not None and new != old}
    if len(moved) == 2:
        return "mixed"
    return "same" if not moved else "better" if True in moved else "worse"


def _by_case(results: Iterable[Result]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        found[result.case].append(result)
    return found
