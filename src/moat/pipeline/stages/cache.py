"""An answer that was given before is given again, where `moat.yaml` allows it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Literal

from msgspec.structs import replace

from moat.domain.calls import Call, Delta, Event
from moat.domain.errors import DeadlinePassed, MoatError
from moat.pipeline.compose import Next
from moat.pipeline.endings import OVERDUE
from moat.pipeline.ports import Ports
from moat.ports.cache import Near, ResponseCache, Stored

MAX_ANSWER = 4 * 2**20
"""Characters and bytes of an answer; of a longer one nothing is kept."""


class Cache:
    """Asks the cache once the plan is made, so that only who may use the model is answered, and by its deployments.

    Of equal calls at the same time one goes out and the others wait for its answer; its errors are its own: then each
    of them goes out. Streams take no part in that: a slow reader would hold up the others.

    Where a semantic cache may answer, it is asked next; where it only learns, it does so when the answer is out.
    """

    def __init__(self, ports: Ports) -> None:
        self._cache = ports.cache
        self._semantic = ports.semantic
        self._background = ports.background
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
        journal.forget = lambda: cache.forget(key)
        if call.cache == "use":
            found = cache.find(call, key)
            flight = None if found is not None or call.stream else self._flights.get(key)
            if flight is not None:
                call = await self._wait(call, flight)
                found = cache.find(call, key)
            if found is not None:
                for event in _given(call, "hit", found, cache):
                    yield event
                return
        flight = asyncio.Event()
        leads = not call.stream and self._flights.setdefault(key, flight) is flight
        try:
            call, near = await self._look(call, key)
            if near is not None and near.answer is not None and near.serve:
                for event in _given(call, "similar", near.answer, cache):
                    yield event
                return
            journal.cache = "miss"
            cache.count(call)
            notices, kept, size = len(journal.notices), list[Event](), 0
            async with aclosing(next(call)) as events:
                async for event in events:
                    size += _size(event)
                    if size <= MAX_ANSWER:
                        kept += _kept(event)
                    yield event
            # What is told with an answer (it was capped, the conversation was shortened) would be lost with the next.
            if size <= MAX_ANSWER and len(journal.notices) == notices:
                answering = journal.answering
                cache.keep(call, key, kept, (answering.cost if answering else None) or 0)
                await self._learn(call, key, near, kept)
        finally:
            if leads:
                del self._flights[key]
                flight.set()

    async def _look(self, call: Call, key: bytes) -> tuple[Call, Near | None]:
        """What is similar, and the call with the time that is left to it. It fails for nothing that happens here."""
        semantic = self._semantic
        if semantic is None or call.cache != "use" or semantic.mode(call) != "serve":
            return call, None
        began = self._clock.monotonic_ns()
        near = None
        try:
            near = await semantic.look(call, key)
        except MoatError as error:
            call.journal.notices.append(f"similar questions were not looked for: {error.code}")
        return self._later(call, began), near

    async def _learn(self, call: Call, key: bytes, near: Near | None, events: Sequence[Event]) -> None:
        """What still needs a vector waits for nobody: the answer is complete."""
        semantic = self._semantic
        mode = "off" if semantic is None else semantic.mode(call)
        if semantic is None or mode == "off":
            return
        if near is None and mode == "serve" and call.cache == "use":  # there is nothing to compare, or no vector
            return
        work = semantic.learn(call, key, near, events)
        if near is None:
            self._background.start(work)
        else:
            await work

    async def _wait(self, call: Call, flight: asyncio.Event) -> Call:
        """The call with the time that is left to it. Raises `DeadlinePassed`."""
        limit, began = _limit(call), self._clock.monotonic_ns()
        try:
            async with asyncio.timeout(limit / 1e9):
                await flight.wait()
        except TimeoutError:
            raise DeadlinePassed(OVERDUE) from None
        return self._later(call, began)

    def _later(self, call: Call, began_ns: int) -> Call:
        return replace(call, patience_ns=max(1, _limit(call) - (self._clock.monotonic_ns() - began_ns)))


def _limit(call: Call) -> int:
    assert call.plan is not None, "Route makes the plan"
    return min(call.plan.deadline_ns, call.patience_ns or call.plan.deadline_ns)


def _given(call: Call, how: Literal["hit", "similar"], found: Stored, cache: ResponseCache) -> Sequence[Event]:
    journal = call.journal
    journal.cache, journal.saved, journal.origin = how, found.cost, found.attempt
    cache.count(call)
    return found.events


def _kept(event: Event) -> Sequence[Event]:
    """The event without what was counted on the way: that is over with the try."""
    if not isinstance(event, Delta) or event.usage is None:
        return (event,)
    return () if event.only_counts else (replace(event, usage=None),)


def _size(event: Event) -> int:
    return len(event.text) + len(event.reasoning) + len(event.raw or b"") if isinstance(event, Delta) else 0
