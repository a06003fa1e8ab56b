"""Whoever changed something sees it served in the next request."""

import time
from collections.abc import Callable

from moat.domain.releases import Assignment
from moat.gateway.serving import Live, Serving

LIVE_WITHIN_SECONDS = 5.0
LOOK_SECONDS = 0.01


def served(live: Live, assignment: Assignment) -> bool:
    """Wait until the snapshot holds this assignment or a later one; False when it does not in time."""
    place = (assignment.environment, assignment.prompt)

    def holds(serving: Serving) -> bool:
        current = serving.assignments.get(place)
        return current is not None and current.sequence >= assignment.sequence

    return wait(live, holds)


def wait(live: Live, holds: Callable[[Serving], bool]) -> bool:
    """Wait until this is true of the snapshot, and all processes have looked; False when it is not in time."""
    asked = time.monotonic()
    deadline = asked + LIVE_WITHIN_SECONDS
    live.look()
    while not (holds(live.serving) and live.looked_elsewhere() >= asked):
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def refreshed(live: Live) -> bool:
    """Wait until files and store were looked at after this was asked; False when they are not in time."""
    asked = time.monotonic()
    return wait(live, lambda _: live.looked >= asked)
