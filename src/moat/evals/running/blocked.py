"""What guards do not let through, as whoever asked sees it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from moat.domain.calls import Call, Delta, Event, Finished
from moat.domain.errors import GuardBlocked
from moat.pipeline.compose import Next


def refusing(ask: Next) -> Next:
    """The same, where a guard's block is an answer that refuses: it is what the system under test does, no failure to
    measure it. What had gone out before the block stays part of the answer. What the data policy sends nowhere is
    another thing: nobody was asked, so nothing is known.
    """

    async def asked(call: Call) -> AsyncGenerator[Event, None]:
        try:
            async with aclosing(ask(call)) as events:
                async for event in events:
                    yield event
        except GuardBlocked as error:
            yield Delta(refusal=f"blocked: {error}")
            yield Finished(reason="content_filter")

    return asked
