"""Is the candidate good enough? Not worse than the baseline by more than a margin: three answers.

"Not shown to be worse" is not "shown to be good enough" (Piaggio et al. 2012, CONSORT for non-inferiority trials,
JAMA 308), so a pass and a regression each need their own evidence, and everything else is inconclusive.
"""

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from moat.domain.scores import Verdict
from moat.evals.statistics.intervals import Estimate, difference_interval
from moat.evals.statistics.power import ALPHA, cases_needed, cases_to_pass, least_cases
from moat.evals.statistics.significance import PValues, paired_test

MAX_CASES = 100_000
MAX_REPEATS = 100
"""More than this is not worth naming."""


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
    if -estimate.low <= margin:
        return Decision("pass", estimate, p, method, None)
    if p.worse <= ALPHA and -estimate.mean > margin:
        return Decision("regressed", estimate, p, method, None)
    more = more_to_decide(-estimate.mean, estimate.error, len(differences), margin, within=within, repeats=repeats)
    return Decision("inconclusive", estimate, p, method, more)


def more_to_decide(
    loss: float, error: float, n: int, margin: float, *, within: float | None = None, repeats: int = 1
) -> More:
    """How much more would decide a loss seen in n cases, with this standard error, against a margin.

    A loss above the margin must become significant against 0; one below it needs an interval that ends below the
    margin, and cases enough for rare losses to show up (`power.cases_to_pass`), which repeats are not.
    """
    if loss == margin or not math.isfinite(error):
        return More(None, None)
    deviation = error * math.sqrt(n)
    needed = cases_needed(deviation, max(loss, margin - loss))
    enough = needed if loss > margin else cases_to_pass(deviation, margin, loss)
    least = least_cases(margin, loss) if loss < margin else 0
    cases = max(1, enough - n)
    return More(
        cases if cases <= MAX_CASES else None,
        _more_repeats(deviation**2, needed / n, within, repeats) if within is not None and n >= least else None,
    )


def _more_repeats(variance: float, times: float, within: float, repeats: int) -> int | None:
    """Repeats that divide the variance of one case's difference by `times`; None when what is between is too much."""
    between = max(0.0, variance - within / repeats)
    room = variance / times - between
    if room <= 0 or within <= 0:
        return None
    more = max(1, math.ceil(within / room) - repeats)
    return more if repeats + more <= MAX_REPEATS else None
