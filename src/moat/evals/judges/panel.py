"""Several votes as one score."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean, median
from typing import Any, Literal

import msgspec

from moat.evals.judges.asking import Vote

Fold = Literal["mean", "median", "majority"]
"""How votes become one value. `majority`: the value most often given, of several equally frequent the lowest."""

TOLERANCE = 1e-9


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What a panel says."""

    value: float | None
    """None: there is no score, and `error` or else `reason` says why."""
    reason: str
    error: str = ""
    evidence: dict[str, Any] = {}
    cost: int = 0


def tally(votes: Sequence[Vote], fold: Fold) -> Tally:
    """Fold the votes. A vote that failed makes the whole an error: a mean over those that happened to answer would
    be another judge's score. When a judge found nothing to judge, so did the panel.
    """
    cost = sum(vote.cost for vote in votes)
    evidence: dict[str, Any] = {"votes": [msgspec.to_builtins(vote) for vote in votes]}
    failed = [vote for vote in votes if vote.error]
    if failed:
        error = f"{failed[0].model}: {failed[0].error}"
        return Tally(value=None, reason="", error=error, evidence=evidence, cost=cost)
    values = [vote.value for vote in votes if vote.value is not None]
    if len(values) < len(votes):
        reason = next(vote.reason for vote in votes if vote.value is None)
        return Tally(value=None, reason=reason, evidence=evidence, cost=cost)
    value = folded(values, fold)
    spread = max(values) - min(values)
    if len(votes) > 1:
        evidence |= {"disagreement": round(spread, 6), "agreeing": _agreeing(values, value)}
    nearest = min(votes, key=lambda vote: abs((vote.value or 0.0) - value))
    reason = nearest.reason
    if spread > TOLERANCE:
        reason = f"the votes differ ({', '.join(f'{each:.3g}' for each in values)}); {nearest.model}: {reason}"
    return Tally(value=value, reason=reason, evidence=evidence, cost=cost)


def folded(values: Sequence[float], fold: Fold) -> float:
    """One value of several.

    >>> folded([0, 0, 1], "mean"), folded([0, 1, 1], "majority"), folded([0, 1], "majority")
    (0.3333333333333333, 1, 0)
    """
    if fold == "mean":
        return fmean(values)
    if fold == "median":
        return median(values)
    counts = Counter(values)
    return min(value for value, count in counts.items() if count == max(counts.values()))


def _agreeing(values: Sequence[float], value: float) -> float:
    """Share of the votes on the same side of the middle as the whole."""
    return round(sum((each >= 0.5) == (value >= 0.5) for each in values) / len(values), 6)
