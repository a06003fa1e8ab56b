"""What Anthropic answers -> events: whole messages, streams and errors.

Source: https://docs.claude.com/en/api/messages, .../messages-streaming and .../errors. Only what is used is looked at;
blocks that have no canonical form (results of server tools, citations) reach Anthropic clients as bytes.
"""

import contextlib
from typing import Any

import msgspec

from moat.adapters.providers.beside import texts_in
from moat.adapters.providers.openai_errors import error_for
from moat.adapters.providers.sse import EventParser, SentEvent
from moat.domain.calls import Call, Delta, Event, Finished, ToolCallDelta
from moat.domain.errors import ContextOverflow, ProviderDown, ProviderError, StreamCut
from moat.domain.usage import Usage, tier_of

REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""By type, of errors that come without a status of their own."""

_TOO_LONG = ("prompt is too long", "exceed context limit", "maximum context length")
_encode = msgspec.json.Encoder().encode

Json = dict[str, Any]


class _Tokens(msgspec.Struct):
    """`usage.cache_creation`, `usage.output_tokens_details` and `usage.server_tool_use`."""

    ephemeral_1h_input_tokens: int | None = None
    thinking_tokens: int | None = None
    web_search_requests: int | None = None
    code_execution_requests: int | None = None


_NO_TOOLS = _Tokens()


class UsageBody(msgspec.Struct):
    """`usage`: of a message, or of one event of a stream, which may say only a part of it."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _Tokens | None = None
    output_tokens_details: _Tokens | None = None
    server_tool_use: _Tokens | None = None
    service_tier: Any = None
    speed: Any = None
    inference_geo: Any = None

    def usage(self) -> Usage:
        """In Moat's terms: what was read from or written to the cache is input too, and one place of inference is
        dearer, as a level of service is.
        """
        tools = self.server_tool_use or _NO_TOOLS
        cached, written = self.cache_read_input_tokens or 0, self.cache_creation_input_tokens or 0
        return Usage(
            input=(self.input_tokens or 0) + cached + written,
            output=self.output_tokens or 0,
            cached=cached,
            cache_write=written,
            cache_write_long=(self.cache_creation and self.cache_creation.ephemeral_1h_input_tokens) or 0,
            reasoning=(self.output_tokens_details and self.output_tokens_details.thinking_tokens) or 0,
            searches=tools.web_search_requests or 0,
            runs=tools.code_execution_requests or 0,
            tier=tier_of(self.service_tier, self.speed, "us" if self.inference_geo == "us" else ""),
        )


class Body(msgspec.Struct):
    """A message, or an event of a stream; of each what is used."""

    type: str = ""
    content: list[Json] | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Json | None = None
    usage: Any = None
    error: Any = None
    message: "Body | None" = None
    delta: Json | None = None
    content_block: Json | None = None
    index: int = 0


_read = msgspec.json.Decoder(Body).decode


def read_usage(value: Any) -> UsageBody | None:
    """None for counts that are none: they are estimated then."""
    try:
        return msgspec.convert(value, UsageBody, strict=False) if value is not None else None
    except msgspec.ValidationError:
        return None


def read_body(data: bytes, *, where: str) -> Body:
    """Decode. Raises `ProviderDown`, or what an error that stands there means."""
    try:
        body = _read(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderDown(f"sent something that is not a message: {error}", where=where) from None
    if body.type == "error" or body.error:
        raise error_in_body(body.error, where=where)
    return body


def error_in_body(error: Any, *, where: str) -> ProviderError:
    """An error that came in the middle of a stream, or in an answer with status 200."""
    kind, message = _said(error)
    return error_of(STATUSES.get(kind, 500), {}, kind, message, where=where)


def error_in_answer(status: int, headers: dict[str, str], body: bytes, *, where: str) -> ProviderError | None:
    """An answer with another status, None when its body is not of Anthropic's shape."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    kind, message = _said(decoded.get("error") if isinstance(decoded, dict) else None)
    return error_of(status, headers, kind, message, where=where) if kind or message else None


def error_of(status: int, headers: dict[str, str], kind: str, message: str, *, where: str) -> ProviderError:
    """What status, type and words mean together."""
    if status in (400, 413) and any(words in message.lower() for words in _TOO_LONG):
        return ContextOverflow(f"answered {status}: {message}", where=where)
    words = f"{kind}: {message}" if kind and message else kind or message
    # Who pays is our business, as credentials are: no caller can mend it.
    return error_for(403 if status == 402 else status, headers, words, where=where)


def _said(error: Any) -> tuple[str, str]:
    if not isinstance(error, dict):
        return "", " ".join(error.split())[:500] if isinstance(error, str) else ""
    kind, message = error.get("type"), error.get("message")
    return (
        kind[:64] if isinstance(kind, str) else "",
        " ".join(message.split())[:500] if isinstance(message, str) else "",
    )


def whole(call: Call, raw: bytes, answer_tool: str, *, where: str) -> list[Event]:
    """A message in one piece. For an Anthropic client it is one `Delta` with the bytes, else one for each block."""
    body = read_body(raw, where=where)
    if body.type != "message" or body.content is None:
        raise ProviderDown("sent an answer without content", where=where)
    native = call.wire == "anthropic" and not answer_tool
    reader = _Blocks(answer_tool, where, native=native)
    deltas = [delta for index, block in enumerate(body.content) for delta in reader.block(index, block)]
    deltas += _refusal(body.stop_details)
    if native:
        deltas = [_joined(deltas, raw)]
    return [*deltas, _finished(body, read_usage(body.usage), answer_tool, body.model)]


def _joined(deltas: list[Delta], raw: bytes) -> Delta:
    """One piece with the bytes it came in."""
    return Delta(
        text="".join(delta.text for delta in deltas),
        tool_calls=tuple(piece for delta in deltas for piece in delta.tool_calls),
        refusal="".join(delta.refusal for delta in deltas),
        reasoning="".join(delta.reasoning for delta in deltas),
        signature="".join(delta.signature for delta in deltas),
        redacted="".join(delta.redacted for delta in deltas),
        beside="".join(delta.beside for delta in deltas),
        usage=next((delta.usage for delta in reversed(deltas) if delta.usage), None),
        raw=raw,
    )


def _finished(body: Body, usage: UsageBody | None, answer_tool: str, model: str | None) -> Finished:
    reason = REASONS.get(body.stop_reason or "end_turn", "stop")
    return Finished(
        reason="stop" if answer_tool and reason == "tool_calls" else reason,
        stop_sequence=body.stop_sequence or "",
        usage=usage.usage() if usage else None,
        model=model or "",
    )


def _refusal(details: Json | None) -> list[Delta]:
    words = details.get("explanation") if details else None
    return [Delta(refusal=words)] if isinstance(words, str) and words else []


_NOTHING = Delta()


class _Blocks:
    """Blocks and pieces of blocks -> `Delta`s. Tool calls are counted anew: their index is not the block's."""

    def __init__(self, answer_tool: str, where: str, *, native: bool) -> None:
        """`native`: the client gets all of it, what has no canonical form too."""
        self._answer_tool = answer_tool
        self._where = where
        self._native = native
        self._tools: dict[int, int] = {}
        """By the index of the block: the number of the tool call, -1 for the answer's own tool."""
        self._silent: set[int] = set()
        """Tool calls without arguments so far."""

    def block(self, index: int, block: Json) -> list[Delta]:
        """A whole block."""
        return [*self.begin(index, block), *self.end(index)]

    def begin(self, index: int, block: Json) -> list[Delta]:
        """`content_block_start`, or a whole block."""
        kind = block.get("type")
        if kind == "text":
            return _some(Delta(text=_text(block, "text"))) + self._beside(block.get("citations"))
        if kind == "thinking":
            return _some(Delta(reasoning=_text(block, "thinking"), signature=_text(block, "signature")))
        if kind == "redacted_thinking":
            return _some(Delta(redacted=_text(block, "data")))
        return self._begin_tool(index, block) if kind == "tool_use" else self._beside(block)

    def piece(self, index: int, delta: Json) -> list[Delta]:
        """`content_block_delta`."""
        kind = delta.get("type")
        if kind == "text_delta":
            return _some(Delta(text=_text(delta, "text")))
        if kind == "thinking_delta":
            return _some(Delta(reasoning=_text(delta, "thinking")))
        if kind == "signature_delta":
            return _some(Delta(signature=_text(delta, "signature")))
        if kind == "input_json_delta" and index in self._tools:
            return self._arguments(index, _text(delta, "partial_json"))
        return self._beside(delta)

    def end(self, index: int) -> list[Delta]:
        """`content_block_stop`: a tool that takes nothing gets an empty object."""
        return self._arguments(index, "{}") if index in self._silent else []

    def _beside(self, value: Any) -> list[Delta]:
        return _some(Delta(beside=texts_in(value))) if self._native else []

    def _begin_tool(self, index: int, block: Json) -> list[Delta]:
        name, given = _text(block, "name"), block.get("input")
        self._silent.add(index)
        if name == self._answer_tool and name:
            self._tools[index] = -1
            begun = []
        else:
            self._tools[index] = sum(1 for number in self._tools.values() if number >= 0)
            begun = [Delta(tool_calls=(ToolCallDelta(index=self._tools[index], id=_text(block, "id"), name=name),))]
        return begun + (self._arguments(index, _encode(given).decode()) if given else [])

    def _arguments(self, index: int, text: str) -> list[Delta]:
        if not text:
            return []
        self._silent.discard(index)
        number = self._tools[index]
        return [Delta(text=text) if number < 0 else Delta(tool_calls=(ToolCallDelta(index=number, arguments=text),))]


def _some(delta: Delta) -> list[Delta]:
    return [delta] if delta != _NOTHING else []


def _text(holder: Json, name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""


class Stream:
    """Events of a streamed message."""

    def __init__(self, call: Call, answer_tool: str, *, where: str) -> None:
        self._native = call.wire == "anthropic" and not answer_tool
        self._held = b""
        """Bytes before the first piece of the answer: until then another try may follow."""
        self._answer_tool = answer_tool
        self._where = where
        self._parser = EventParser(where=where)
        self._blocks = _Blocks(answer_tool, where, native=self._native)
        self._usage: UsageBody | None = None
        self._told: Usage | None = None
        """What the event that is being read says of it."""
        self._ended = Body()
        self._model = ""
        self._begun = False
        self.done = False
        """Was `message_stop` said?"""
        self.heard = False
        """Did the last bytes complete an event, other than a comment?"""

    def feed(self, chunk: bytes) -> list[Delta]:
        """The events of one network read."""
        self.heard = False
        deltas: list[Delta] = []
        for event in self._parser.feed(chunk):
            if self.done:
                break
            if event.data is not None:
                self.heard = True
                deltas += self._event(event)
        return deltas

    def finish(self) -> list[Event]:
        """What is left, and the end. Raises `StreamCut` when `message_stop` did not come."""
        rest: list[Event] = []
        if not self.done and self._parser.rest.strip():  # the last empty line may be missing
            with contextlib.suppress(ProviderDown):
                rest += self.feed(b"\n\n")
        if not self.done:
            raise StreamCut("ended the stream without its end mark", where=self._where)
        if self._held:
            rest.append(Delta(raw=self._held))
        return [*rest, _finished(self._ended, self._usage, self._answer_tool, self._model)]

    def _event(self, event: SentEvent) -> list[Delta]:
        body = read_body(event.data or b"", where=self._where)
        if body.type == "message_stop":
            self.done = True
            return []
        self._told = None
        deltas = self._read(body)
        counted = [Delta(usage=told) for told in (self._told,) if told]
        if not self._native:
            return deltas + counted
        self._held += event.raw
        if not self._begun and not deltas:
            return counted
        self._begun, held, self._held = True, self._held, b""
        return [_joined(deltas + counted, held)]

    def _read(self, body: Body) -> list[Delta]:
        if body.type == "message_start" and body.message is not None:
            self._model = body.message.model or ""
            self._count(read_usage(body.message.usage))
        elif body.type == "content_block_start" and body.content_block is not None:
            return self._blocks.begin(body.index, body.content_block)
        elif body.type == "content_block_delta" and body.delta is not None:
            return self._blocks.piece(body.index, body.delta)
        elif body.type == "content_block_stop":
            return self._blocks.end(body.index)
        elif body.type == "message_delta":
            self._count(read_usage(body.usage))
            return self._stop(body.delta or {})
        return []

    def _stop(self, delta: Json) -> list[Delta]:
        details = delta.get("stop_details")
        self._ended.stop_reason = _text(delta, "stop_reason") or self._ended.stop_reason
        self._ended.stop_sequence = _text(delta, "stop_sequence") or None
        return _refusal(details if isinstance(details, dict) else None)

    def _count(self, usage: UsageBody | None) -> None:
        """Later counts replace earlier ones: they are cumulative. What an event does not say stays as it was."""
        if usage is None:
            return
        if self._usage is None:
            self._usage = UsageBody()
        for name in UsageBody.__struct_fields__:
            value = getattr(usage, name)
            if value is not None:
                setattr(self._usage, name, value)
        self._told = self._usage.usage()
