"""Which cases of a run flip: that is where further repeats go."""

from collections.abc import Collection, Iterator

from moat.domain.scores import Result, Run
from moat.evals.statistics.allocation import Phases
from moat.evals.statistics.repeats import PASS


def phases_of(run: Run) -> Phases | None:
    """How a run's repeats adapt; None when every case has all of them."""
    return Phases(run.least, run.repeats) if run.least else None


class Flips:
    """Watches the first answers to each case; what is known is a matter of the stored results alone."""

    def __init__(self, run: Run, gated: Collection[str]) -> None:
        """`gated`: the scores that count."""
        self._run = run
        self._phases = phases_of(run)
        self._gated = gated
        self._passed: dict[tuple[str, str], bool] = {}
        self._cases: set[str] = set()

    def add(self, result: Result) -> None:
        """An answer, stored before or new."""
        if self._phases is None or result.repeat >= self._phases.least:
            return
        for score in result.scores:
            if score.value is not None and score.name in self._gated:
                passed = score.value >= PASS
                if self._passed.setdefault((result.case, score.name), passed) != passed:
                    self._cases.add(result.case)

    @property
    def answers(self) -> int:
        """That the run has in all, as far as is known."""
        if self._phases is None:
            return self._run.cases * self._run.repeats
        flipping = len(self._cases)
        return flipping * self._phases.asked(True) + (self._run.cases - flipping) * self._phases.asked(False)

    def rounds(self) -> Iterator[tuple[range, Collection[str] | None]]:
        """Repeats of all cases, or of some; what comes later is known when all of a round have been added."""
        if self._phases is None:
            yield range(self._run.repeats), None
            return
        first = self._phases.asked(False)
        yield range(first), None
        yield range(first, self._phases.most), self._cases
