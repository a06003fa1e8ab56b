"""Is the candidate good enough? Not worse than the baseline by more than a margin: three answers.

"Not shown to be worse" is not "shown to be good enough" (Piaggio et al. 2012, CONSORT for non-inferiority trials,
JAMA 308), so a pass and a regression each need their own evidence, and everything else is inconclusive.
"""

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from moat.domain.scores import Verdict
from moat.evals.statistics.intervals import Estimate, difference_interval, mean_interval
from moat.evals.statistics.power import ALPHA, cases_needed, cases_to_pass, least_cases
from moat.evals.statistics.proportions import effective_cases
from moat.evals.statistics.significance import PValues, paired_test

MAX_CASES = 100_000
MAX_REPEATS = 100
"""More than this is not worth naming."""
RARE = 2.71
"""A loss seen in so many units over its size is significant at `ALPHA` although gains may be too rare to show up: the
square of the normal quantile (`intervals.difference_tails`)."""


class More(NamedTuple):
    """What would decide with a chance of 80 %, if what was seen is the truth: either of the two."""

    cases: int | None
    """About so many more cases; None when out of reach."""
    repeats: int | None
    """About so many more repeats of every case; None when no number would do, or nothing is known about them."""


class Decision(NamedTuple):
    """A verdict with what it rests on."""

    verdict: Verdict
    difference: Estimate
    """Candidate minus baseline: negative is a loss."""
    p: PValues
    method: str
    """Of the test."""
    more: More | None
    """None when decided."""


def non_inferiority(
    differences: Sequence[float],
    margin: float,
    clusters: Sequence[Hashable] | None = None,
    *,
    within: float | None = None,
    repeats: int = 1,
) -> Decision:
    """Judge differences of one score, one for each case, against a margin.

    **pass**: the 95 % interval of the loss ends at or below the margin (false with a chance of about 2.5 % when the
    true loss is the margin). **regressed**: the loss seen is above the margin, and the one-sided paired test against
    no loss at all is significant at 5 % (false with a chance of at most 5 % when there is none). Several scores at
    once need `significance.holm` on their p-values. `within`: variance within cases of both versions' single answers
    together (`repeats.components`). Raises `ValueError` unless 0 < margin < 1.
    """
    if not 0 < margin < 1:
        raise ValueError("the margin must be between 0 and 1")
    estimate = difference_interval(differences, clusters)
    method, p = paired_test(differences, clusters)
    verdict = decide(margin, estimate.low, estimate.mean, p.worse)
    if verdict != "inconclusive":
        return Decision(verdict, estimate, p, method, None)
    spread, n = mean_interval(differences, clusters), len(differences)
    more = more_to_decide(-spread.mean, spread.error, n, margin, clusters=spread.worth, within=within, repeats=repeats)
    return Decision(verdict, estimate, p, method, more)


def decide(margin: float, low: float, best: float, p_worse: float) -> Verdict:
    """The verdict on a difference: the lower end of its interval if all that is missing had gone worst, its mean if all
    had gone best, and that one's p-value of being worse (after a correction, with several tests).
    """
    if -low <= margin:
        return "pass"
    return "regressed" if p_worse <= ALPHA and -best > margin else "inconclusive"


def more_to_decide(
    loss: float,
    error: float,
    n: int,
    margin: float,
    *,
    clusters: float | None = None,
    within: float | None = None,
    repeats: int = 1,
) -> More:
    """How much more would decide a loss seen in n cases of so many clusters against a margin.

    `error` is the standard error by the differences' own spread (`intervals.mean_interval`); clusters that differ in
    size count as many as they are worth (`clusters.Balance`). A loss above the margin must become significant against
    0, one below it needs an interval that ends below the margin; either takes cases enough for what is rare to show up,
    which repeats are not.
    """
    if loss == margin or not math.isfinite(error):
        return More(None, None)
    units = n if clusters is None else clusters
    deviation = error * math.sqrt(units)
    needed = cases_needed(deviation, max(loss, margin - loss))
    least = least_cases(margin, loss) if loss < margin else math.ceil(RARE / loss)
    enough = max(needed, least) if loss > margin else cases_to_pass(deviation, margin, loss)
    return More(
        _more_cases(n, enough / units),
        _more_repeats(error**2 * n, needed / units, within, repeats) if within is not None and units >= least else None,
    )


def more_to_reject(
    mean: float,
    error: float,
    n: int,
    floor: float,
    *,
    clusters: float,
    within: float | None = None,
    repeats: int = 1,
) -> More:
    """How much more would show that a mean seen in n cases of so many clusters is below a floor."""
    if mean >= floor or not math.isfinite(error):
        return More(None, None)
    times = n / effective_cases(mean, error, n, clusters)
    needed = cases_needed(math.sqrt(floor * (1 - floor) * times), floor - mean) / n
    needed = max(needed, RARE * (1 - floor) / (floor - mean) / clusters)
    return More(
        _more_cases(n, needed), _more_repeats(error**2 * n, needed, within, repeats) if within is not None else None
    )


def _more_cases(n: int, times: float) -> int | None:
    cases = max(1, math.ceil(n * times) - n)
    return cases if cases <= MAX_CASES else None


def _more_repeats(variance: float, times: float, within: float, repeats: int) -> int | None:
    """Repeats that divide the variance of one case's difference by `times`; None when what is between is too much."""
    between = max(0.0, variance - within / repeats)
    room = variance / times - between
    if room <= 0 or within <= 0:
        return None
    more = max(1, math.ceil(within / room) - repeats)
    return more if repeats + more <= MAX_REPEATS else None
