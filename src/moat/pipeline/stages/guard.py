"""Policies look at the question and at each answer."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import TypeVar

from msgspec.structs import replace

from moat.domain.calls import Call, Event
from moat.domain.errors import DeadlinePassed, GuardBlocked, ProviderError
from moat.pipeline.compose import Next
from moat.pipeline.endings import OVERDUE
from moat.pipeline.ports import Ports
from moat.ports.guards import Watch

T = TypeVar("T")

_QUOTING = (ProviderError, DeadlinePassed)
"""Errors that may say what a provider did, and so what it was sent."""


class Guard:
    """Lets through what policies let through. An answer that a guard does not accept may be asked for again, with what
    was found, or of another model: each time through everything below, limits and budgets included.

    What a cache answers is guarded as what a model does.
    """

    def __init__(self, ports: Ports) -> None:
        self._guards = ports.guards
        self._clock = ports.clock

    def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Pass on what no policy is about."""
        watch = self._guards.watch(call) if self._guards is not None else None
        return next(call) if watch is None else self._guarded(call, next, watch)

    async def _guarded(self, call: Call, next: Next, watch: Watch) -> AsyncGenerator[Event, None]:
        try:
            began = self._clock.monotonic_ns()
            asked = await _within(call.patience_ns, watch.ask(call))
            for event in asked.answer:
                yield event
            question = None if asked.answer else self._later(asked.call, began, call.patience_ns)
            while question is not None:
                now, question = question, None
                hearing = watch.listen(now)
                if hearing is None:
                    async with aclosing(next(now)) as events:
                        async for event in events:
                            yield event
                    return
                try:
                    async with aclosing(next(now)) as events:
                        async for event in events:
                            for heard in await hearing.hear(event):
                                yield heard
                    limit = _limit(call)
                    ending = await _within(self._left(limit, began), hearing.end())
                except GuardBlocked:
                    _forget(call)
                    raise
                finally:
                    hearing.close()
                if ending.again is not None or not ending.accepted:
                    _forget(call)
                for event in ending.events:
                    yield event
                question = None if ending.again is None else self._later(ending.again, began, limit)
        except _QUOTING as error:
            error.what = watch.told(call, error.what)
            error.args = (error.what,)
            raise
        finally:
            for attempt in call.journal.attempts:
                attempt.error_message = watch.told(call, attempt.error_message)

    def _later(self, call: Call, began: int, limit: int) -> Call:
        """The call with the time that is left to it: guards and all tries share one deadline."""
        return replace(call, patience_ns=self._left(limit, began)) if limit else call

    def _left(self, limit: int, began: int) -> int:
        return max(1, limit - (self._clock.monotonic_ns() - began)) if limit else 0


def _forget(call: Call) -> None:
    """What a guard did not accept may come out better when it is asked for again: no cache keeps it."""
    if call.journal.forget is not None:
        call.journal.forget()


def _limit(call: Call) -> int:
    """Nanoseconds for all of it, once it is planned; 0 when nobody has said."""
    sent = call.journal.sent
    planned = sent.plan.deadline_ns if sent and sent.plan else 0
    return min(call.patience_ns, planned) if call.patience_ns and planned else call.patience_ns or planned


async def _within(limit: int, work: Awaitable[T]) -> T:
    """What comes of it within so many nanoseconds; 0: whenever it comes. Raises `DeadlinePassed`."""
    if not limit:
        return await work
    try:
        async with asyncio.timeout(limit / 1e9):
            return await work
    except TimeoutError:
        raise DeadlinePassed(OVERDUE) from None
