"""Hedging: when the first to be asked is slow, a second is asked too, and the first to answer wins.

Dean and Barroso, The Tail at Scale, Communications of the ACM 56(2), 2013.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from moat.domain.calls import Event
from moat.pipeline.endings import HUNG_UP, OVERTAKEN

Answering = Callable[[], AsyncGenerator[Event, None]]


async def race(ask: Answering, after: float) -> AsyncGenerator[Event, None]:
    """The events of the first answer that begins. Another one is asked for when none has after so many seconds.

    Once one begins, the other is cancelled at once, and has ended before this ends. One that fails before it begins
    leaves the field to the other; when both fail, the error of the last one is raised.
    """
    runners = [_Runner(ask())]
    end: tuple[str, ...] = ()
    try:
        await asyncio.wait((runners[0].event,), timeout=after)
        if not runners[0].event.done():
            runners.append(_Runner(ask()))
        winner = await _first(runners)
        for loser in runners:
            if loser is not winner:
                loser.task.cancel(OVERTAKEN)
        while (event := await winner.event) is not None:
            winner.go_on()
            yield event
        await winner.task
    except GeneratorExit:
        end = (HUNG_UP,)
        raise
    except asyncio.CancelledError as error:
        end = error.args
        raise
    finally:
        for runner in runners:
            runner.task.cancel(*end)
        await asyncio.wait([runner.task for runner in runners])


async def _first(runners: Sequence["_Runner"]) -> "_Runner":
    """The first that has an event; when all have ended without one, the last to end."""
    racing = list(runners)
    while True:
        await asyncio.wait([runner.event for runner in racing], return_when=asyncio.FIRST_COMPLETED)
        for runner in racing:
            if runner.event.done() and runner.event.result() is not None:
                return runner
        waiting = [runner for runner in racing if not runner.event.done()]
        if not waiting:
            return racing[0]
        racing = waiting


class _Runner:
    """Iterates and closes a generator in a task of its own, so that whatever it holds belongs to one task; an event
    at a time, so that a slow client slows the provider.
    """

    def __init__(self, events: AsyncGenerator[Event, None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._wanted = asyncio.Event()
        self.event: asyncio.Future[Event | None] = self._loop.create_future()
        """The next event; None when there is none, and `task` knows why."""
        self.task = self._loop.create_task(self._run(events))
        self.task.add_done_callback(self._ended)

    def go_on(self) -> None:
        """Ask for the event after the one that came."""
        self.event = self._loop.create_future()
        self._wanted.set()

    async def _run(self, events: AsyncGenerator[Event, None]) -> None:
        async with aclosing(events):
            async for event in events:
                if self.event.cancelled():  # as the one who waits for it was
                    return
                self._wanted.clear()
                self.event.set_result(event)
                await self._wanted.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # whoever wants it asks the task; nobody does for a loser's
        if not self.event.done():
            self.event.set_result(None)
