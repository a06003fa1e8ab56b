"""One durable record of a call, however it ends."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from moat.domain.calls import Call, Event
from moat.domain.errors import MoatError
from moat.domain.spans import Span
from moat.pipeline.answers import Answer
from moat.pipeline.aside import aside
from moat.pipeline.compose import Next
from moat.pipeline.endings import explain
from moat.pipeline.ports import Ports
from moat.pipeline.spans import Outcome, content_size, spans_of


class Record:
    """Appends the call's spans to the spool before the driver can send the answer's last byte.

    If the client hangs up, the record is written all the same, inside the request. If the spool refuses, its
    `StorageError` reaches the client: what is not recorded is not acknowledged.
    """

    def __init__(self, ports: Ports) -> None:
        self._spool = ports.spool
        self._clock = ports.clock
        self._content, self._max_content = ports.capture_content, ports.max_content
        self._capture = ports.capture
        self._guards = ports.guards

    async def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Watch all events, then write."""
        started_ns, began = self._clock.now_ns(), self._clock.monotonic_ns()
        answer = Answer()
        if self._guards is not None:
            self._guards.begin(call)
        error: MoatError | None = None
        try:
            async with aclosing(next(call)) as events:
                async for event in events:
                    answer.add(event)
                    yield event
        except BaseException as raised:
            error = explain(raised)
            raise
        finally:
            outcome = Outcome(
                started_ns=started_ns,
                duration_ns=self._clock.monotonic_ns() - began,
                answer=answer,
                error=None if answer.finished is not None else error,
            )
            await self._write(call, outcome)
            del error, outcome  # an error's traceback holds this frame

    async def _write(self, call: Call, outcome: Outcome) -> None:
        """Append its spans. What is long is looked at beside the event loop; should nobody wait for that, its content
        is not kept.
        """
        ends = [attempt.intent for attempt in call.journal.attempts if attempt.intent >= 0]
        long = content_size(call, outcome.answer) if self._capture or call.journal.hide else 0
        try:
            spans = await aside(long, lambda: self._spans(call, outcome, content=self._content), record=True)
        except asyncio.CancelledError:
            self._spool.append(self._spans(call, outcome, content=False), ends)
            raise
        self._spool.append(spans, ends)

    def _spans(self, call: Call, outcome: Outcome, *, content: bool) -> list[Span]:
        return spans_of(call, outcome, capture_content=content, max_content=self._max_content, capture=self._capture)
