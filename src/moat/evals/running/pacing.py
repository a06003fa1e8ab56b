"""How many cases are under way at one time: as many as providers bear, at most as many as the suite says.

Additive increase, multiplicative decrease (Chiu and Jain, Analysis of the increase and decrease algorithms for
congestion avoidance, 1989), with the slow start of TCP (RFC 5681): one more for each answer until the first refusal,
from then on one more for each round of answers. A refusal (429, 529) or a time-out halves it, once a round. Answers
that take several times as long as they did at best mean a queue: then it shrinks by a tenth a round (after TCP Vegas,
Brakmo and Peterson 1995). Rate-limit headers bound it before anything is refused.
"""

import asyncio
from collections import deque
from time import monotonic
from types import TracebackType

from moat.domain.calls import Deployment
from moat.domain.errors import ProviderOverloaded, ProviderTimeout
from moat.domain.quotas import Quota, Window
from moat.ports.models import Again, Kind

START = 8
SLOW = 4.0
"""Times the best latency from which answers are taken to queue."""
NOISE = 0.1
"""Seconds: quicker answers say nothing of a queue."""
WEIGHT = 0.1
"""Of a new latency in the mean."""
LONGEST = 60.0
"""Seconds that nothing is asked, whatever a provider said; then it is tried."""
BACKOFF = 1.0
"""Seconds after a refusal that named none, doubled with each in a row."""


class Pacer:
    """Enter it for each case. Implements `moat.ports.models.Health`, by which it learns how tries end."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(min(START, most))
        self._starting = True
        self._active = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._until = 0.0
        self._refusals = 0
        """In a row."""
        self._number = 0
        self._cut = 0
        """Tries up to this number began before the last decrease: they say nothing new."""
        self._latencies: dict[Deployment, tuple[float, float]] = {}
        """Best, and of late, in seconds."""
        self._tokens = 0.0
        """Of the input of a try, on average."""

    @property
    def limit(self) -> int:
        """Cases at one time, at present."""
        return int(self._limit)

    async def __aenter__(self) -> "Pacer":
        """Wait for a place."""
        while True:
            pause = self._until - monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            elif self._active < self.limit:
                break
            else:
                turn = asyncio.get_running_loop().create_future()
                self._waiting.append(turn)
                try:
                    await turn
                except asyncio.CancelledError:
                    self._wake()  # it may have been given the place just now
                    raise
        self._active += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it to the next."""
        self._active -= 1
        self._wake()

    def check(self, deployment: Deployment, tokens: int = 0, kind: Kind = ("chat", False)) -> int:
        """Every deployment is tried."""
        self._number += 1
        self._tokens += WEIGHT * (tokens - self._tokens)
        return self._number

    def begun(self, deployment: Deployment, number: int) -> None:
        """Says nothing."""

    def again(self, deployment: Deployment, why: Again) -> bool:
        """Always: the pace is what gives way."""
        return True

    def note(self, deployment: Deployment, error: BaseException | None, first_token_ns: int, number: int = 0) -> None:
        """A try ended."""
        if error is None:
            self._refusals = 0
            self._answered(deployment, first_token_ns / 1e9, number)
        elif isinstance(error, ProviderOverloaded) and error.sent:
            self.refused(error.retry_after, number)
        elif isinstance(error, ProviderTimeout):
            self._shrink(0.5, number)

    def refused(self, retry_after: float | None, number: int = 0) -> None:
        """Something has no room now."""
        if self._shrink(0.5, number or self._number):
            self._refusals += 1
        wait = BACKOFF * 2 ** min(self._refusals, 6) if retry_after is None else retry_after
        self._until = max(self._until, monotonic() + min(wait, LONGEST))

    def crowded(self) -> None:
        """Fewer at one time would do."""
        self._shrink(0.5, self._number)

    def report(self, deployment: Deployment, quota: Quota) -> None:
        """What an answer's rate-limit headers say."""
        for window, each in ((quota.requests, 1.0), (quota.tokens, max(1.0, self._tokens))):
            if window is not None:
                self._bound(window, each)

    def _bound(self, window: Window, each: float) -> None:
        room = int(window.remaining / each)
        if room < 1:
            self._until = max(self._until, monotonic() + min(max(0.0, window.reset_s), LONGEST))
        self._limit = min(self._limit, max(1.0, float(room)))

    def _answered(self, deployment: Deployment, seconds: float, number: int) -> None:
        best, recent = self._latencies.get(deployment, (seconds, seconds))
        recent += WEIGHT * (seconds - recent)
        best = min(best, recent)
        self._latencies[deployment] = best, recent
        if recent > max(NOISE, SLOW * best):
            self._shrink(0.9, number)
        elif self._active >= self.limit:
            self._limit = min(self._most, self._limit + (1.0 if self._starting else 1.0 / self._limit))
            self._wake()

    def _shrink(self, factor: float, number: int) -> bool:
        """Once for all tries that were under way together."""
        if number <= self._cut:
            return False
        self._starting = False
        self._cut = self._number
        self._limit = max(1.0, self._limit * factor)
        return True

    def _wake(self) -> None:
        room = self.limit - self._active
        while self._waiting and room > 0:
            turn = self._waiting.popleft()
            if not turn.done():  # else it was given up
                turn.set_result(None)
                room -= 1
