"""An answer that was given before is given again, where `moat.yaml` allows it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec.structs import replace

from moat.domain.calls import Call, Delta, Event
from moat.domain.errors import DeadlinePassed
from moat.pipeline.compose import Next
from moat.pipeline.endings import OVERDUE
from moat.pipeline.ports import Ports
from moat.ports.cache import ResponseCache

MAX_ANSWER = 4 * 2**20
"""Characters and bytes of an answer; of a longer one nothing is kept."""


class Cache:
    """Asks the cache once the plan is made, so that only who may use the model is answered, and by its deployments.

    Of equal calls at the same time one goes out and the others wait for its answer; its errors are its own: then each
    of them goes out. Streams take no part in that: a slow reader would hold up the others.
    """

    def __init__(self, ports: Ports) -> None:
        self._cache = ports.cache
        self._clock = ports.clock
        self._flights: dict[bytes, asyncio.Event] = {}
        """By key: set when the call that is under way has ended."""

    def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Answer from the cache, or pass on and keep the answer."""
        cache = self._cache
        key = None if cache is None or call.cache == "off" else cache.key(call)
        return next(call) if cache is None or key is None else self._answer(call, next, cache, key)

    async def _answer(self, call: Call, next: Next, cache: ResponseCache, key: bytes) -> AsyncGenerator[Event, None]:
        journal = call.journal
        if call.cache == "use":
            found = cache.find(call, key)
            flight = None if found is not None or call.stream else self._flights.get(key)
            if flight is not None:
                call = await self._wait(call, flight)
                found = cache.find(call, key)
            if found is not None:
                journal.cache, journal.saved = "hit", found.cost
                for event in found.events:
                    yield event
                return
        journal.cache = "miss"
        notices, kept, size = len(journal.notices), list[Event](), 0
        flight = asyncio.Event()
        leads = not call.stream and self._flights.setdefault(key, flight) is flight
        try:
            async with aclosing(next(call)) as events:
                async for event in events:
                    size += _size(event)
                    if size <= MAX_ANSWER:
                        kept.append(event)
                    yield event
            # What is told with an answer (it was capped, the conversation was shortened) would be lost with the next.
            if size <= MAX_ANSWER and len(journal.notices) == notices:
                answering = journal.answering
                cache.keep(call, key, kept, (answering.cost if answering else None) or 0)
        finally:
            if leads:
                del self._flights[key]
                flight.set()

    async def _wait(self, call: Call, flight: asyncio.Event) -> Call:
        """The call with the time that is left to it. Raises `DeadlinePassed`."""
        assert call.plan is not None, "Route makes the plan"
        limit = min(call.plan.deadline_ns, call.patience_ns or call.plan.deadline_ns)
        began = self._clock.monotonic_ns()
        try:
            async with asyncio.timeout(limit / 1e9):
                await flight.wait()
        except TimeoutError:
            raise DeadlinePassed(OVERDUE) from None
        return replace(call, patience_ns=max(1, limit - (self._clock.monotonic_ns() - began)))


def _size(event: Event) -> int:
    return len(event.text) + len(event.reasoning) + len(event.raw or b"") if isinstance(event, Delta) else 0
