"""The wire format of OpenAI's chat completions (https://platform.openai.com/docs/api-reference/chat).

Only what the gateway needs is looked at; parameters it does not know are kept and forwarded.
"""

import re
import time
from typing import Any

import msgspec

from moat.domain.calls import Call, Delta, Event, Finished, Operation, Wire
from moat.domain.errors import ConflictError, MoatError, RequestError
from moat.domain.releases import PromptRef
from moat.domain.usage import Usage
from moat.gateway.format import (
    MAX_NAME,
    Incoming,
    Request,
    read_object,
    take_model,
    take_stream,
    told_usage,
)
from moat.gateway.http import JSON, Headers
from moat.pipeline.answers import Answer, signed

DONE = b"data: [DONE]\n\n"
MODEL_PREFIX = "prompt:"
_VERSION = re.compile(r"^v?\d+\.\d+\.\d+")
_encode = msgspec.json.Encoder().encode


def parse_chat(body: bytes) -> Request:
    """Read a request body. Raises `RequestError` with the parameter at fault."""
    data = read_object(body)
    prompt = read_prompt(data.pop("prompt", None))
    model = take_model(data)
    if prompt is None and model.startswith(MODEL_PREFIX):
        prompt, model = prompt_as_model(model), ""
    messages = data.pop("messages", None)
    _check_messages(messages, optional=prompt is not None)
    if prompt is None and not model:
        raise RequestError("missing", where="model", remedy="Name a model alias, or a prompt by `prompt.id`.")
    stream = take_stream(data)
    _check_stream_options(data)
    return Request(
        model=model,
        messages=messages or [],
        params=data,
        stream=stream,
        user=_text(data, "user") or _text(data, "safety_identifier"),
        prompt=prompt,
    )


def read_prompt(data: Any) -> PromptRef | None:
    """`prompt: {id, version, variables}` as OpenAI defines it; `id` may end in `@version` or `@environment`."""
    if data is None:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not data["id"]:
        raise RequestError("must be an object with a text `id`", where="prompt")
    version, variables = (data.get(name) for name in ("version", "variables"))
    version = "" if version is None else version
    variables = {} if variables is None else variables
    if not isinstance(version, str):
        raise RequestError("must be a string", where="prompt.version")
    if not isinstance(variables, dict):
        raise RequestError("must be an object", where="prompt.variables")
    if unknown := sorted(data.keys() - {"id", "version", "variables"}):
        raise RequestError(f"unknown field {unknown[0]!r}", where=f"prompt.{unknown[0]}")
    name, suffix = _split(data["id"], "prompt.id")
    if version and suffix:
        raise RequestError("is given twice, in `id` and in `version`", where="prompt.version")
    return _reference(name, version or suffix, variables)


def prompt_as_model(model: str) -> PromptRef:
    """`model: "prompt:<name>@<environment or version>"`, for clients that can set only the model."""
    name, suffix = _split(model.removeprefix(MODEL_PREFIX), "model")
    if not name:
        raise RequestError("names no prompt", where="model", remedy='Write "prompt:<name>@<environment>".')
    ref = _reference(name, suffix, {})
    return msgspec.structs.replace(ref, from_messages=True)


def _split(text: str, where: str) -> tuple[str, str]:
    if len(text) > MAX_NAME:
        raise RequestError(f"is longer than {MAX_NAME} characters", where=where)
    name, _, suffix = text.partition("@")
    return name, suffix


def _reference(name: str, suffix: str, variables: dict[str, Any]) -> PromptRef:
    if _VERSION.match(suffix) or suffix == "latest":
        return PromptRef(name=name, version=suffix.removeprefix("v"), variables=variables)
    return PromptRef(name=name, environment=suffix, variables=variables)


def _check_messages(messages: Any, *, optional: bool) -> None:
    if messages is None and optional:
        return
    if not isinstance(messages, list) or (not messages and not optional):
        raise RequestError("must be a list of messages, not empty", where="messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise RequestError("must be an object with a text `role`", where=f"messages[{index}]")
        content = message.get("content")
        if content is not None and not isinstance(content, str | list):
            raise RequestError("must be text or a list of parts", where=f"messages[{index}].content")


def _check_stream_options(data: dict[str, Any]) -> None:
    options = data.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise RequestError("must be an object", where="stream_options")


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


class ChunkEncoder:
    """Events -> server-sent events. Pieces the provider sent in this format go out untouched."""

    def __init__(self, call: Call, model: str = "") -> None:
        """`model` is shown as the one that answers, when it is another than the call's."""
        self._head = {
            "id": call.id,
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model or call.model,
        }
        self._call = call
        options = call.params.get("stream_options") or {}
        self._include_usage = bool(options.get("include_usage"))
        self._counted = True
        self._untouched = True
        self._started = False
        self._thoughts = Answer()

    def encode(self, event: Event) -> bytes:
        """The bytes of one event."""
        if isinstance(event, Finished):
            return self._finish(event)
        if event.only_counts:
            return b""
        if event.raw is not None and self._untouched:
            self._started = True
            return event.raw
        self._untouched = False
        delta: dict[str, Any] = {} if self._started else {"role": "assistant"}
        self._started = True
        if event.text:
            delta["content"] = event.text
        if event.refusal:
            delta["refusal"] = event.refusal
        if event.reasoning or event.signature or event.redacted:
            delta |= self._think(event)
        if event.tool_calls:
            delta |= _called(self._call, [_tool_call_piece(piece) for piece in event.tool_calls])
        return self._event(choices=[{"index": 0, "delta": delta, "finish_reason": None}])

    def end(self) -> bytes:
        """`[DONE]`; before it the usage, when nobody reported one: the estimate of it is made when the try is over."""
        return DONE if self._counted or not self._include_usage else self._usage(told_usage(self._call, None)) + DONE

    def fail(self, error: MoatError) -> bytes:
        """An error event; no `[DONE]` follows, so that a cut stream never looks complete."""
        return b"data: " + error_body(error) + b"\n\n"

    def _think(self, event: Delta) -> dict[str, Any]:
        """Thinking, and the blocks that are complete with it; clients put lists together by `index`."""
        known = len(self._thoughts.thinking_blocks)
        self._thoughts.add(event)
        found = self._thoughts.thinking_blocks[known:]
        blocks = [{"index": known + offset, **block} for offset, block in enumerate(found)]
        thoughts = {"reasoning_content": event.reasoning} if event.reasoning else {}
        return {**thoughts, "thinking_blocks": blocks} if blocks else thoughts

    def _finish(self, event: Finished) -> bytes:
        self._counted = event.usage is not None
        if self._untouched and self._started:
            return b""
        end = self._event(choices=[{"index": 0, "delta": {}, "finish_reason": _reason(self._call, event)}])
        if self._include_usage and event.usage is not None:
            end += self._usage(event.usage)
        return end

    def _usage(self, usage: Usage) -> bytes:
        return self._event(choices=[], usage=usage_body(usage))

    def _event(self, **members: Any) -> bytes:
        return b"data: " + _encode({**self._head, **members}) + b"\n\n"


def _tool_call_piece(piece: Any) -> dict[str, Any]:
    function: dict[str, Any] = {"arguments": piece.arguments}
    if piece.name:
        function["name"] = piece.name
    call: dict[str, Any] = {"index": piece.index, "function": function}
    if piece.id:
        call |= {"id": piece.id, "type": "function"}
    return call | signed(piece.signature)


def _called(call: Call, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Calls of tools, in the words of the request: those that came before tools had one function at a time."""
    return {"function_call": calls[0]["function"]} if "functions" in call.params else {"tool_calls": calls}


def _reason(call: Call, finished: Finished) -> str:
    return "function_call" if finished.reason == "tool_calls" and "functions" in call.params else finished.reason


def completion_body(call: Call, events: list[Event]) -> bytes:
    """The body of an answer that is not streamed: the provider's own when nothing changed it."""
    deltas = [event for event in events if isinstance(event, Delta) and not event.only_counts]
    if len(deltas) == 1 and deltas[0].raw is not None:
        return deltas[0].raw
    answer = Answer()
    for event in events:
        answer.add(event)
    finished = answer.finished
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text or None,
        "refusal": answer.refusal or None,
    }
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.thinking_blocks:
        message["thinking_blocks"] = answer.thinking_blocks
    if answer.calls:
        message |= _called(call, answer.tool_calls)
    return _encode(
        {
            "id": call.id,
            "object": "chat.completion",
            "created": int(time.time()),
            "model": (finished.model if finished else "") or call.model,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": _reason(call, finished) if finished else None,
                }
            ],
            "usage": usage_body(told_usage(call, finished)),
        }
    )


def usage_body(usage: Usage) -> dict[str, Any]:
    """Token counts in OpenAI's names."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}


def error_body(error: MoatError) -> bytes:
    """An error in OpenAI's shape: `{"error": {message, type, param, code}}`."""
    is_parameter = isinstance(error, RequestError | ConflictError) and bool(error.where)
    return _encode(
        {
            "error": {
                "message": str(error),
                "type": _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error"),
                "param": error.where if is_parameter else None,
                "code": error.code,
            }
        }
    )


class OpenAIChat:
    """`moat.gateway.format.Format` of `POST /v1/chat/completions`."""

    wire: Wire = "openai"
    operation: Operation = "chat"

    def parse(self, incoming: Incoming) -> Request:
        """See `parse_chat`."""
        return parse_chat(incoming.body)

    def encoder(self, call: Call) -> ChunkEncoder:
        """Chunks."""
        return ChunkEncoder(call)

    def body(self, call: Call, events: list[Event]) -> tuple[bytes, Headers]:
        """A chat completion."""
        return completion_body(call, events), [JSON]

    def error(self, error: MoatError) -> bytes:
        """See `error_body`."""
        return error_body(error)
