"""Recorded spans as an OTLP request, by the semantic conventions for generative AI.

Tokens and cost stand on the attempts: they are the requests to a model, and whoever adds up a trace counts them once. A
call's own span is the server's; its totals have names of Moat's.
"""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from moat.domain.spans import Span
from moat.telemetry import conventions
from moat.telemetry.content import without_content
from moat.telemetry.otlp import wire, writing

_log = logging.getLogger(__name__)

SERVICE = "moat"
"""`service.name` of what Moat records itself."""

_INTERNAL, _SERVER, _CLIENT = 1, 2, 3
_KINDS = {"server": 2, "client": 3, "producer": 4, "consumer": 5}
_DOLLAR = 10**12
_SECOND = 10**9

_WORDS = {
    "gen_ai.provider.name": "provider",
    "gen_ai.request.model": "model",
    "gen_ai.response.model": "model_answered",
    "openai.response.system_fingerprint": "fingerprint",
    "openai.response.service_tier": "tier",
    "gen_ai.conversation.id": "session",
    "session.id": "session",
    "user.id": "user",
    "error.type": "error",
}
_OWN = (
    *("request_id", "tenant", "feature", "key", "prompt", "version", "release", "arm", "experiment", "shadow_of"),
    *("alias", "cache", "left_alone", "guard", "policy", "price_version"),
)
_TOKENS = {
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cached_tokens",
    "gen_ai.usage.cache_creation.input_tokens": "cache_write_tokens",
    "gen_ai.usage.reasoning.output_tokens": "reasoning_tokens",
}
_TAKEN_BACK = conventions.OWN | {conventions.SCOPE_NAME}
"""Attributes that were no attributes when they came."""
_TIMES = range(2**64)


class Made(NamedTuple):
    """A request, and the spans that are in it."""

    body: bytes
    spans: Sequence[Span]


def made(spans: Sequence[Span], *, content: bool) -> Made:
    """A request of all spans that can be sent. One that cannot be is logged and left out: it must not keep the others
    from those who wait for them.
    """
    try:
        return Made(request(spans, content=content), spans)
    except Exception:  # noqa: BLE001  process edge: what one client's span brings out must not end the sending of others'
        found = [span for span in spans if _can_be_sent(span, content=content)]
    return Made(request(found, content=content), found)


def _can_be_sent(span: Span, *, content: bool) -> bool:
    try:
        request([span], content=content)
    except Exception as error:  # noqa: BLE001  process edge: as above
        # Without the error's own words: they may quote what was said.
        kind = type(error).__name__
        _log.error("the span %s of the trace %s cannot be sent: %s", span.span_id[:32], span.trace_id[:64], kind)
        return False
    return True


def request(spans: Sequence[Span], *, content: bool) -> bytes:
    """An ExportTraceServiceRequest. `content`: with inputs and outputs, and all else that holds or may quote them."""
    groups: dict[tuple[str, str], dict[str, list[bytes]]] = {}
    for span in spans:
        scopes = groups.setdefault((span.service or SERVICE, span.environment), {})
        scope = str(span.attributes.get(conventions.SCOPE_NAME) or ("moat" if span.kind != "app" else ""))
        scopes.setdefault(scope, []).append(_span(span, content=content))
    return writing.joined(1, (_resource_spans(*group, scopes) for group, scopes in groups.items()))


def _resource_spans(service: str, environment: str, scopes: dict[str, list[bytes]]) -> bytes:
    resource = {conventions.SERVICE_NAME: service}
    if environment:
        resource["deployment.environment.name"] = environment
    within = (writing.message(1, writing.text(1, name)) + writing.joined(2, spans) for name, spans in scopes.items())
    return writing.message(1, writing.attributes(1, resource)) + writing.joined(2, within)


def _span(span: Span, *, content: bool) -> bytes:
    told = span.attributes if content else without_content(span.attributes)
    message = span.error_message if content else ""
    return b"".join(
        (
            writing.message(1, bytes.fromhex(span.trace_id)),
            writing.message(2, bytes.fromhex(span.span_id)),
            writing.message(4, bytes.fromhex(span.parent_id)) if wire.SPAN_ID.fullmatch(span.parent_id) else b"",
            writing.text(5, _name(span)),
            b"\x30" + writing.varint(_kind(span)),
            writing.fixed64(7, span.started_ns),
            writing.fixed64(8, span.started_ns + span.duration_ns),
            writing.attributes(9, _attributes(span, told) | (_content(span) if content else {})),
            writing.joined(11, (_event(event) for event in _listed(told, conventions.EVENTS))),
            writing.joined(13, _links(told)),
            writing.message(15, writing.text(2, message) + b"\x18\x02") if span.error else b"",
        )
    )


def _name(span: Span) -> str:
    """As the conventions have it: the operation and the model."""
    if span.kind == "app":
        return span.name
    return f"{span.operation or 'chat'} {span.model}".rstrip()


def _kind(span: Span) -> int:
    if span.kind == "app":
        return _KINDS.get(str(span.attributes.get(conventions.SPAN_KIND)), _INTERNAL)
    return _SERVER if span.kind == "call" else _CLIENT


def _attributes(span: Span, told: dict[str, Any]) -> dict[str, Any]:
    own = span.kind != "app"
    found = {name: value for name, value in told.items() if name not in _TAKEN_BACK}
    found |= {name: value for name, field in _WORDS.items() if (value := getattr(span, field))}
    found |= {f"moat.{field}": value for field in _OWN if (value := getattr(span, field))}
    if operation := span.operation or ("chat" if own else ""):
        found["gen_ai.operation.name"] = operation
    if own:
        found["moat.kind"] = span.kind
    found |= _measures(span)
    if span.finish_reason:
        found["gen_ai.response.finish_reasons"] = [span.finish_reason]
    if span.tools:
        found["gen_ai.tool.name" if operation == "execute_tool" else "moat.tools"] = span.tools
    return found


def _measures(span: Span) -> dict[str, Any]:
    """Tokens, money and times."""
    used = {name: value for name, field in _TOKENS.items() if (value := getattr(span, field))}
    found: dict[str, Any] = used
    if span.kind == "call":
        found = {name.replace("gen_ai.", "moat."): value for name, value in used.items()}
        found["moat.attempts"] = span.attempts
    if span.cost is not None:
        found["moat.usage.cost" if span.kind == "call" else "gen_ai.usage.cost"] = span.cost / _DOLLAR
    if span.usage_estimated:
        found["moat.usage.estimated"] = True
    if span.saved:
        found["moat.saved"] = span.saved / _DOLLAR
    if span.stream:
        found["gen_ai.request.stream"] = True
    if span.first_token_ns:
        found["gen_ai.response.time_to_first_chunk"] = span.first_token_ns / _SECOND
    return found


def _content(span: Span) -> dict[str, Any]:
    """What was asked and answered; of a model's as the conventions have messages, else as it is."""
    found: dict[str, Any] = {}
    asked, said = span.input, span.output
    if isinstance(asked, dict) and isinstance(asked.get("messages"), list):
        found["gen_ai.input.messages"] = _json([_parts(message) for message in asked["messages"]])
    elif asked is not None:
        found["gen_ai.tool.call.arguments" if span.operation == "execute_tool" else "input.value"] = _json(asked)
    if isinstance(said, dict) and isinstance(said.get("text"), str) and "truncated" not in said:
        answer = {"role": "assistant", "content": said["text"], "tool_calls": said.get("tool_calls")}
        found["gen_ai.output.messages"] = _json([{**_parts(answer), "finish_reason": span.finish_reason}])
    elif said is not None:
        found["gen_ai.tool.call.result" if span.operation == "execute_tool" else "output.value"] = _json(said)
    return found


def _parts(message: Any) -> Any:
    """A message of OpenAI's in the form of OpenTelemetry's; what is none stays as it is."""
    if not isinstance(message, dict):
        return message
    content, role, calls = message.get("content"), message.get("role"), message.get("tool_calls")
    if role == "tool":
        part = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}
        return {"role": role, "parts": [part]}
    listed = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
    called = [_call(call) for call in calls] if isinstance(calls, list) else []
    return {"role": role, "parts": [*(_part(part) for part in listed), *called]}


def _call(call: Any) -> Any:
    if not isinstance(call, dict):
        return {"type": "tool_call", "name": call}
    function = call.get("function")
    inner = function if isinstance(function, dict) else {}
    return {"type": "tool_call", "id": call.get("id"), "name": inner.get("name"), "arguments": inner.get("arguments")}


def _part(part: Any) -> Any:
    if isinstance(part, dict) and part.get("type") == "text":
        return {"type": "text", "content": part.get("text")}
    return part


def _json(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _listed(told: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = told.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _event(event: dict[str, Any]) -> bytes:
    at, told = event.get("time_ns"), event.get("attributes")
    time_ns = writing.fixed64(1, at) if isinstance(at, int) and at in _TIMES else b""
    attributes = writing.attributes(3, told) if isinstance(told, dict) else b""
    return time_ns + writing.text(2, str(event.get("name") or "")) + attributes


def _links(told: dict[str, Any]) -> list[bytes]:
    """Collectors refuse a whole request for an id of another length."""
    found = [(str(link.get("trace_id")), str(link.get("span_id"))) for link in _listed(told, conventions.LINKS)]
    return [
        writing.message(1, bytes.fromhex(trace)) + writing.message(2, bytes.fromhex(span))
        for trace, span in found
        if wire.TRACE_ID.fullmatch(trace) and wire.SPAN_ID.fullmatch(span)
    ]
