"""Two runs, case by case."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from moat.domain.errors import ConflictError
from moat.domain.scores import Case, Result, Run, Score
from moat.evals.datasets import Dataset
from moat.evals.statistics.intervals import Estimate, difference_interval, mean_interval, wilson
from moat.evals.statistics.power import detectable
from moat.evals.statistics.repeats import flake_rate
from moat.evals.statistics.significance import mcnemar, sign_flip

DIGITS = 9
"""Decimals of a case's score."""

Bound = Literal["seen", "worst", "best"]
"""How answers that are missing count: not at all, or as the candidate's worst or best case."""


class Measured(msgspec.Struct, frozen=True):
    """A run with its results."""

    run: Run
    results: list[Result]


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


class CaseChange(msgspec.Struct, frozen=True, kw_only=True):
    """A case whose score changed."""

    case: str
    score: str
    input: dict[str, Any]
    """The prompt's variables, and further messages when the case has some."""
    baseline: float
    candidate: float
    baseline_output: str
    candidate_output: str
    baseline_reason: str
    candidate_reason: str


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
    regressed: tuple[CaseChange, ...] = ()
    """Largest loss first."""
    improved: tuple[CaseChange, ...] = ()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a candidate, against a baseline or alone."""

    candidate: Run
    baseline: Run | None = None
    identical: bool = False
    """Both runs are of the same prompt content, model, suite and data: there is nothing to compare."""
    scores: tuple[ScoreComparison, ...]
    candidate_failures: tuple[Failure, ...] = ()
    baseline_failures: tuple[Failure, ...] = ()


class _CaseScore(NamedTuple):
    """A case's score: mean over repeats with a value, and what the missing ones leave possible.

    Rounded: the order of repeats is no difference.
    """

    low: float
    seen: float | None
    high: float
    values: tuple[float, ...]

    @property
    def complete(self) -> bool:
        """Is nothing missing?"""
        return self.low == self.high


Table = dict[str, dict[str, _CaseScore]]


def compare(baseline: Measured | None, candidate: Measured, dataset: Dataset) -> Comparison:
    """Pair two runs by case. Without a baseline the candidate is summarised alone.

    Raises `ConflictError` when a run is not finished, or when the runs were made with other scorers, repeats or
    data: such scores do not compare.
    """
    _check_comparable(baseline, candidate, dataset)
    names = list(dict.fromkeys(score.name for result in candidate.results for score in result.scores))
    new = _table(candidate)
    old = _table(baseline) if baseline else None
    base_run = baseline.run if baseline else None
    return Comparison(
        candidate=candidate.run,
        baseline=base_run,
        identical=base_run is not None
        and (base_run.prompt_digest, base_run.model) == (candidate.run.prompt_digest, candidate.run.model),
        scores=tuple(
            _score(name, old[name] if old is not None else None, new[name], dataset, (baseline, candidate))
            for name in names
        ),
        candidate_failures=_failures(candidate),
        baseline_failures=_failures(baseline) if baseline else (),
    )


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


def _table(measured: Measured) -> Table:
    """By score and case. A case that says nothing for a score is absent."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    silent: dict[str, set[str]] = defaultdict(set)
    cases = dict.fromkeys(result.case for result in measured.results)
    for result in measured.results:
        for score in result.scores:
            mine = values[score.name][result.case]
            if score.value is not None:
                mine.append(score.value)
            elif score.status == "not_run" and not result.error:
                silent[score.name].add(result.case)
    table: Table = defaultdict(dict)
    for name, by_case in values.items():
        for case in cases:
            if case in silent[name] and not by_case[case]:
                continue
            table[name][case] = _case_score(by_case[case], measured.run.repeats)
    return table


def _case_score(values: Sequence[float], repeats: int) -> _CaseScore:
    missing, total = max(0, repeats - len(values)), sum(values)
    count = max(repeats, len(values))
    seen = round(total / len(values), DIGITS) if values else None
    return _CaseScore(round(total / count, DIGITS), seen, round((total + missing) / count, DIGITS), tuple(values))


def _score(
    name: str,
    old: dict[str, _CaseScore] | None,
    new: dict[str, _CaseScore],
    dataset: Dataset,
    sides: tuple[Measured | None, Measured],
) -> ScoreComparison:
    candidate = _summary(new, dataset)
    if old is None or sides[0] is None:
        return ScoreComparison(name=name, candidate=candidate)
    paired = [case for case in dataset.cases if case.id in old and case.id in new]
    seen = _difference(paired, old, new, "seen")
    incomplete = sum(not (old[c.id].complete and new[c.id].complete) for c in paired)
    worse, better = _changes(name, paired, (old, new), (sides[0], sides[1]))
    return ScoreComparison(
        name=name,
        candidate=candidate,
        baseline=_summary(old, dataset),
        difference=seen,
        worst=_difference(paired, old, new, "worst") if incomplete else seen,
        best=_difference(paired, old, new, "best") if incomplete else seen,
        incomplete=incomplete,
        detectable=detectable(seen.error * math.sqrt(seen.n), seen.n) if seen else None,
        regressed=worse,
        improved=better,
    )


def _clusters(cases: Sequence[Case]) -> list[tuple[str, str]] | None:
    """Cluster of each case, a case without one being its own; None when no case has one."""
    if not any(case.cluster for case in cases):
        return None
    return [("cluster", case.cluster) if case.cluster else ("case", case.id) for case in cases]


def _summary(scores: dict[str, _CaseScore], dataset: Dataset) -> Summary:
    cases = [case for case in dataset.cases if case.id in scores and scores[case.id].seen is not None]
    values = [seen for case in cases if (seen := scores[case.id].seen) is not None]
    counts = {
        "n": len(values),
        "missing": sum(not score.complete for score in scores.values()),
        "not_applicable": len(dataset.cases) - len(scores),
    }
    if not values:
        return Summary(**counts)
    clusters = _clusters(cases)
    estimate = mean_interval(values, clusters)
    single = all(len(scores[case.id].values) == 1 and scores[case.id].complete for case in cases)
    passes = round(sum(values)) if clusters is None and single and set(values) <= {0.0, 1.0} else None
    low, high = wilson(passes, len(values)) if passes is not None else (estimate.low, estimate.high)
    return Summary(
        **counts,
        mean=estimate.mean,
        low=max(0.0, low),
        high=min(1.0, high),
        error=estimate.error,
        clusters=estimate.clusters,
        least=sum(score.low for score in scores.values()) / len(scores),
        most=sum(score.high for score in scores.values()) / len(scores),
        passes=passes,
        flake_rate=flake_rate([scores[case.id].values for case in cases]),
    )


def _difference(
    paired: Sequence[Case], old: dict[str, _CaseScore], new: dict[str, _CaseScore], bound: Bound
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
    estimate: Estimate = difference_interval(values, clusters)
    if clusters is None and set(values) <= {-1.0, 0.0, 1.0}:
        method, p = "exact McNemar test", mcnemar(values.count(-1.0), values.count(1.0))
    else:
        method = "sign-flip permutation test" + (" by cluster" if clusters else "")
        p = sign_flip(values, clusters)
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
    )


def _changes(
    name: str,
    paired: Sequence[Case],
    tables: tuple[dict[str, _CaseScore], dict[str, _CaseScore]],
    sides: tuple[Measured, Measured],
) -> tuple[tuple[CaseChange, ...], tuple[CaseChange, ...]]:
    old, new = tables
    before, after = _by_case(sides[0]), _by_case(sides[1])
    changes = []
    for case in paired:
        was, now = old[case.id].seen, new[case.id].seen
        if was is None or now is None or was == now:
            continue
        # Of repeats, show where the side that is worse did worst and the better one best.
        old_result, old_score = _extreme(before[case.id], name, lowest=was < now)
        new_result, new_score = _extreme(after[case.id], name, lowest=now < was)
        changes.append(
            CaseChange(
                case=case.id,
                score=name,
                input={**case.variables, **({"messages": case.messages} if case.messages else {})},
                baseline=was,
                candidate=now,
                baseline_output=old_result.output,
                candidate_output=new_result.output,
                baseline_reason=old_score.reason,
                candidate_reason=new_score.reason,
            )
        )
    changes.sort(key=lambda change: change.candidate - change.baseline)
    losses = tuple(change for change in changes if change.candidate < change.baseline)
    return losses, tuple(change for change in reversed(changes) if change.candidate > change.baseline)


def _by_case(measured: Measured) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = defaultdict(list)
    for result in measured.results:
        found[result.case].append(result)
    return found


def _extreme(results: Sequence[Result], name: str, *, lowest: bool) -> tuple[Result, Score]:
    scored = [(r, s) for r in results for s in r.scores if s.name == name and s.value is not None]
    return (min if lowest else max)(scored, key=lambda pair: pair[1].value or 0.0)


def _failures(measured: Measured) -> tuple[Failure, ...]:
    return tuple(Failure(r.case, r.repeat, r.error) for r in measured.results if r.error)
