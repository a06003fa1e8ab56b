"""Is a deployment dark? What calls that are still waiting for a first piece say of it, before they end.

Timeouts are long, since models may think for minutes. A deployment that answered a moment ago and then says nothing
to anybody, for much longer than it ever took of late, shows what it is much sooner.
"""

import math
from collections import deque
from statistics import median

from moat.ports.models import Kind

QUIET = 5.0
"""Seconds without a piece of any answer, at least, before a deployment may be dark."""
LEAST_WAIT = 1.0
"""Seconds that a try has waited, at least, to count."""
TIMES = 3.0
"""By far: so many times the longest wait of late, and so many times the usual time between two answers."""
REMEMBERED = 100
"""Answers of one kind, the last ones: how long they let wait is what is known of it."""
ENOUGH = 5
"""Answers of one kind before anything is known."""
GAPS = 20
"""Times between two answers that say what is usual: their median."""
FRESH = 60.0
"""Seconds: a deployment that had nothing to say for longer may have to wake up first."""
WINDOW = 30.0
"""Seconds that a try counts for which was given up without an answer."""


class Silence:
    """The tries at one deployment that have no first piece yet. Times are seconds on a clock that never goes back.

    A try that a later one overtook says nothing: the deployment answers, though not to it. Of a kind whose answers
    take long, or whose answers are not known, no try counts soon, or at all.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[float, Kind]] = {}
        """When it began, by number, oldest first."""
        self._in_vain: deque[float] = deque(maxlen=REMEMBERED)
        """When tries began that waited for longer than usual and were given up by others than the deployment."""
        self._waits: dict[Kind, deque[float]] = {}
        """Seconds until the first piece of the last answers."""
        self._gaps: deque[float] = deque(maxlen=GAPS)
        """Seconds between one first piece and the next."""
        self._overtaken = 0
        """Number of the newest try that was answered."""
        self._answered: float | None = None
        self._heard = 0.0

    @property
    def waiting(self) -> int:
        """Tries without a first piece."""
        return len(self._waiting)

    def begins(self, now: float, number: int, kind: Kind) -> None:
        """A try goes out; numbers grow."""
        self._waiting[number] = (now, kind)

    def answered(self, now: float, number: int) -> None:
        """A piece of an answer came, the first or a later one."""
        entry = self._waiting.pop(number, None)
        if entry is not None:
            began, kind = entry
            if (waits := self._waits.get(kind)) is None:
                waits = self._waits[kind] = deque(maxlen=REMEMBERED)
            waits.append(now - began)
            if self._answered is not None:
                self._gaps.append(now - self._answered)
            self._answered = now
            self._overtaken = max(self._overtaken, number)
        self._heard = now
        if self._in_vain:
            self._in_vain.clear()

    def refused(self, now: float, number: int) -> None:
        """It said no: it is not dark, and how long its answers take is not known by that."""
        self._waiting.pop(number, None)
        self._heard = now
        self._in_vain.clear()

    def given_up(self, now: float, number: int) -> None:
        """The one who asked waits no longer."""
        entry = self._waiting.pop(number, None)
        if entry is None or number <= self._overtaken:
            return
        began, kind = entry
        if now - began >= max(LEAST_WAIT, TIMES * self._longest().get(kind, math.inf)):
            self._in_vain.append(began)

    def ended(self, number: int) -> None:
        """It failed: that counts elsewhere."""
        self._waiting.pop(number, None)

    def dark(self, now: float, tries: int) -> bool:
        """Do at least so many tries wait longer than any did of late, one of them by far, and has nobody heard a piece
        since the first of them began?
        """
        if now - self._heard < QUIET or len(self._waiting) + len(self._in_vain) < tries or not self._waits:
            return False
        longest = self._longest()
        given_up = [began for began in tuple(self._in_vain) if now - began <= WINDOW]
        longer = [
            (began, usual)
            for number, (began, kind) in list(self._waiting.items())
            if number > self._overtaken and now - began >= (usual := max(LEAST_WAIT, longest.get(kind, math.inf)))
        ]
        by_far = given_up or any(now - began >= TIMES * usual for began, usual in longer)
        if len(given_up) + len(longer) < tries or not by_far:
            return False
        first = max(self._heard, min([*given_up, *(began for began, _ in longer)]))
        return first - self._heard <= FRESH and now - first >= max(QUIET, TIMES * median(self._gaps))

    def _longest(self) -> dict[Kind, float]:
        """Seconds that any try waited of late, by what is known."""
        return {kind: max(waits) for kind, waits in list(self._waits.items()) if len(waits) >= ENOUGH}
