"""Repeats where answers flip, without flattering the mean.

Asking again only where the first answers disagreed, and averaging everything, is biased: a case that is right nine
times in ten, and was right twice, keeps its 1. So the first answers decide where to ask again, and a case's score is
a fixed mix of what it scored before and after that decision, the same for every case (two-phase sampling: Neyman 1938,
JASA 33; Cochran 1977, Sampling Techniques, chapter 12).
"""

import heapq
from collections.abc import Sequence

SHRINK = 1.0
"""So many answers' worth of the common variance are mixed into each case's own, which few answers tell little of."""


def next_repeats(cases: Sequence[Sequence[float]], answers: int) -> list[int]:
    """How many more answers each case gets, of so many in all; what each has scored so far decides.

    Every case gets one as long as they last (without one its score would rest on the answers that made the
    decision), then each goes where it lowers the variance of the mean over cases most: in proportion to the standard
    deviation within the case (Neyman 1934, JRSS 97). Which case comes first of equals is their order. Raises
    `ValueError` for a negative number of answers.
    """
    if answers < 0:
        raise ValueError("the number of answers cannot be negative")
    more = [1 if index < answers else 0 for index in range(len(cases))]
    variances = _variances(cases)
    queue = [(-_benefit(variance, 1), index) for index, variance in enumerate(variances)]
    heapq.heapify(queue)
    for _ in range(answers - len(cases) if cases else 0):
        _, index = queue[0]
        more[index] += 1
        heapq.heapreplace(queue, (-_benefit(variances[index], more[index]), index))
    return more


def two_phase_score(before: Sequence[float], after: Sequence[float], weight: float) -> float:
    """One case's score: `weight` times its mean before the decision plus the rest times its mean after it.

    Unbiased for the case, and so is the mean over cases, as long as `weight` is the same for all and was not chosen
    by looking at the scores: the share of all answers that came before is a good one. Raises `ValueError` when one of
    the two is empty.
    """
    if not before or not after:
        raise ValueError("needs an answer before and one after")
    return weight * sum(before) / len(before) + (1 - weight) * sum(after) / len(after)


def _variances(cases: Sequence[Sequence[float]]) -> list[float]:
    """Variance within each case, drawn towards the common one."""
    squares = [_squares(values) for values in cases]
    freedom = sum(len(values) - 1 for values in cases if values)
    common = sum(squares) / freedom if freedom else 1.0
    return [(s + SHRINK * common) / (max(0, len(v) - 1) + SHRINK) for s, v in zip(squares, cases, strict=True)]


def _squares(values: Sequence[float]) -> float:
    if not values:
        return 0.0
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values)


def _benefit(variance: float, answers: int) -> float:
    """By how much one answer more lowers the variance of the case's mean."""
    return variance / (answers * (answers + 1))
