"""What is recorded of a finished call: its journal and outcome as spans."""

from typing import Any

import msgspec

from moat.domain.calls import Attempt, Call
from moat.domain.errors import MoatError
from moat.domain.spans import Span
from moat.domain.usage import Usage
from moat.pipeline.answers import Answer


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended."""

    started_ns: int
    duration_ns: int
    answer: Answer
    error: MoatError | None
    """None when the answer is complete."""


MAX_ERROR = 2000
"""Characters of an error message that a record keeps."""


def spans_of(call: Call, outcome: Outcome, *, capture_content: bool) -> list[Span]:
    """One span for the call, with totals, and one below it for each attempt."""
    root = _call_span(call, outcome)
    if capture_content:
        root = msgspec.structs.replace(root, input=_input(call), output=_output(outcome.answer))
    return [root, *(_attempt_span(call, attempt) for attempt in call.journal.attempts)]


def _call_span(call: Call, outcome: Outcome) -> Span:
    journal, caller = call.journal, call.caller
    last = journal.attempts[-1] if journal.attempts else None
    finished, error = outcome.answer.finished, outcome.error
    return Span(
        span_id=call.trace.span_id,
        trace_id=call.trace.trace_id,
        parent_id=call.trace.parent_id,
        kind="call",
        name="chat",
        started_ns=outcome.started_ns,
        duration_ns=outcome.duration_ns,
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
        arm=journal.arm,
        experiment=journal.experiment,
        shadow_of=call.shadow_of,
        model=journal.sent.model if journal.sent else call.model,
        model_answered=last.model_answered if last else "",
        provider=last.deployment.provider if last else "",
        cost=journal.cost,
        first_token_ns=_first_token(call, outcome.started_ns),
        finish_reason=finished.reason if finished else "",
        error=error.code if error else "",
        error_message=error.what[:MAX_ERROR] if error else "",
        stream=call.stream,
        attempts=len(journal.attempts),
        **_tokens(journal.usage),
    )


def _attempt_span(call: Call, attempt: Attempt) -> Span:
    return Span(
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
        cost=attempt.cost,
        first_token_ns=attempt.first_token_ns,
        finish_reason=attempt.finish_reason,
        error=attempt.error,
        error_message=attempt.error_message[:MAX_ERROR],
        stream=call.stream,
        **_tokens(attempt.usage),
    )


def _tokens(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cached_tokens": usage.cached,
        "cache_write_tokens": usage.cache_write,
        "cache_write_long_tokens": usage.cache_write_long,
        "reasoning_tokens": usage.reasoning,
        "audio_input_tokens": usage.audio_input,
        "audio_output_tokens": usage.audio_output,
        "cached_audio_tokens": usage.cached_audio,
        "units": usage.units,
        "usage_estimated": usage.estimated,
    }


def _first_token(call: Call, started_ns: int) -> int:
    """From the start of the call to the first piece of the attempt that gave one; 0 when none did."""
    for attempt in call.journal.attempts:
        if attempt.first_token_ns:
            return max(0, attempt.started_ns - started_ns) + attempt.first_token_ns
    return 0


MAX_CONTENT = 256 * 1024
"""Characters of a prompt or an answer that a record keeps."""


def _bounded(content: dict[str, Any], size: int) -> dict[str, Any]:
    """The content, or its beginning as text when it is larger than a record may be."""
    if size <= MAX_CONTENT:
        return content
    text = msgspec.json.encode(content).decode("utf-8", "replace")
    return {"truncated": len(text), "text": text[:MAX_CONTENT]}


def _size(call: Call) -> int:
    """Characters of messages and parameters, roughly."""
    values = [message.get("content") for message in call.messages]
    values += [value for value in call.params.values() if isinstance(value, str | list | dict)]
    return sum(len(value) if isinstance(value, str) else len(msgspec.json.encode(value)) for value in values)


def _input(call: Call) -> dict[str, Any]:
    sent = call.journal.sent or call
    content: dict[str, Any] = {"messages": sent.messages, "params": sent.params}
    if sent.prompt is not None:
        content["variables"] = sent.prompt.variables
    return _bounded(content, _size(sent))


def _output(answer: Answer) -> dict[str, Any]:
    content: dict[str, Any] = {"text": answer.text}
    if answer.calls:
        content["tool_calls"] = answer.tool_calls
    if answer.refusal:
        content["refusal"] = answer.refusal
    pieces = sum(len(made["arguments"]) for made in answer.calls.values())
    return _bounded(content, len(answer.text) + len(answer.refusal) + pieces)
