"""Two runs, case by case."""

from collections.abc import Iterable, Iterator

import msgspec

from moat.domain.errors import ConflictError
from moat.domain.scores import Result, Run, RunStatus
from moat.evals.case_changes import CaseChange, GoldenLoss, case_changes
from moat.evals.case_scores import DIGITS, Table, paired, tabulate
from moat.evals.datasets import Dataset
from moat.evals.early import Early, Stopping, follow, random_units, whole_cases
from moat.evals.running.flips import phases_of
from moat.evals.running.stored import scored
from moat.evals.score_comparison import Difference, ScoreComparison, Summary, compare_score, paired_scores
from moat.evals.slices import belongs

__all__ = [
    "DIGITS",
    "CaseChange",
    "Comparison",
    "Difference",
    "Failure",
    "GoldenLoss",
    "Measured",
    "ScoreComparison",
    "Summary",
    "compare",
]

MAX_FAILURES = 200
"""Cases without an answer that are kept with their errors."""


class Measured(msgspec.Struct, frozen=True):
    """A run with its results, which are gone through more than once."""

    run: Run
    results: Iterable[Result]


class Failure(msgspec.Struct, frozen=True):
    """A case and repeat without an answer."""

    case: str
    repeat: int
    error: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a candidate, against a baseline or alone."""

    candidate: Run
    baseline: Run | None = None
    early: Early | None = None
    """Of one that ends when it is decided; then scores are those of the cases asked of both, and what is said of
    chance beside them does not allow for the stop."""
    identical: bool = False
    """Both runs are of the same prompt content, model, suite and data: there is nothing to compare."""
    scores: tuple[ScoreComparison, ...]
    slices: dict[str, tuple[ScoreComparison, ...]] = {}
    """The same scores over the cases of each slice that was asked for."""
    candidate_failures: tuple[Failure, ...] = ()
    baseline_failures: tuple[Failure, ...] = ()
    """At most `MAX_FAILURES`."""

    def score(self, name: str, where: str = "") -> ScoreComparison | None:
        """One score over all cases, or over a slice; None when nobody gave it."""
        scores = self.slices.get(where, ()) if where else self.scores
        return next((score for score in scores if score.name == name), None)


def compare(
    baseline: Measured | None,
    candidate: Measured,
    dataset: Dataset,
    slices: Iterable[str] = (),
    *,
    stopping: Stopping | None = None,
) -> Comparison:
    """Pair two runs by case. Without a baseline the candidate is summarised alone.

    `slices`: names that `moat.evals.slices` knows, to be compared by themselves. `stopping`: with a baseline, the
    gates' margins are tested as far as both runs have come, and runs that were stopped are taken. Memory holds the
    scores, and the texts of the cases that are shown. Raises `ConflictError` when a run is not finished, or when the
    runs were made with other scorers, repeats or data: such scores do not compare.
    """
    stopping = stopping if baseline else None
    _check_comparable(baseline, candidate, dataset, ("finished", "stopped") if stopping else ("finished",))
    lost: tuple[list[Failure], list[Failure]] = [], []
    old = _table(baseline, lost[0]) if baseline else None
    new = _table(candidate, lost[1])
    if old is not None:
        old, new = paired(old, new)
    cases, early = dataset.cases, None
    if stopping is not None and baseline is not None and old is not None:
        asked = whole_cases(scored(candidate.results), candidate.run) & whole_cases(
            scored(baseline.results), baseline.run
        )
        units = random_units(dataset, candidate.run.id)
        early = follow(stopping, units, old, new, asked)
        cases = tuple(case for case in cases if case.id in asked)
    shown = case_changes(cases, (old, new), (baseline.results if baseline else (), candidate.results))
    whole = paired_scores(old, new, cases, adaptive=bool(candidate.run.least))
    parts = {where: [belongs(case, where) for case in cases] for where in dict.fromkeys(slices)}
    return Comparison(
        candidate=candidate.run,
        baseline=baseline.run if baseline else None,
        early=early,
        identical=_identical(baseline, candidate),
        scores=tuple(msgspec.structs.replace(compare_score(score), **shown[score.name]._asdict()) for score in whole),
        slices={where: tuple(compare_score(score.of(rows)) for score in whole) for where, rows in parts.items()},
        candidate_failures=tuple(lost[1]),
        baseline_failures=tuple(lost[0]),
    )


def _table(side: Measured, failures: list[Failure]) -> Table:
    return tabulate(_noting(scored(side.results), failures), side.run.repeats, phases_of(side.run))


def _noting(results: Iterable[Result], failures: list[Failure]) -> Iterator[Result]:
    """The same results; of those without an answer the first are noted in passing."""
    for result in results:
        if result.error and len(failures) < MAX_FAILURES:
            failures.append(Failure(result.case, result.repeat, result.error))
        yield result


def _identical(baseline: Measured | None, candidate: Measured) -> bool:
    if baseline is None:
        return False
    one, other = ((r.prompt_digest, r.model, r.deployments, r.behind, r.target) for r in (baseline.run, candidate.run))
    return one == other


def _check_comparable(
    baseline: Measured | None, candidate: Measured, dataset: Dataset, statuses: tuple[RunStatus, ...]
) -> None:
    remedy = "Run the suite again on both versions."
    for run in (baseline.run, candidate.run) if baseline else (candidate.run,):
        if run.status not in statuses:
            again = f"moat eval run {run.prompt}@{run.version} --suite {run.suite} --model {run.model}"
            raise ConflictError("the run is not finished", where=run.id, remedy=f"Go on with it: `{again}`.")
    if candidate.run.dataset_digest != dataset.digest:
        raise ConflictError("the dataset changed since the candidate ran", where=candidate.run.id, remedy=remedy)
    if baseline is None:
        return
    if baseline.run.dataset_digest != candidate.run.dataset_digest:
        raise ConflictError("the runs are on different data", where=baseline.run.id, remedy=remedy)
    if baseline.run.suite_digest != candidate.run.suite_digest:
        raise ConflictError("the runs have other scorers or repeats", where=baseline.run.id, remedy=remedy)
