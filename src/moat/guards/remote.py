"""Detectors that ask a model or another program: slower than the rest, and they may fail."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar, NamedTuple

from msgspec.structs import replace

from moat.domain.calls import Call, Delta, Event, Finished, Journal, Message, Operation, new_id
from moat.domain.errors import Unavailable
from moat.guards.detector import WHOLE, Context, Detector, Hit
from moat.guards.text import Text

FEATURE = "guard"
"""Whose calls those of guards are, in budgets and reports."""

MAX_ANSWER = 100_000
"""Characters of an answer that are read."""

Run = Callable[[Call], AsyncGenerator[Event, None]]


class Bench(NamedTuple):
    """What a detector can ask."""

    call: Call
    """The one that is guarded."""
    run: Run | None
    """The pipeline, without guards; None: no model can be asked here."""
    timeout: float
    """Seconds."""
    hide: Callable[[str], str]
    """Puts placeholders for what was redacted of the call: nothing else may be asked about."""

    async def ask(
        self,
        model: str,
        messages: Sequence[Message] = (),
        params: Mapping[str, Any] | None = None,
        operation: Operation = "chat",
    ) -> str:
        """The answer of an alias; of an operation other than chat, its body.

        It is a call like any other, below the guarded one in its trace: limited, metered, recorded, and sent only where
        its data may go. Raises what the pipeline raises, and `Unavailable`.
        """
        if self.run is None:
            raise Unavailable("no model can be asked here")
        asked = Call(
            id=new_id("req"),
            # The project wants the verdict, not the caller: a key for one chat model is enough.
            caller=replace(self.call.caller, feature=FEATURE, models=()),
            trace=self.call.trace.child(),
            model=model,
            messages=list(messages),
            params=dict(params or {}),
            operation=operation,
            patience_ns=round(self.timeout * 1e9),
            shadow_of=self.call.shadow_of,
            journal=Journal(),
        )
        text, finished = "", False
        async with aclosing(self.run(asked)) as events:
            async for event in events:
                finished = isinstance(event, Finished)
                if isinstance(event, Delta) and len(text) < MAX_ANSWER:
                    text += event.text if operation == "chat" else (event.raw or b"").decode("utf-8", "replace")
        if not finished:
            raise Unavailable("the answer has no end")
        return text


class RemoteDetector(Detector, frozen=True):
    """Looks at whole texts, and takes its time."""

    window: ClassVar[int] = WHOLE
    joined: ClassVar[bool] = True
    """All texts of one place are asked about together, and a hit is of all of it."""

    async def look(self, text: Text, context: Context, bench: Bench) -> Iterable[Hit]:
        """What is there. Whatever it raises means that it did not run."""
        return self.detect(text, context)

    def detect(self, text: Text, context: Context) -> Iterable[Hit]:
        """Nothing: see `look`."""
        return ()


async def answered(detector: RemoteDetector, text: Text, context: Context, bench: Bench) -> Sequence[Hit]:
    """What it found, in time. Raises what it raises, and `TimeoutError`."""
    async with asyncio.timeout(bench.timeout):
        return list(await detector.look(text, context, bench))
