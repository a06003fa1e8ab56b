"""A copy of some calls goes to a release on trial: nobody sees its answer, and nobody waits for it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from msgspec.structs import replace

from moat.domain.calls import Call, Event, Journal, new_id
from moat.domain.errors import MoatError
from moat.pipeline.compose import Next
from moat.pipeline.ports import Ports


class Shadow:
    """Starts the copy in the background, as soon as the call itself may go out. It goes through the same pipeline and
    leaves a record of its own, below the call in its trace; whatever becomes of it, the call goes on untouched.
    """

    def __init__(self, ports: Ports) -> None:
        self._prompts = ports.prompts
        self._background = ports.background

    def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Copy the call when its prompt has a shadow here, and pass it on."""
        if call.prompt is not None:
            release = self._prompts.shadow(call.prompt, call.caller.sticky)
            if release:
                call.journal.accepted = lambda: self._start(call, release, next)
        return next(call)

    def _start(self, call: Call, release: str, next: Next) -> None:
        self._background.start(_answer(call, release, next))


async def _answer(call: Call, release: str, next: Next) -> None:
    """Let the release answer, to the end."""
    assert call.prompt is not None, "only prompts have shadows"
    copy = replace(
        call,
        id=new_id("req"),
        trace=call.trace.child(),
        prompt=replace(call.prompt, release=release),
        shadow_of=call.id,
        journal=Journal(),
    )
    with suppress(MoatError):  # its record says what went wrong
        async with aclosing(next(copy)) as events:
            async for _ in events:
                pass
