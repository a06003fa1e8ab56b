"""How long a deployment lets clients wait for the first piece of an answer."""

import math

MEMORY = 10.0
"""Seconds: what was seen so long before an observation counts 1/e of it, or less."""
LEAST_WEIGHT = 0.1
"""Of an observation, however soon it follows the last one."""


class Latency:
    """An exponentially weighted mean over time: after a pause a new observation counts nearly alone.

    As in Finagle's peak EWMA balancer, without the peak.
    """

    def __init__(self) -> None:
        self.mean: float | None = None
        """Seconds; None before the first observation."""
        self._seen = 0.0

    def observe(self, now: float, seconds: float) -> None:
        """A first piece came after so long."""
        if self.mean is None:
            self.mean = seconds
        else:
            weight = max(LEAST_WEIGHT, 1 - math.exp(-max(0.0, now - self._seen) / MEMORY))
            self.mean += weight * (seconds - self.mean)
        self._seen = now

    def at_least(self, now: float, seconds: float) -> None:
        """None came for so long, and nobody waited on: that says something when it is longer than usual."""
        if self.mean is not None and seconds > self.mean:
            self.observe(now, seconds)
