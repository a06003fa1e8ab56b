"""A suite's plan with the chance to see the difference, by number of cases."""

import math
from collections.abc import Iterator

import msgspec

from moat.evals.planning import ScorePlan, SuitePlan
from moat.evals.statistics.power import power_of
from moat.ports.evaluations import MAX_CASES, PowerOfScore, PowerOption, PowerPlan, PowerPoint

POINTS = 24
FEWEST = 10
"""Cases of the first point."""


def power_plan(made: SuitePlan, cases: int | None = None) -> PowerPlan:
    """`cases`: of how many to tell the power; None: of the suite's."""
    asked = made.question
    return PowerPlan(
        suite=made.suite,
        detect=asked.detect,
        power=asked.power,
        alpha=asked.alpha,
        cases=made.cases,
        clusters=made.clusters,
        repeats=made.repeats,
        answer_cost=made.answer_cost,
        run_cost=made.run_cost,
        scores=tuple(_score(score, made, cases) for score in made.scores),
        notes=made.notes,
    )


def _score(score: ScorePlan, made: SuitePlan, cases: int | None) -> PowerOfScore:
    here = cases if cases is not None else score.cases
    return PowerOfScore(
        score=score.score,
        known=score.known,
        basis=score.basis,
        sees=score.sees,
        power=_point(score, made, here),
        options=tuple(msgspec.convert(option, PowerOption, from_attributes=True) for option in score.options),
        margin=score.margin,
        cases_for_margin=score.cases_for_margin,
        curve=tuple(_point(score, made, n) for n in _counts(max(here, 2 * score.options[0].cases))),
    )


def _point(score: ScorePlan, made: SuitePlan, cases: int) -> PowerPoint:
    deviation = math.sqrt(score.between + (score.within or 0.0) / score.options[0].repeats)
    return PowerPoint(cases=cases, power=power_of(made.question.detect, deviation, cases, alpha=made.question.alpha))


def _counts(most: int) -> Iterator[int]:
    """Numbers of cases, each larger than the one before by about the same factor."""
    last = min(MAX_CASES, max(most, 2 * FEWEST))
    yield from dict.fromkeys(round(FEWEST * (last / FEWEST) ** (place / (POINTS - 1))) for place in range(POINTS))
