"""How many cases, repeats and dollars it takes to see a difference: before anything is asked.

What a comparison can see depends on how much the differences between two versions vary, from case to case and from
answer to answer. Two stored runs show it; one run shows half of it, and the rest is assumed; without any, all of it is
assumed, from a pass rate. The plan says which.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from moat.domain.errors import InputError
from moat.domain.scores import Case, Result, Run
from moat.evals.case_scores import CaseScore, tabulate
from moat.evals.running.flips import phases_of
from moat.evals.statistics.intervals import difference_interval, mean_interval
from moat.evals.statistics.power import (
    ALPHA,
    CORRELATION,
    POWER,
    assumed_deviation,
    cases_needed,
    cases_to_pass,
    detectable,
)
from moat.evals.statistics.repeats import Components, components

PASS_RATE = 0.8
"""Assumed when nothing is known."""
REPEATS = (1, 3, 5)
"""What is shown beside the suite's own repeats."""
FEW_CASES, FEW_CLUSTERS = 30, 20

Known = Literal["two runs", "one run", "stated", "assumed"]
_POINTS = re.compile(r"\s*(\d*\.?\d+)\s*(pts?|points?|pp|%)?\s*", re.IGNORECASE)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What the suite should be able to see."""

    detect: float = 0.02
    """Difference of mean score, 0 to 1."""
    power: float = POWER
    """The chance to see it when it is there."""
    alpha: float = ALPHA
    """The chance, two-sided, to see one that is not."""
    repeats: int | None = None
    """Repeats of each case; None: the suite's own, and some others."""
    pass_rate: float | None = None
    """Taken instead of what stored runs show."""


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One way to see the difference."""

    repeats: int
    cases: int
    answers: int
    """Cases times repeats: one version's run."""
    cost: int | None
    """Picodollars of one version's run, scoring included; None when no price is known."""


class ScorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes for one score."""

    score: str
    known: Known
    basis: str
    """What the numbers rest on, in words."""
    between: float
    """Variance of the differences between cases."""
    within: float | None
    """Variance within cases, both versions' together; None when nobody asked twice: then `between` has it all."""
    cases: int
    """Cases it rests on: those with this score, or all of the suite."""
    sees: float
    """The smallest difference that the suite finds as it is."""
    options: tuple[Option, ...]
    """The suite's own repeats first."""
    margin: float | None = None
    """Of the score's gate."""
    cases_for_margin: int | None = None
    """Cases with which a version that is no worse passes that gate with this power."""


class SuitePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A suite's plan."""

    suite: str
    question: Question
    cases: int
    clusters: int
    """Independent groups of cases."""
    repeats: int
    answer_cost: int | None
    """Picodollars of one answer with its scoring, as stored runs had it."""
    run_cost: int | None
    """Picodollars of one version's run as the suite is."""
    scores: tuple[ScorePlan, ...]
    notes: tuple[str, ...]
    """What to keep in mind when reading the numbers."""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What a suite asks and demands."""

    name: str
    cases: Sequence[Case]
    repeats: int
    scores: Mapping[str, float | None]
    """Names of the scores, each with its gate's margin."""


class Past(NamedTuple):
    """A stored run with its results, which are gone through once."""

    run: Run
    results: Iterable[Result]


def parse_points(text: str) -> float:
    """`2pts`, `2 %` or `0.02`: a difference of mean score. Raises `InputError` unless it is above 0 and below 1."""
    found = _POINTS.fullmatch(text)
    value = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if not 0 < value < 1:
        raise InputError(
            f"{text!r} is no difference of a mean score", where="--detect", remedy="Write 2pts, 2% or 0.02."
        )
    return value


def history(runs: Iterable[Run]) -> tuple[Run, Run | None] | None:
    """Which of a suite's runs, newest first, to learn from: the newest finished one that another version's run can be
    paired with, and that one; else the newest finished one alone.
    """
    finished = [run for run in runs if run.status == "finished"]
    for index, run in enumerate(finished):
        for other in finished[index + 1 :]:
            same = (run.suite_digest, run.dataset_digest) == (other.suite_digest, other.dataset_digest)
            if same and (run.prompt_digest, run.model) != (other.prompt_digest, other.model):
                return run, other
    return (finished[0], None) if finished else None


def plan(demand: Demand, question: Question, newer: Past | None = None, older: Past | None = None) -> SuitePlan:
    """What a suite sees now, and what it takes to see what is asked for.

    `newer` and `older` are two versions' runs of it, `older` None when there is only one.
    """
    price = _Price()
    pasts = [past for past in (newer, older) if past is not None]
    tables = [tabulate(price.watch(past.results), past.run.repeats, phases_of(past.run)) for past in pasts]
    clusters = {case.id: case.cluster or f"\0{case.id}" for case in demand.cases}
    scores = []
    for name, margin in demand.scores.items():
        found = [table[name] for table in tables if table.get(name)]
        scores.append(_score(name, margin, demand, question, _learn(found, clusters, question), price.mean))
    return SuitePlan(
        suite=demand.name,
        question=question,
        cases=len(demand.cases),
        clusters=len(set(clusters.values())),
        repeats=demand.repeats,
        answer_cost=price.mean,
        run_cost=_times(price.mean, len(demand.cases) * demand.repeats),
        scores=tuple(scores),
        notes=tuple(_notes(demand, len(set(clusters.values())), scores)),
    )


class _Price:
    """Mean cost of the results that pass by; None as long as none has a price."""

    def __init__(self) -> None:
        self._sum = self._count = 0

    @property
    def mean(self) -> int | None:
        return round(self._sum / self._count) if self._count else None

    def watch(self, results: Iterable[Result]) -> Iterator[Result]:
        for result in results:
            if result.cost is not None:
                self._sum += result.cost + sum(score.cost for score in result.scores)
                self._count += 1
            yield result


class _Learnt(NamedTuple):
    """What is known of the differences between two versions."""

    known: Known
    basis: str
    between: float
    within: float | None
    cases: int | None = None

    def deviation(self, repeats: int) -> float:
        return math.sqrt(self.between + (self.within or 0.0) / repeats)


def _learn(found: Sequence[Mapping[str, CaseScore]], clusters: Mapping[str, str], question: Question) -> _Learnt:
    if question.pass_rate is not None:
        return _assume("stated", question.pass_rate)
    if len(found) == 2 and (learnt := _of_two(found[0], found[1], clusters)):
        return learnt
    if found and (learnt := _of_one(found[0], clusters)):
        return learnt
    return _assume("assumed", PASS_RATE)


def _assume(known: Known, rate: float) -> _Learnt:
    basis = f"a pass rate of {rate:g}, scores of two versions correlated by {CORRELATION:g}"
    return _Learnt(known, basis, assumed_deviation(rate) ** 2, None)


def _of_two(
    newer: Mapping[str, CaseScore], older: Mapping[str, CaseScore], clusters: Mapping[str, str]
) -> _Learnt | None:
    cases = [case for case in newer if case in older and newer[case].values and older[case].values]
    if len({clusters.get(case, case) for case in cases}) < 2:
        return None
    sides = [[side[case].values for case in cases] for side in (newer, older)]
    means = [[math.fsum(values) / len(values) for values in side] for side in sides]
    differences = [new - old for new, old in zip(*means, strict=True)]
    total = difference_interval(differences, [clusters.get(case, case) for case in cases]).error ** 2 * len(cases)
    differ = sum(difference != 0 for difference in differences)
    basis = f"two versions on {len(cases)} cases, {differ} of them with another score"
    parts = [_split(side, total) for side in sides]
    if parts[0] is None or parts[1] is None:
        return _Learnt("two runs", basis, total, None, len(cases))
    noise = sum(part.within / _mean_size(side) for part, side in zip(parts, sides, strict=True) if part)
    within = parts[0].within + parts[1].within
    return _Learnt("two runs", basis, max(0.0, total - noise), within, len(cases))


def _of_one(scores: Mapping[str, CaseScore], clusters: Mapping[str, str]) -> _Learnt | None:
    cases = [case for case in scores if scores[case].values]
    if len({clusters.get(case, case) for case in cases}) < 2:
        return None
    sides = [scores[case].values for case in cases]
    means = [math.fsum(values) / len(values) for values in sides]
    estimate = mean_interval(means, [clusters.get(case, case) for case in cases])
    basis = f"one version on {len(cases)} cases with a mean of {estimate.mean:.3f}; a second one correlated by "
    basis += f"{CORRELATION:g}"
    total = estimate.error**2 * len(cases)
    if total == 0:  # all alike: as if two cases of four more had not been
        rate = (estimate.mean * len(cases) + 2) / (len(cases) + 4)
        total = rate * (1 - rate)
    part, apart = _split(sides, total), 2 * (1 - CORRELATION)
    if part is None:
        return _Learnt("one run", basis, apart * total, None, len(cases))
    return _Learnt("one run", basis, apart * part.between, 2 * part.within, len(cases))


def _split(sides: Sequence[Sequence[float]], total: float) -> Components | None:
    """The variance within cases, and what of the means' total variance is left between them."""
    found = components(sides)
    return found and Components(max(0.0, total - found.within / _mean_size(sides)), found.within)


def _mean_size(sides: Sequence[Sequence[float]]) -> float:
    """Harmonic: what a variance within cases is divided by on average."""
    return len(sides) / math.fsum(1 / len(values) for values in sides)


def _score(
    name: str, margin: float | None, demand: Demand, question: Question, learnt: _Learnt, price: int | None
) -> ScorePlan:
    alpha, power = question.alpha, question.power

    def option(repeats: int) -> Option:
        needed = cases_needed(learnt.deviation(repeats), question.detect, alpha=alpha, power=power)
        answers = needed * repeats
        return Option(repeats=repeats, cases=needed, answers=answers, cost=_times(price, answers))

    own = question.repeats or demand.repeats
    others = () if question.repeats or learnt.within is None else (count for count in REPEATS if count != own)
    cases = min(learnt.cases or len(demand.cases), len(demand.cases))
    gated = None
    if margin and margin < 1:
        gated = cases_to_pass(learnt.deviation(own), margin, alpha=alpha, power=power)
    return ScorePlan(
        score=name,
        known=learnt.known,
        basis=learnt.basis,
        between=learnt.between,
        within=learnt.within,
        cases=cases,
        sees=min(1.0, detectable(learnt.deviation(demand.repeats), cases, alpha=alpha, power=power)),
        options=tuple(option(count) for count in (own, *others)),
        margin=margin,
        cases_for_margin=gated,
    )


def _notes(demand: Demand, clusters: int, scores: Sequence[ScorePlan]) -> Iterator[str]:
    if len(demand.cases) < FEW_CASES:
        yield f"{len(demand.cases)} cases: with fewer than {FEW_CASES} only large changes can be seen."
    if FEW_CLUSTERS > clusters < len(demand.cases):
        yield f"{clusters} clusters: with fewer than {FEW_CLUSTERS} the numbers are too hopeful."
    if any(score.known == "assumed" for score in scores):
        yield "No stored run says how much scores vary: `moat eval run` first, or give --pass-rate."
    elif any(score.known == "one run" for score in scores):
        yield "Only one version was run: how two differ is assumed. A second version's run would tell."
    if scores and all(score.within is None for score in scores):
        yield "No case was asked twice: what repeats would be worth is not known (`repeats: 3` in the suite)."


def _times(price: int | None, answers: int) -> int | None:
    return None if price is None else price * answers
