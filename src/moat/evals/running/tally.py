"""Sums of a run, so that memory does not grow with its results."""

import math
from collections.abc import Iterable

import msgspec

from moat.domain.scores import Result
from moat.evals.statistics.allocation import Phases, two_phase_score


class Progress(msgspec.Struct, frozen=True):
    """How far a run is. Money is in picodollars; answers without a price are left out."""

    done: int
    total: int
    errors: int
    cost: int
    """Spent on it, scoring included."""
    cached: int = 0
    """Answers that were given before, and cost nothing now."""
    saved: int = 0
    """What these had cost."""
    budget: int | None = None


class Tally:
    """Counts, and means of the gated scores."""

    def __init__(self, gated: Iterable[str], repeats: int, phases: Phases | None = None) -> None:
        self.done = self.errors = self.cached = self.saved = 0
        self.spent = 0
        """By what the results say: failed tries of answers that came in the end are included, others are not."""
        self._repeats = repeats
        self._means = {name: _Mean(phases) for name in gated}

    def add(self, result: Result) -> None:
        """Count a stored result."""
        self.done += 1
        self.errors += bool(result.error)
        self.cached += result.cached
        self.spent += _paid(result)
        if result.cached:
            self.saved += result.cost or 0
        for score in result.scores:
            if score.status != "not_run" and score.name in self._means:
                # One answer a case needs no memory of the case.
                case = result.case if self._repeats > 1 else None
                self._means[score.name].add(case, result.repeat, score.value or 0.0)

    def lose(self, result: Result) -> None:
        """One that is not stored: its money is spent all the same."""
        self.spent += _paid(result)

    def mean(self) -> float | None:
        """Mean over gates of the mean over cases of the mean over repeats; None when nothing was scored.

        What could not be scored counts 0, and so do answers that are missing, in equal share for every gate:
        which scores a case without an answer would have had is not known.
        """
        means = [value for mean in self._means.values() if (value := mean.value) is not None]
        return sum(means) / len(means) * (1 - self.errors / self.done) if means else None


def _paid(result: Result) -> int:
    scoring = sum(score.cost for score in result.scores)
    return scoring if result.cached else scoring + (result.cost or 0)


class _Mean:
    """Mean over cases of the mean over repeats, or of what their two phases come to."""

    def __init__(self, phases: Phases | None) -> None:
        self._phases = phases
        self._sum, self._count = 0.0, 0
        self._cases: dict[str, tuple[float, int]] = {}
        self._later: dict[str, tuple[float, int]] = {}

    def add(self, case: str | None, repeat: int, value: float) -> None:
        if case is None:
            self._sum, self._count = self._sum + value, self._count + 1
            return
        cases = self._later if self._phases is not None and repeat >= self._phases.least else self._cases
        total, count = cases.get(case, (0.0, 0))
        cases[case] = total + value, count + 1

    @property
    def value(self) -> float | None:
        cases = self._cases.keys() | self._later.keys()
        count = self._count + len(cases)
        return (self._sum + math.fsum(map(self._of, sorted(cases)))) / count if count else None

    def _of(self, case: str) -> float:
        before, after = (part.get(case) for part in (self._cases, self._later))
        if self._phases is None or before is None or after is None:
            total, count = before or after or (0.0, 1)
            return total / count
        return two_phase_score([before[0] / before[1]], [after[0] / after[1]], self._phases.weight)
