"""How often somebody may try to sign in: buckets that fill up again with time, in bounded memory."""

import threading
from collections import OrderedDict
from typing import NamedTuple

from moat.domain.errors import LimitExceeded

MAX_KNOWN = 10_000
"""Buckets of one kind; the one that was not asked for longest is forgotten first."""


class Pace(NamedTuple):
    """How fast."""

    tries: int
    """At once."""
    seconds: float
    """Until there is one more."""


OF_CLIENT = Pace(30, 2.0)
"""An office behind one address signs in of a morning."""
OF_ACCOUNT = Pace(10, 30.0)
"""For one account from one network, or from one browser that has signed in to it before."""
OF_STRANGERS = Pace(100, 30.0)
"""For one account from all networks together, but for browsers that it knows: about 3,000 guesses on a day, and 2,880
on each that follows.
"""


class Throttle:
    """One bucket for each name. Threads may share it."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._known: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """Name -> tries left, and when that was so."""
        self._lock = threading.Lock()

    def take(self, name: str, now_ns: int) -> None:
        """Use up a try. Raises `LimitExceeded` with the seconds until there is one."""
        with self._lock:
            left = self._left(name, now_ns)
            if left < 1:
                wait = (1 - left) * self._pace.seconds
                raise LimitExceeded(
                    "too many tries to sign in", remedy=f"Wait {max(1, round(wait))} seconds.", retry_after=wait
                )
            self._known[name] = (left - 1, now_ns)
            self._known.move_to_end(name)
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)

    def forgive(self, name: str) -> None:
        """All tries are left again."""
        with self._lock:
            self._known.pop(name, None)

    def _left(self, name: str, now_ns: int) -> float:
        left, then = self._known.get(name, (float(self._pace.tries), now_ns))
        return min(float(self._pace.tries), left + max(0, now_ns - then) / 1e9 / self._pace.seconds)


class Tally:
    """What happens so often that it is written down once a minute, with how often it happened. Threads may share it."""

    EVERY_NS = 60 * 10**9

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """Name -> when it was last written down, and how often it happened since."""
        self._lock = threading.Lock()

    def due(self, name: str, now_ns: int) -> int:
        """How often it happened since it was last written down, this time too, when it is time to do so again; or 0."""
        with self._lock:
            then, count = self._known.get(name, (now_ns - self.EVERY_NS, 0))
            if now_ns - then < self.EVERY_NS:
                self._known[name] = (then, count + 1)
                return 0
            self._known[name] = (now_ns, 0)
            self._known.move_to_end(name)
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
            return count + 1
