"""Data goes only where it may go."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from moat.domain.calls import Call, Event
from moat.pipeline.compose import Next
from moat.pipeline.ports import Ports
from moat.ports.guards import Hearing


class Classify:
    """Notes which data the call holds, before anything is asked because of it: a cache's embedder, a deployment."""

    def __init__(self, ports: Ports) -> None:
        self._handling = ports.handling

    def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Look, where there is a policy, and pass on."""
        return next(call) if self._handling is None else self._look(call, next)

    async def _look(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        assert self._handling is not None, "asked before"
        call.journal.handled = await self._handling.look(call)
        async with aclosing(next(call)) as events:
            async for event in events:
                yield event


class Handle:
    """Redacts what may not go to the deployment that is tried, and puts it back into its answer.

    A deployment that may not be asked at all is none that `Attempts` tries; what gets here all the same is refused.
    """

    def __init__(self, ports: Ports) -> None:
        """Every port is `Classify`'s."""

    def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Pass on what may go. Raises `DataRefused`."""
        handled = call.journal.handled
        if handled is None:
            return next(call)
        sent = handled.sent(call)
        hearing = handled.listen(sent) if sent is not call else None
        return next(sent) if hearing is None else _restored(sent, next, hearing)


async def _restored(call: Call, next: Next, hearing: Hearing) -> AsyncGenerator[Event, None]:
    async with aclosing(next(call)) as events:
        async for event in events:
            for heard in await hearing.hear(event):
                yield heard
    for event in (await hearing.end()).events:
        yield event
