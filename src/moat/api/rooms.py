"""Who runs at the same time: threads by what they wait for, and turns by person."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple, TypeVar

import anyio
import anyio.to_thread

from moat.domain.errors import ClientClosed, LimitExceeded

T = TypeVar("T")

Room = Literal["reading", "admission", "releases", "identities", "evals", "tries", "outside"]
"""`reading`: stores, as most do. `admission`: who asks. `releases`: what must go through whatever else is slow.
`identities`: a provider of identities. `evals`: whole runs and datasets. `tries`: texts that people try, which take a
core. `outside`: other machines and processes."""

THREADS: dict[Room, int] = {
    "reading": 40,
    "admission": 8,
    "releases": 8,
    "identities": 8,
    "evals": 4,
    "tries": 2,
    "outside": 4,
}
"""Of each room. What waits for one of them keeps none of another room from its own."""
WAITING = 8
"""Requests of one person, and of one kind, that wait for their turn; further ones are turned away."""


class Later(NamedTuple):
    """An answer that comes from the event loop: while it is waited for, it holds no thread."""

    answer: Callable[[], Awaitable[Any]]


class Rooms:
    """For one event loop."""

    def __init__(self) -> None:
        self._limits = {room: anyio.CapacityLimiter(threads) for room, threads in THREADS.items()}

    async def run(self, room: Room, work: Callable[[], T]) -> T:
        """In a thread of this room, once one is free."""
        return await anyio.to_thread.run_sync(work, limiter=self._limits[room])


class _Queue:
    def __init__(self, at_once: int) -> None:
        self.places = asyncio.Semaphore(at_once)
        self.inside = 0
        """Who has a place or waits for one."""

    async def enter(self, left: Callable[[], Awaitable[None]]) -> None:
        """Take a place, unless the client leaves before. Raises `ClientClosed`."""
        if not self.places.locked():
            await self.places.acquire()
            return
        waiting, watching, entered = asyncio.create_task(self.places.acquire()), asyncio.ensure_future(left()), False
        try:
            await asyncio.wait((waiting, watching), return_when=asyncio.FIRST_COMPLETED)
            entered = waiting.done()
        finally:
            watching.cancel()
            if not entered and not waiting.cancel():
                self.places.release()  # its turn came as it went
        if not entered:
            raise ClientClosed("the client hung up while it waited for its turn")


class Turns:
    """So many at once of each name; what comes besides waits. For one event loop."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, _Queue] = {}

    @asynccontextmanager
    async def taken(self, name: Hashable, at_once: int, left: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """One turn. `left` returns once the client is gone: who types asks anew, and waits for the newest answer only.

        Raises `LimitExceeded` when too many wait already, `ClientClosed` when nobody listens any more.
        """
        queue = self._queues.setdefault(name, _Queue(at_once))
        if queue.inside >= at_once + WAITING:
            raise LimitExceeded(
                f"{WAITING} requests of yours like this wait for their turn already",
                remedy="Wait for their answers.",
                retry_after=1,
            )
        queue.inside += 1
        try:
            await queue.enter(left)
            try:
                yield
            finally:
                queue.places.release()
        finally:
            queue.inside -= 1
            if not queue.inside:
                del self._queues[name]
