"""How long a call may wait, all its tries together."""

import asyncio

from moat.domain.errors import DeadlinePassed
from moat.pipeline.endings import OVERDUE
from moat.ports.clock import Clock


class Patience:
    """Ends the waiting of a task at a point in time, with one timer for all that it waits for.

    `asyncio.timeout` around a generator's loop would strike while its consumer is at work, and one around each event
    costs more than the event.
    """

    def __init__(self, clock: Clock, deadline_ns: int) -> None:
        """`deadline_ns`: on the monotonic clock. To be closed."""
        self._clock = clock
        self._deadline = deadline_ns
        self._task = asyncio.current_task()
        self._cancelling = self._task.cancelling() if self._task is not None else 0
        self._waiting = self._due = self._struck = False
        self.now_ns = 0
        """When something came last, on the monotonic clock."""
        self._timer = asyncio.get_running_loop().call_later(max(0.0, self.left), self._strike)

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return (self._deadline - self._clock.monotonic_ns()) / 1e9

    def wait(self) -> None:
        """What is awaited from now on may be cut off."""
        self._waiting = True
        if self._due:
            self._strike()

    def rest(self) -> bool:
        """It came, and what is awaited from now on is not ours. False: it came too late."""
        self._waiting = False
        self.now_ns = self._clock.monotonic_ns()
        return self.now_ns < self._deadline

    def explain(self, error: BaseException) -> BaseException:
        """What ended the waiting: `DeadlinePassed` if a cancellation was ours, and only ours."""
        self._waiting = False
        if isinstance(error, asyncio.CancelledError) and self._struck and self._task is not None:
            self._struck = False
            if self._task.uncancel() <= self._cancelling:
                return DeadlinePassed(OVERDUE)
        return error

    def close(self) -> None:
        """Let the timer go. Idempotent."""
        self._timer.cancel()

    def _strike(self) -> None:
        self._due = True
        if self._waiting and self._task is not None:
            self._struck = self._task.cancel(OVERDUE)
