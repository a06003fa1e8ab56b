"""One durable record of a call, however it ends."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from moat.domain.calls import Call, Event
from moat.domain.errors import MoatError
from moat.pipeline.answers import Answer
from moat.pipeline.compose import Next
from moat.pipeline.endings import explain
from moat.pipeline.ports import Ports
from moat.pipeline.spans import Outcome, spans_of


class Record:
    """Appends the call's spans to the spool before the driver can send the answer's last byte.

    If the client hangs up, the record is written all the same, inside the request. If the spool refuses, its
    `StorageError` reaches the client: what is not recorded is not acknowledged.
    """

    def __init__(self, ports: Ports) -> None:
        self._spool = ports.spool
        self._clock = ports.clock
        self._capture, self._max_content = ports.capture_content, ports.max_content

    async def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Watch all events, then write."""
        started_ns, began = self._clock.now_ns(), self._clock.monotonic_ns()
        answer = Answer()
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
            ends = [attempt.intent for attempt in call.journal.attempts if attempt.intent >= 0]
            spans = spans_of(call, outcome, capture_content=self._capture, max_content=self._max_content)
            self._spool.append(spans, ends)
            del error, outcome  # an error's traceback holds this frame
