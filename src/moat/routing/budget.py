"""A guard against retry storms: an outage must not be answered with several times the load."""

FLOOR = 20.0
"""Retries in a row that are always granted."""
PER_SECOND = 1.0
"""Retries a second that are granted whatever becomes of them."""
PER_ANSWER = 0.5
"""Retries granted for each answer: a deployment that answers well enough may be asked again."""


class RetryBudget:
    """How many retries one deployment is still granted: answers and time fill it, retries empty it.

    As Finagle's RetryBudget. A deployment that answers two tries of three is always tried again; one that answers
    none gets `FLOOR` retries and then one a second.
    """

    def __init__(self) -> None:
        self._left = FLOOR
        self._seen = 0.0

    def answered(self) -> None:
        """A try succeeded."""
        self._left = min(FLOOR, self._left + PER_ANSWER)

    def take(self, now: float) -> bool:
        """One retry, if it is granted."""
        self._left = min(FLOOR, self._left + PER_SECOND * max(0.0, now - self._seen))
        self._seen = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
