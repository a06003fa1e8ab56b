"""The one model of a report: what a run found, against what, and case by case."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from moat.domain.scores import Result, Run, Verdict
from moat.evals.compare import DIGITS, Difference, Failure, Measured, ScoreComparison, Summary
from moat.evals.datasets import Dataset
from moat.evals.gate import GateReport, GateResult
from moat.evals.reports.cases import Cases, Means, gathered
from moat.evals.reports.slicing import Slice, measure_slices
from moat.evals.running.flips import phases_of
from moat.evals.running.stored import scored
from moat.evals.scorers.bleu import corpus_scores
from moat.evals.scorers.scorer import Scorer
from moat.evals.statistics.allocation import Phases


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
    corpus: float | None = None
    """Of BLEU and chrF over all answers at once, which is not their mean over cases; None of other scores."""
    baseline_corpus: float | None = None


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
    cases: Cases
    """What got worse first, the largest loss first; then what failed, what got better, the rest by its score."""

    @property
    def title(self) -> str:
        """What was evaluated, in a few words."""
        return f"{self.run.suite}: {subject(self.run)}"

    @property
    def simulated(self) -> bool:
        """Did a simulated provider answer, at least in part?"""
        return self.run.simulated


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
    scorers: Sequence[Scorer] = (),
) -> RunReport:
    """Bring together what a run's gates found and the answers they were about.

    `slice_by`: paths that `moat.evals.slices` knows; `marks` by name of score. `scorers`: the suite's,
    some of which have a number of all answers at once. Raises `ConfigError` for a path that leads nowhere.
    """
    comparison = found.comparison
    gated = {result.gate.score for result in found.gates}
    new = means(scored(candidate.results), phases_of(candidate.run))
    old = means(scored(baseline.results), phases_of(baseline.run)) if baseline else None
    corpora = [corpus_scores(scorers, scored(side.results)) if side else {} for side in (candidate, baseline)]
    return RunReport(
        run=comparison.candidate,
        baseline=comparison.baseline,
        verdict=found.verdict if found.gates else None,
        summary=found.summary,
        gates=found.gates,
        scores=tuple(
            _line(score, gated, marks or {}, _moves(new.get(score.name, {}), (old or {}).get(score.name, {})), corpora)
            for score in comparison.scores
        ),
        slices=measure_slices(dataset.cases, slice_by, new, old),
        totals=totals(scored(candidate.results)),
        baseline_totals=totals(scored(baseline.results)) if baseline else None,
        failures=comparison.candidate_failures,
        cases=gathered(dataset, (candidate, baseline), new, old),
    )


def means(results: Iterable[Result], phases: Phases | None = None) -> Means:
    """Each case's scores, averaged over its repeats, or what they come to where repeats adapt."""
    values: dict[str, dict[str, tuple[list[float], list[float]]]] = defaultdict(lambda: defaultdict(lambda: ([], [])))
    for result in results:
        later = phases is not None and result.repeat >= phases.least
        for score in result.scores:
            if score.value is not None:
                values[score.name][result.case][later].append(score.value)
    return {
        name: {case: round(_mean(before, after, phases), DIGITS) for case, (before, after) in by_case.items()}
        for name, by_case in values.items()
    }


def _mean(before: Sequence[float], after: Sequence[float], phases: Phases | None) -> float:
    found = phases.score(before, after) if phases is not None else sum(before) / len(before)
    assert found is not None, "a case that is there has a value"
    return found


def totals(results: Iterable[Result]) -> Totals:
    """Add up what answers took."""
    found: Counter[str] = Counter()
    latencies = array("q")
    for result in results:
        found["answers"] += 1
        found["input_tokens"] += result.input_tokens
        found["output_tokens"] += result.output_tokens
        found["cost"] += result.cost or 0
        found["scoring_cost"] += sum(score.cost for score in result.scores)
        if result.error:
            found["errors"] += 1
        else:
            found["unpriced"] += result.cost is None
            latencies.append(result.latency_ns)
    ordered, last = sorted(latencies), len(latencies) - 1
    names = ("answers", "errors", "input_tokens", "output_tokens", "cost", "unpriced", "scoring_cost")
    return Totals(
        **{name: found[name] for name in names},
        latency_ns=tuple(ordered[round(last * share)] for share in QUANTILES) if ordered else (),
    )


def _moves(new: Mapping[str, float], old: Mapping[str, float]) -> list[float]:
    return [new[case] - before for case, before in old.items() if case in new and new[case] != before]


def _line(
    score: ScoreComparison,
    gated: set[str],
    marks: Mapping[str, Mark],
    moves: Sequence[float],
    corpora: Sequence[Mapping[str, float]],
) -> ScoreLine:
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
        corpus=corpora[0].get(score.name),
        baseline_corpus=corpora[1].get(score.name),
    )
