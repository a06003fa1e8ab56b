"""One durable record of a call, however it ends."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from moat.domain.calls import Call, Event
from moat.domain.errors import ClientClosed, MoatError
from moat.domain.spans import Span
from moat.pipeline.answers import Answer
from moat.pipeline.compose import Next
from moat.pipeline.ports import Ports


class Record:
    """Appends the call's spans to the spool before the driver can send the answer's last byte.

    If the client hangs up, the record is written all the same, inside the request. If the spool refuses, its
    `StorageError` reaches the client: what is not recorded is not acknowledged.
    """

    def __init__(self, ports: Ports) -> None:
        self._spool = ports.spool
        self._clock = ports.clock
        self._capture = ports.capture_content

    async def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Watch all events, then write."""
        started_ns, began = self._clock.now_ns(), self._clock.monotonic_ns()
        answer = Answer()
        error = MoatError("an unexpected error; the server's log has it")
        try:
            async with aclosing(next(call)) as events:
                async for event in events:
                    answer.add(event)
                    yield event
        except MoatError as raised:
            error = raised
            raise
        except (GeneratorExit, asyncio.CancelledError):
            error = ClientClosed("the client hung up")
            raise
        finally:
            failure = None if answer.finished is not None else error
            duration = self._clock.monotonic_ns() - began
            root = self._call_span(call, answer, failure, started_ns, duration)
            self._spool.append([root, *_attempt_spans(call)])

    def _call_span(
        self, call: Call, answer: Answer, failure: MoatError | None, started_ns: int, duration_ns: int
    ) -> Span:
        journal, caller = call.journal, call.caller
        usage = journal.usage
        last = journal.attempts[-1] if journal.attempts else None
        return Span(
            span_id=call.trace.span_id,
            trace_id=call.trace.trace_id,
            parent_id=call.trace.parent_id,
            kind="call",
            name="chat",
            started_ns=started_ns,
            duration_ns=duration_ns,
            request_id=call.id,
            environment=caller.environment,
            tenant=caller.tenant,
            feature=caller.feature,
            user=caller.user,
            session=caller.session,
            key=caller.key,
            prompt=call.prompt.name if call.prompt else "",
            version=journal.prompt.version if journal.prompt else "",
            release=journal.release.id if journal.release else "",
            model=journal.sent.model if journal.sent else call.model,
            model_answered=last.model_answered if last else "",
            provider=last.deployment.provider if last else "",
            input_tokens=usage.input,
            output_tokens=usage.output,
            cached_tokens=usage.cached,
            cache_write_tokens=usage.cache_write,
            reasoning_tokens=usage.reasoning,
            usage_estimated=usage.estimated,
            cost=journal.cost,
            first_token_ns=_first_token(call, started_ns),
            finish_reason=answer.finished.reason if answer.finished else "",
            error=failure.code if failure else "",
            error_message=failure.what if failure else "",
            stream=call.stream,
            attempts=len(journal.attempts),
            input=_input(call) if self._capture else None,
            output=_output(answer) if self._capture else None,
        )


def _attempt_spans(call: Call) -> list[Span]:
    return [
        Span(
            span_id=attempt.span_id,
            trace_id=call.trace.trace_id,
            parent_id=call.trace.span_id,
            kind="attempt",
            name=f"chat {attempt.deployment.model}",
            started_ns=attempt.started_ns,
            duration_ns=attempt.duration_ns,
            request_id=call.id,
            tenant=call.caller.tenant,
            model=attempt.deployment.model,
            model_answered=attempt.model_answered,
            provider=attempt.deployment.provider,
            input_tokens=attempt.usage.input,
            output_tokens=attempt.usage.output,
            cached_tokens=attempt.usage.cached,
            cache_write_tokens=attempt.usage.cache_write,
            reasoning_tokens=attempt.usage.reasoning,
            usage_estimated=attempt.usage.estimated,
            cost=attempt.cost,
            first_token_ns=attempt.first_token_ns,
            finish_reason=attempt.finish_reason,
            error=attempt.error,
            error_message=attempt.error_message,
            stream=call.stream,
        )
        for attempt in call.journal.attempts
    ]


def _first_token(call: Call, started_ns: int) -> int:
    """From the start of the call to the first piece of the attempt that gave one; 0 when none did."""
    for attempt in call.journal.attempts:
        if attempt.first_token_ns:
            return max(0, attempt.started_ns - started_ns) + attempt.first_token_ns
    return 0


def _input(call: Call) -> dict[str, Any]:
    sent = call.journal.sent or call
    content: dict[str, Any] = {"messages": sent.messages, "params": sent.params}
    if call.prompt is not None:
        content["variables"] = call.prompt.variables
    return content


def _output(answer: Answer) -> dict[str, Any]:
    content: dict[str, Any] = {"text": answer.text}
    if answer.calls:
        content["tool_calls"] = answer.tool_calls
    if answer.refusal:
        content["refusal"] = answer.refusal
    return content
