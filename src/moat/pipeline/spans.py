"""What is recorded of a finished call: its journal and outcome as spans."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Attempt, Call
from moat.domain.errors import MoatError
from moat.domain.guards import ToolUse, strongest
from moat.domain.spans import Span
from moat.domain.usage import Usage
from moat.pipeline.answers import Answer
from moat.pipeline.data_urls import changed
from moat.pipeline.payloads import long_number
from moat.ports.handling import Capture, Kept


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended."""

    started_ns: int
    duration_ns: int
    answer: Answer
    error: MoatError | None
    """None when the answer is complete."""


UNKNOWN = "unknown_outcome"
"""Error of an attempt that nobody saw the end of."""

MAX_ERROR = 2000
"""Characters of an error message that a record keeps."""


def spans_of(
    call: Call, outcome: Outcome, *, capture_content: bool, max_content: int = 2**20, capture: Capture | None = None
) -> list[Span]:
    """One span for the call, with totals, and one below it for each attempt.

    `max_content`: characters of input or output; of what is longer, only its beginning is kept, as text.
    """
    base, attempts = _base(call), call.journal.attempts
    # Errors quote content: without it they are not kept.
    errors = [_error(call, outcome.error), *[_told(call, a.error_message) for a in attempts]]
    kept = Kept(None, None, [""] * len(errors))
    if capture_content:
        kept = Kept(_input(call), _output(call, outcome.answer), errors)
    if capture is not None:
        kept = capture.call(call, kept)
    kept = Kept(
        _bounded(kept.input, max_content), _bounded(kept.output, max_content), [e[:MAX_ERROR] for e in kept.errors]
    )
    tries = [_attempt_span(base, call, *each) for each in zip(attempts, kept.errors[1:], strict=True)]
    return [_call_span(base, call, outcome, kept), *tries]


def content_size(call: Call, answer: Answer) -> int:
    """Characters of what a record of the call would hold, about."""
    sent = call.journal.sent or call
    variables = sent.prompt.variables if sent.prompt is not None else None
    arguments = sum(len(made["arguments"]) for made in answer.calls.values())
    return _size([sent.messages, sent.params, variables]) + len(answer.text) + arguments


def unknown_outcome(call: Call, attempt: Attempt, worst: Usage, cost: int | None) -> Span:
    """How a try must be recorded whose process dies before it knows more: with the most that it may have taken."""
    return replace(
        _used(_base(call), worst),
        span_id=attempt.span_id,
        parent_id=call.trace.span_id,
        kind="attempt",
        name=_name(call, attempt),
        started_ns=attempt.started_ns,
        model=attempt.deployment.model,
        alias=attempt.alias,
        provider=attempt.deployment.provider,
        cost=cost,
        price_version=attempt.price_version,
        error=UNKNOWN,
        error_message="the process that sent it died; tokens and cost are the most it may have taken",
    )


def _base(call: Call) -> Span:
    """Who called, and for what: the same on every span of a call, so that money can be summed by any of it."""
    journal, caller = call.journal, call.caller
    return Span(
        span_id=call.trace.span_id,
        parent_id=call.trace.parent_id,
        kind="call",
        name=call.operation,
        started_ns=0,
        duration_ns=0,
        trace_id=call.trace.trace_id,
        request_id=call.id,
        operation="" if call.operation == "chat" else call.operation,
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
        stream=call.stream,
    )


def _used(span: Span, usage: Usage) -> Span:
    return replace(
        span,
        input_tokens=usage.input,
        output_tokens=usage.output,
        cached_tokens=usage.cached,
        cache_write_tokens=usage.cache_write,
        cache_write_long_tokens=usage.cache_write_long,
        reasoning_tokens=usage.reasoning,
        audio_input_tokens=usage.audio_input,
        audio_output_tokens=usage.audio_output,
        cached_audio_tokens=usage.cached_audio,
        image_input_tokens=usage.image_input,
        image_output_tokens=usage.image_output,
        cached_image_tokens=usage.cached_image,
        video_input_tokens=usage.video_input,
        video_output_tokens=usage.video_output,
        units=usage.units,
        searches=usage.searches,
        runs=usage.runs,
        tier=usage.tier,
        usage_estimated=usage.estimated,
    )


def _call_span(base: Span, call: Call, outcome: Outcome, kept: Kept) -> Span:
    journal = call.journal
    last = journal.answering
    finished, error = outcome.answer.finished, outcome.error
    return replace(
        _used(base, journal.usage),
        started_ns=outcome.started_ns,
        duration_ns=outcome.duration_ns,
        model=_asked(call),
        alias=last.alias if last else _planned(call),
        model_answered=_told(call, last.model_answered) if last else "",
        provider=last.deployment.provider if last else "",
        fingerprint=_told(call, last.fingerprint) if last else "",
        guard=strongest(journal.verdicts) if journal.verdicts else "",
        policy=journal.policies,
        tools=_tools(call, outcome.answer),
        cost=journal.cost,
        price_version=last.price_version if last else "",
        cache=journal.cache,
        saved=journal.saved,
        first_token_ns=_first_token(call, outcome.started_ns),
        finish_reason=finished.reason if finished else "",
        error=error.code if error else "",
        error_message=kept.errors[0],
        attempts=len(journal.attempts),
        left_alone=",".join(journal.left_alone),
        attributes=_attributes(call, outcome.answer),
        input=kept.input,
        output=kept.output,
    )


def _attempt_span(base: Span, call: Call, attempt: Attempt, error_message: str) -> Span:
    return replace(
        _used(base, attempt.usage),
        span_id=attempt.span_id,
        parent_id=call.trace.span_id,
        kind="attempt",
        name=_name(call, attempt),
        started_ns=attempt.started_ns,
        duration_ns=attempt.duration_ns,
        model=attempt.deployment.model,
        alias=attempt.alias,
        model_answered=_told(call, attempt.model_answered),
        provider=attempt.deployment.provider,
        fingerprint=_told(call, attempt.fingerprint),
        cost=attempt.cost,
        price_version=attempt.price_version,
        first_token_ns=attempt.first_token_ns,
        finish_reason=attempt.finish_reason,
        error=attempt.error,
        error_message=error_message,
    )


def _attributes(call: Call, answer: Answer) -> dict[str, Any]:
    caller, told = call.caller, dict[str, Any]()
    if call.journal.notices:
        told["moat.notices"] = call.journal.notices
    if call.client_request:
        told["moat.client_request_id"] = call.client_request
    if caller.tags:
        told["moat.tags"] = caller.tags
    if caller.data_class:
        told["moat.data_class"] = caller.data_class
    if call.journal.handled is not None:
        told["moat.data"] = call.journal.handled.told()
    if tools := call.journal.tools or _uses(answer):
        told["moat.tools"] = msgspec.to_builtins(tools)
    if call.journal.verdicts:
        told["moat.guards"] = msgspec.to_builtins(call.journal.verdicts)
    return told


def _name(call: Call, attempt: Attempt) -> str:
    return f"{call.operation} {attempt.deployment.model}"


def _asked(call: Call) -> str:
    """The alias that was asked for, by the caller or by the prompt."""
    journal = call.journal
    return call.model or (journal.prompt.model if journal.prompt else "")


def _planned(call: Call) -> str:
    """The alias whose plan would have been followed: a cache answered."""
    sent = call.journal.sent
    return sent.plan.alias if sent and sent.plan else ""


def _first_token(call: Call, started_ns: int) -> int:
    """From the start of the call to the first piece of the attempt that gave one; 0 when none did."""
    for attempt in call.journal.attempts:
        if attempt.first_token_ns:
            return max(0, attempt.started_ns - started_ns) + attempt.first_token_ns
    return 0


def _tools(call: Call, answer: Answer) -> str:
    """Names of the tools that it calls, or would have if a guard had let it, each once."""
    names = [made["name"] for _, made in sorted(answer.calls.items())] if answer.calls else []
    return ",".join(dict.fromkeys([*names, *(use.name for use in call.journal.tools)]))


def _uses(answer: Answer) -> list[ToolUse]:
    """The tools that it calls, where no guard has noted them."""
    return [
        ToolUse(
            name=made["name"],
            digest=hashlib.sha256(made["arguments"].encode("utf-8", "surrogatepass")).hexdigest()[:16],
            verdict="pass" if answer.finished is not None else "cut",
        )
        for _, made in sorted(answer.calls.items())
    ]


def _error(call: Call, error: MoatError | None) -> str:
    return _told(call, error.what) if error is not None else ""


def _told(call: Call, message: str) -> str:
    """A text of a provider as it is kept: they quote what they were sent."""
    hide = call.journal.hide
    return message if hide is None else hide(message)


def _kept(call: Call, content: dict[str, Any]) -> dict[str, Any]:
    """What a record may hold of a content."""
    hide = call.journal.hide
    return content if hide is None else {name: hidden(value, hide) for name, value in content.items()}


def hidden(value: Any, hide: Callable[[str], str], member: str = "", holder: Mapping[str, Any] | None = None) -> Any:
    """A JSON value with every text in it, keys, long numbers and the files it carries included, as `hide` makes it.
    `member`: what it is of its object, the `holder`.
    """
    if isinstance(value, str):
        return changed(member, value, hide, holder or {})
    if isinstance(value, dict):
        return {hide(name): hidden(item, hide, name, value) for name, item in value.items()}
    if digits := long_number(value):
        return value if (told := hide(digits)) == digits else told
    return [hidden(item, hide) for item in value] if isinstance(value, list | tuple) else value


def _bounded(content: dict[str, Any] | None, limit: int) -> dict[str, Any] | None:
    """The content, or its beginning as text when it is larger than a record may be."""
    if content is None or _size(content) <= limit:
        return content
    text = msgspec.json.encode(content).decode("utf-8", "replace")
    return {"truncated": len(text), "text": text[:limit]}


def _size(value: Any) -> int:
    """Characters of all texts."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(name) + _size(item) for name, item in value.items())
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 1


def _input(call: Call) -> dict[str, Any]:
    sent = call.journal.sent or call
    content: dict[str, Any] = {"messages": sent.messages, "params": sent.params}
    if sent.prompt is not None:
        content["variables"] = sent.prompt.variables
    return _kept(call, content)


def _output(call: Call, answer: Answer) -> dict[str, Any]:
    content: dict[str, Any] = {"text": answer.text}
    if answer.calls:
        content["tool_calls"] = answer.tool_calls
    if answer.refusal:
        content["refusal"] = answer.refusal
    return _kept(call, content)
