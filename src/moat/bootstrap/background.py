"""Work beside the requests that asked for it, bounded."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from moat.domain.errors import MoatError

log = logging.getLogger("moat.background")

MAX_UNDER_WAY = 64
"""Enough for a dozen copies a second of five seconds each; few enough that hanging ones cost little memory and few
connections."""

GRACE_SECONDS = 5.0
"""How long work under way may go on after the server was asked to stop; nobody waits for it."""

CANCEL_SECONDS = 5.0
"""How long work that was cut off may take to be recorded."""


class BackgroundTasks:
    """Implements `moat.ports.background.Background` with tasks of the running loop."""

    def __init__(self, limit: int = MAX_UNDER_WAY) -> None:
        self.dropped = 0
        """How often something was refused because too much was under way."""
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> bool:
        """See `Background`."""
        if len(self._tasks) >= self._limit:
            work.close()
            self.dropped += 1
            return False
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return True

    async def aclose(self, grace: float = GRACE_SECONDS) -> None:
        """Refuse what comes; wait `grace` seconds for what is under way, then cut it off."""
        self._limit = 0
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=CANCEL_SECONDS)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, MoatError):
            log.warning("%s", error)
        elif error is not None:
            log.error("unexpected error in the background", exc_info=error)
