"""A circuit breaker: a deployment that keeps failing is left alone for a while, then probed by one call at a time.

Nygard, Release It! (2nd edition, 2018), chapter 5.
"""

from typing import Literal

from moat.domain.config import BreakerConfig

State = Literal["closed", "open", "half_open"]
"""`closed`: calls flow. `open`: none do. `half_open`: one call probes it."""

MIN_TRIES = 10
"""Fewer in a window say nothing about a rate."""
MAX_DOUBLINGS = 10
"""A cooldown grows to so many times its first length."""
SLICES = 10
"""A window slides in so many steps."""


class Recent:
    """Tries and failures within a sliding window, in constant space."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._slices = [[-1, 0, 0] for _ in range(SLICES)]

    def add(self, now: float, window: float, failed: bool) -> None:
        """One try that ended now; all times in seconds."""
        number = int(now / window * SLICES)
        current = self._slices[number % SLICES]
        if current[0] != number:
            current[:] = [number, 0, 0]
        current[1] += 1
        current[2] += failed

    def counts(self, now: float, window: float) -> tuple[int, int]:
        """Tries and failures."""
        oldest = int(now / window * SLICES) - SLICES + 1
        recent = [entry for entry in self._slices if entry[0] >= oldest]
        return sum(entry[1] for entry in recent), sum(entry[2] for entry in recent)


class Breaker:
    """The state of one deployment. Times are seconds on any clock that never goes back.

    Tries are numbered, and what is told of one that was sent before the state changed is ignored: calls that were
    sent before the circuit opened may end, well or badly, while another one probes.
    """

    def __init__(self, config: BreakerConfig, number: int = 0) -> None:
        """`number`: the highest that was given to tries which are none of this breaker's."""
        self.config = config
        self.number = number
        """Of the newest try."""
        self.suspected = False
        """Did it open for silence alone? Then any answer, of whichever try, closes it."""
        self._oldest = number + 1
        """Of the tries that count."""
        self.opened = 0
        """How often it opened."""
        self.in_a_row = 0
        """Failures since the last success."""
        self._until = 0.0
        self._probing = False
        self._open = False
        self._doublings = 1.0
        self._recent = Recent()

    @property
    def state(self) -> State:
        """As it was left: an open one stays so until a call probes it."""
        return ("half_open" if self._probing else "open") if self._open else "closed"

    def wait(self, now: float) -> float:
        """Seconds until a call may go; 0 when one may go now."""
        return max(0.0, self._until - now) if self._open else 0.0

    def enter(self, now: float) -> int:
        """A call goes, as `wait` allowed; the number of its try. One that probes keeps all others out as long as
        the cooldown was; then it is given up for lost, and another may probe.
        """
        self.number += 1
        if self._open:
            self._probing = True
            self._until = now + self.cooldown
            self._oldest = self.number
        return self.number

    def begun(self, number: int) -> None:
        """A piece of an answer came: if it was the probe's, calls flow again."""
        if self._open and (number >= self._oldest or self.suspected):
            self._open = self._probing = self.suspected = False
            self._doublings, self.in_a_row = 1.0, 0
            self._recent.clear()

    def succeeded(self, now: float, number: int) -> None:
        """A try ended well."""
        if number < self._oldest:
            return
        self.begun(number)
        self.in_a_row = 0
        self._recent.add(now, self.config.window, False)

    def failed(self, now: float, number: int) -> None:
        """A try ended badly."""
        if number < self._oldest:
            return
        self.in_a_row += 1
        if self._open:
            self._doublings = min(self._doublings * 2, MAX_DOUBLINGS)
            self._trip(now)
            return
        self._recent.add(now, self.config.window, True)
        tries, failures = self._recent.counts(now, self.config.window)
        too_many = tries >= MIN_TRIES and failures >= self.config.rate * tries
        if too_many or self.in_a_row >= self.config.failures:
            self._trip(now)

    def abandoned(self, now: float, number: int) -> None:
        """A try ended and says nothing; if it was the probe, another call may probe."""
        if self._open and self._probing and number >= self._oldest:
            self._probing = False
            self._until = now
            self._oldest = self.number + 1

    def suspect(self, now: float) -> None:
        """It is silent, and no try has ended."""
        if not self._open:
            self._trip(now)
            self.suspected = True

    @property
    def cooldown(self) -> float:
        """Seconds, as long as it is now."""
        return self.config.cooldown * self._doublings

    def _trip(self, now: float) -> None:
        self._open, self._probing, self.suspected = True, False, False
        self._until = now + self.cooldown
        self._oldest = self.number + 1
        self.opened += 1
