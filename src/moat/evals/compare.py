"""Two runs, case by case."""

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Literal

import msgspec

from moat.domain.errors import ConflictError
from moat.domain.scores import Case, Result, Run
from moat.evals.case_changes import CaseChange, GoldenLoss, case_changes
from moat.evals.case_scores import DIGITS, CaseScore, Table, tabulate
from moat.evals.datasets import Dataset
from moat.evals.slices import belongs
from moat.evals.statistics.intervals import difference_interval, mean_interval, wilson
from moat.evals.statistics.power import detectable
from moat.evals.statistics.repeats import components, flake_rate
from moat.evals.statistics.significance import mcnemar, sign_flip

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

Bound = Literal["seen", "worst", "best"]
"""How answers that are missing count: not at all, or as the candidate's worst or best case."""


class Measured(msgspec.Struct, frozen=True):
    """A run with its results, which are gone through more than once."""

    run: Run
    results: Iterable[Result]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One score of one run, over cases."""

    n: int
    """Cases with a value."""
    missing: int
    """Cases without one because an answer or its scoring failed, in whole or in part."""
    not_applicable: int
    """Cases that say nothing for this score."""
    mean: float | None = None
    low: float = 0.0
    high: float = 1.0
    """95 % interval of the mean: Wilson for independent passes and fails, else t over cases or clusters."""
    error: float = math.inf
    """Standard error."""
    clusters: int = 0
    least: float = 0.0
    most: float = 1.0
    """The mean if everything missing had been 0, or 1."""
    passes: int | None = None
    """How many cases passed, when each is one independent 0 or 1."""
    flake_rate: float | None = None
    """Share of repeated cases whose repeats disagree."""
    repeats: int = 1
    """Most answers to one case."""
    noise: float | None = None
    """Share of the variance of cases' scores that comes from answers to one case, which more repeats would reduce; None
    without repeats."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Candidate minus baseline of one score over paired cases; negative is a loss."""

    n: int
    mean: float
    low: float
    high: float
    """95 % interval (`statistics.intervals.difference_interval`)."""
    error: float
    clusters: int
    p: float
    """Two-sided."""
    p_worse: float
    """One-sided, for the candidate being worse."""
    method: str
    repeats: int = 1
    noise: float | None = None
    """As in `Summary`, of the differences."""


class Failure(msgspec.Struct, frozen=True):
    """A case and repeat without an answer."""

    case: str
    repeat: int
    error: str


class ScoreComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One score of both runs."""

    name: str
    candidate: Summary
    baseline: Summary | None = None
    difference: Difference | None = None
    """None without a baseline or without pairs."""
    worst: Difference | None = None
    best: Difference | None = None
    """The difference if all missing values were the candidate's worst, or best; equal to it when none is."""
    incomplete: int = 0
    """Pairs with something missing on a side or on both."""
    detectable: float | None = None
    """The true difference this many cases would find with 80 % power."""
    worse: int = 0
    better: int = 0
    """How many cases changed."""
    regressed: tuple[CaseChange, ...] = ()
    """At most `case_changes.MAX_CHANGES`, largest loss first. None of a slice: the whole shows them."""
    improved: tuple[CaseChange, ...] = ()
    golden: tuple[GoldenLoss, ...] = ()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a candidate, against a baseline or alone."""

    candidate: Run
    baseline: Run | None = None
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


class _Sides(msgspec.Struct, frozen=True):
    """Both runs' scores by case."""

    new: Table
    old: Table | None


def compare(
    baseline: Measured | None,
    candidate: Measured,
    dataset: Dataset,
    slices: Iterable[str] = (),
    *,
    identical: bool | None = None,
) -> Comparison:
    """Pair two runs by case. Without a baseline the candidate is summarised alone.

    `slices`: names that `moat.evals.slices` knows, to be compared by themselves. `identical`: whether the same thing
    answered in both; None: as the runs' own facts say. Memory holds the scores, and the texts of the cases that are
    shown. Raises `ConflictError` when a run is not finished, or when the runs were made with other scorers, repeats or
    data: such scores do not compare.
    """
    _check_comparable(baseline, candidate, dataset)
    sides = _Sides(
        tabulate(candidate.results, candidate.run.repeats),
        tabulate(baseline.results, baseline.run.repeats) if baseline else None,
    )
    scores = [_score(name, sides, dataset.cases) for name in sides.new]
    shown = case_changes(
        dataset.cases, (sides.old, sides.new), (baseline.results if baseline else (), candidate.results)
    )
    parts = {where: [case for case in dataset.cases if belongs(case, where)] for where in dict.fromkeys(slices)}
    return Comparison(
        candidate=candidate.run,
        baseline=baseline.run if baseline else None,
        identical=_identical(baseline, candidate) if identical is None else identical,
        scores=tuple(
            msgspec.structs.replace(score, **shown[score.name]._asdict()) if score.name in shown else score
            for score in scores
        ),
        slices={where: tuple(_score(name, sides, cases) for name in sides.new) for where, cases in parts.items()},
        candidate_failures=_failures(candidate),
        baseline_failures=_failures(baseline) if baseline else (),
    )


def _identical(baseline: Measured | None, candidate: Measured) -> bool:
    if baseline is None:
        return False
    one, other = ((run.prompt_digest, run.model, run.deployments, run.target) for run in (baseline.run, candidate.run))
    return one == other


def _check_comparable(baseline: Measured | None, candidate: Measured, dataset: Dataset) -> None:
    remedy = "Run the suite again on both versions."
    for run in (baseline.run, candidate.run) if baseline else (candidate.run,):
        if run.status != "finished":
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


def _score(name: str, sides: _Sides, cases: Sequence[Case]) -> ScoreComparison:
    new = sides.new[name]
    candidate = _summary(new, cases)
    if sides.old is None:
        return ScoreComparison(name=name, candidate=candidate)
    old = sides.old.get(name, {})
    paired = [case for case in cases if case.id in old and case.id in new]
    seen = _difference(paired, old, new, "seen")
    incomplete = sum(not (old[c.id].complete and new[c.id].complete) for c in paired)
    moves = [move for case in paired if (move := _move(old[case.id], new[case.id]))]
    return ScoreComparison(
        name=name,
        candidate=candidate,
        baseline=_summary(old, cases),
        difference=seen,
        worst=_difference(paired, old, new, "worst") if incomplete else seen,
        best=_difference(paired, old, new, "best") if incomplete else seen,
        incomplete=incomplete,
        detectable=detectable(seen.error * math.sqrt(seen.n), seen.n) if seen else None,
        worse=sum(move < 0 for move in moves),
        better=sum(move > 0 for move in moves),
    )


def _move(was: CaseScore, now: CaseScore) -> float:
    return now.seen - was.seen if now.seen is not None and was.seen is not None else 0.0


def _clusters(cases: Sequence[Case]) -> list[tuple[str, str]] | None:
    """Cluster of each case, a case without one being its own; None when no case has one."""
    if not any(case.cluster for case in cases):
        return None
    return [("cluster", case.cluster) if case.cluster else ("case", case.id) for case in cases]


def _summary(scores: dict[str, CaseScore], cases: Sequence[Case]) -> Summary:
    concerned = [case for case in cases if case.id in scores]
    found = [scores[case.id] for case in concerned]
    seen = [(case, score.seen) for case, score in zip(concerned, found, strict=True) if score.seen is not None]
    counts = {
        "n": len(seen),
        "missing": sum(not score.complete for score in found),
        "not_applicable": len(cases) - len(found),
    }
    if not seen:
        return Summary(**counts)
    values = [value for _, value in seen]
    clusters = _clusters([case for case, _ in seen])
    estimate = mean_interval(values, clusters)
    single = all(len(score.values) == 1 and score.complete for score in found if score.seen is not None)
    passes = round(sum(values)) if clusters is None and single and set(values) <= {0.0, 1.0} else None
    low, high = wilson(passes, len(values)) if passes is not None else (estimate.low, estimate.high)
    repeats = [score.values for score in found]
    return Summary(
        **counts,
        mean=estimate.mean,
        low=max(0.0, low),
        high=min(1.0, high),
        error=estimate.error,
        clusters=estimate.clusters,
        least=sum(score.low for score in found) / len(found),
        most=sum(score.high for score in found) / len(found),
        passes=passes,
        flake_rate=flake_rate(repeats),
        repeats=max(map(len, repeats)),
        noise=_noise(repeats),
    )


def _noise(cases: Sequence[Sequence[float]]) -> float | None:
    """Share of the variance of the means of cases that more repeats would reduce."""
    repeats = max(map(len, cases), default=0)
    found = components(cases) if repeats > 1 else None
    if found is None:
        return None
    within = found.within / repeats
    return within / (found.between + within) if within else 0.0


def _difference(
    paired: Sequence[Case], old: dict[str, CaseScore], new: dict[str, CaseScore], bound: Bound
) -> Difference | None:
    cases: list[Case] = []
    values: list[float] = []
    for case in paired:
        before, after = old[case.id], new[case.id]
        if bound == "seen":
            if before.seen is None or after.seen is None:
                continue
            values.append(after.seen - before.seen)
        else:
            values.append(after.low - before.high if bound == "worst" else after.high - before.low)
        cases.append(case)
    if not values:
        return None
    clusters = _clusters(cases)
    estimate = difference_interval(values, clusters)
    if clusters is None and set(values) <= {-1.0, 0.0, 1.0}:
        method, p = "exact McNemar test", mcnemar(values.count(-1.0), values.count(1.0))
    else:
        method = "sign-flip permutation test" + (" by cluster" if clusters else "")
        p = sign_flip(values, clusters)
    pairs = [[b - a for a, b in zip(old[c.id].values, new[c.id].values, strict=False)] for c in cases]
    return Difference(
        n=len(values),
        mean=estimate.mean,
        low=max(-1.0, estimate.low),
        high=min(1.0, estimate.high),
        error=estimate.error,
        clusters=estimate.clusters,
        p=p.two_sided,
        p_worse=p.worse,
        method=method,
        repeats=max(map(len, pairs)),
        noise=_noise(pairs),
    )


def _failures(measured: Measured) -> tuple[Failure, ...]:
    found = (Failure(r.case, r.repeat, r.error) for r in measured.results if r.error)
    return tuple(islice(found, MAX_FAILURES))
