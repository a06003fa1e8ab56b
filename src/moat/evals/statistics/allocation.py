"""Repeats where answers flip, without flattering the mean.

Asking again only where the first answers disagreed, and averaging everything, is biased: a case that is right nine
times in ten, and was right twice, keeps its 1. So the first answers decide where to ask again, every case is asked at
least once more, and its score is a fixed mix of what it scored before and after that decision (two-phase sampling:
Neyman 1938, JASA 33; Cochran 1977, Sampling Techniques, chapter 12). Each case's own answers decide about it alone: so
the scores of cases are as independent as ever, and every interval and test over cases holds as it does for a fixed
number of repeats.

The mean gains little: the same number of answers spread evenly tells about as much of it, and more where every case
flips a little. What the further answers do tell is how often the cases that flip are right.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Phases(NamedTuple):
    """`least` answers to each case, then one more, or where those disagreed as many as make `most`."""

    least: int
    most: int

    @property
    def weight(self) -> float:
        """Of what came before the decision: a choice that no score has a part in.

        As if each case had been asked twice more: between the one more of steady cases and the many of others. With
        2 to 8 answers the variance is within 10 % of what the best weight would give, whatever the cases are like.
        """
        return self.least / (self.least + 2)

    def asked(self, flips: bool) -> int:
        """Answers to a case in all."""
        return self.most if flips else self.least + 1

    def score(self, before: Sequence[float], after: Sequence[float]) -> float | None:
        """Of a case: `two_phase_score`, or the mean of the phase that has a value; None when neither has."""
        if before and after:
            return two_phase_score(before, after, self.weight)
        found = before or after
        return sum(found) / len(found) if found else None

    def bounds(self, before: Sequence[float], after: Sequence[float], asked: int) -> tuple[float, float]:
        """The least and the most that a case's score can be, when `asked` answers were and some have no value."""
        later = max(1, asked - self.least)
        low = self.weight * sum(before) / self.least + (1 - self.weight) * sum(after) / later
        missing = self.weight * max(0, self.least - len(before)) / self.least
        missing += (1 - self.weight) * max(0, later - len(after)) / later
        return low, low + missing


def two_phase_score(before: Sequence[float], after: Sequence[float], weight: float) -> float:
    """One case's score: `weight` times its mean before the decision plus the rest times its mean after it.

    Unbiased for the case, and so is the mean over cases, as long as `weight` is the same for all and was not chosen
    by looking at the scores. Raises `ValueError` when one of the two is empty.
    """
    if not before or not after:
        raise ValueError("needs an answer before and one after")
    return weight * sum(before) / len(before) + (1 - weight) * sum(after) / len(after)
