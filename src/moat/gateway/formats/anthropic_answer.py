"""Events -> Anthropic's messages and their streams (https://docs.claude.com/en/api/messages-streaming)."""

from typing import Any

import msgspec

from moat.domain.calls import Call, Delta, Event, Finished, ToolCallDelta, new_id
from moat.domain.errors import MoatError
from moat.domain.usage import Usage, estimate_tokens
from moat.pipeline.estimates import input_tokens

Json = dict[str, Any]

STOPPED = b"event: content_block_stop"
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
REASONS = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_encode = msgspec.json.Encoder().encode


def error_body(error: MoatError, request_id: str = "") -> bytes:
    """`{"type": "error", "error": {type, message}, "request_id"}`; `details.error_code` is Moat's own code."""
    kind = TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    said = {"type": kind, "message": str(error), "details": {"error_code": error.code}}
    return _encode({"type": "error", "error": said, "request_id": request_id or error.request_id or None})


def stop_of(finished: Finished, *, called: bool, refused: bool) -> Json:
    """`stop_reason` and `stop_sequence`. Some servers say `stop` after tool calls."""
    reason = REASONS.get(finished.reason, "end_turn")
    if reason == "end_turn" and (refused or called or finished.stop_sequence):
        reason = "refusal" if refused else "tool_use" if called else "stop_sequence"
    return {"stop_reason": reason, "stop_sequence": finished.stop_sequence or None}


def usage_body(usage: Usage) -> Json:
    """Token counts in Anthropic's terms: what was read from or written to a cache is not input."""
    return {
        "input_tokens": max(0, usage.input - usage.cached - usage.cache_write),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": max(0, usage.cache_write - usage.cache_write_long),
            "ephemeral_1h_input_tokens": usage.cache_write_long,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }


def message_body(call: Call, events: list[Event]) -> bytes:
    """A whole answer: the provider's own when nothing changed it."""
    deltas = [event for event in events if isinstance(event, Delta) and not event.only_counts]
    if len(deltas) == 1 and deltas[0].raw is not None:
        return deltas[0].raw
    blocks, finished = Blocks(), Finished(reason="stop")
    for event in events:
        if isinstance(event, Finished):
            finished = event
        else:
            blocks.add(event)
    blocks.close()
    return _encode(
        {
            **head(call, finished.model or call.model),
            "content": blocks.whole(),
            **stop_of(finished, called=blocks.called, refused=blocks.refused),
            "usage": usage_body(finished.usage or blocks.estimate(call)),
        }
    )


def head(call: Call, model: str) -> Json:
    """Members that a message has from its start."""
    return {"id": f"msg_{call.id.removeprefix('req_')}", "type": "message", "role": "assistant", "model": model}


class Block:
    """One content block as it grows."""

    def __init__(self, kind: str, start: Json) -> None:
        self.kind = kind
        self.start = start
        """As `content_block_start` has it: with empty text."""
        self.pieces: list[Json] = []
        """The deltas."""
        self.sent = 0
        """How many of them went out."""
        self.signed = False
        self.stopped = False
        """Did its end go out in the provider's own bytes?"""


class Blocks:
    """Deltas -> blocks, one after the other. Pieces of several tool calls may come mixed: each is its own block."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.called = False
        self.refused = False
        self._tools: dict[int, Block] = {}

    def add(self, delta: Delta) -> None:
        """Take in one piece."""
        if delta.reasoning:
            self._open("thinking").pieces.append({"type": "thinking_delta", "thinking": delta.reasoning})
        if delta.signature:
            block = self._open("thinking")
            block.pieces.append({"type": "signature_delta", "signature": delta.signature})
            block.signed = True
        if delta.redacted:
            self._new("redacted_thinking", {"type": "redacted_thinking", "data": delta.redacted})
        if delta.refusal:
            self.refused = True
        if text := delta.text + delta.refusal:
            self._open("text").pieces.append({"type": "text_delta", "text": text})
        for piece in delta.tool_calls:
            self._tool(piece)

    def close(self) -> None:
        """The answer is complete: a call that was never named gets what an id and a name must be."""
        for block in self._tools.values():
            block.start["id"] = block.start["id"] or new_id("toolu")

    def estimate(self, call: Call) -> Usage:
        """For a provider that reported nothing: clients count on numbers."""
        pieces = (piece for block in self.blocks for piece in block.pieces)
        said = "".join(text for piece in pieces for name, text in piece.items() if name != "type")
        return Usage(input=input_tokens(call), output=estimate_tokens(said), estimated=True)

    def whole(self) -> list[Json]:
        """The blocks with their pieces joined."""
        return [_whole(block) for block in self.blocks]

    def _open(self, kind: str) -> Block:
        """The last block when it is of this kind and may grow, else a new one."""
        last = self.blocks[-1] if self.blocks else None
        if last is not None and last.kind == kind and not last.signed:
            return last
        if kind == "thinking":
            return self._new(kind, {"type": "thinking", "thinking": "", "signature": ""})
        return self._new(kind, {"type": "text", "text": ""})

    def _new(self, kind: str, start: Json) -> Block:
        self.blocks.append(Block(kind, start))
        return self.blocks[-1]

    def _tool(self, piece: ToolCallDelta) -> None:
        self.called = True
        block = self._tools.get(piece.index)
        if block is None:
            block = self._new("tool_use", {"type": "tool_use", "id": "", "name": "", "input": {}})
            self._tools[piece.index] = block
        block.start["id"] = block.start["id"] or piece.id
        block.start["name"] = block.start["name"] or piece.name
        if piece.arguments:
            block.pieces.append({"type": "input_json_delta", "partial_json": piece.arguments})


_JOINED = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


def _whole(block: Block) -> Json:
    whole = dict(block.start)
    for piece in block.pieces:
        if (name := _JOINED.get(piece["type"])) is not None:
            whole[name] += piece[name]
    if block.kind == "tool_use":
        whole["input"] = _arguments("".join(piece["partial_json"] for piece in block.pieces))
    return whole


def _arguments(text: str) -> Json:
    """What is no JSON object (a small model's slip) is kept for the client to see."""
    try:
        decoded = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError):
        return {"invalid_json": text}
    return decoded if isinstance(decoded, dict) else {"invalid_json": text}


class MessageEncoder:
    """Events -> server-sent events. Pieces the provider sent in this format go out untouched.

    Blocks go out one after the other. The first that is not complete goes out as it grows: text and thinking until
    another block begins, a tool call until the answer ends, since its pieces may be mixed with those of other calls.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._blocks = Blocks()
        self._position = 0
        """The block that is going out."""
        self._open = False
        self._untouched = True
        self._started = False

    def encode(self, event: Event) -> bytes:
        """The bytes of one event."""
        if isinstance(event, Finished):
            return self._finish(event)
        if event.only_counts:
            return b""
        if event.raw is not None and self._untouched:
            self._started = True
            self._blocks.add(event)
            if event.raw.startswith(STOPPED) and self._blocks.blocks:
                self._blocks.blocks[-1].stopped = True
            return event.raw
        if self._untouched:
            self._take_over()
        self._blocks.add(event)
        return self._start() + self._grow()

    def end(self) -> bytes:
        """`message_stop`."""
        return STOP

    def fail(self, error: MoatError) -> bytes:
        """An error event; no `message_stop` follows, so that a cut stream never looks complete."""
        return b"event: error\ndata: " + error_body(error, self._call.id) + b"\n\n"

    def _take_over(self) -> None:
        """Go on after the bytes that went out untouched."""
        self._untouched = False
        for block in self._blocks.blocks:
            block.sent = len(block.pieces)
        self._position = sum(1 for block in self._blocks.blocks if block.stopped)
        self._open = self._position < len(self._blocks.blocks)

    def _start(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        usage = usage_body(Usage(input=input_tokens(self._call), estimated=True))
        message = {**head(self._call, self._call.model), "content": [], "stop_reason": None, "stop_sequence": None}
        return _event("message_start", message={**message, "usage": usage})

    def _finish(self, event: Finished) -> bytes:
        if self._untouched and self._started:
            return b""
        self._untouched = False
        self._blocks.close()
        out = self._start() + self._grow(last=True)
        delta = stop_of(event, called=self._blocks.called, refused=self._blocks.refused)
        return out + _event(
            "message_delta", delta=delta, usage=usage_body(event.usage or self._blocks.estimate(self._call))
        )

    def _grow(self, *, last: bool = False) -> bytes:
        """What can go out by now; everything when it is the last time."""
        out = b""
        blocks = self._blocks.blocks
        while self._position < len(blocks):
            block, index = blocks[self._position], self._position
            if not self._open:
                if block.kind == "tool_use" and not (block.start["id"] and block.start["name"]) and not last:
                    break
                self._open = True
                out += _event("content_block_start", index=index, content_block=block.start)
            for piece in block.pieces[block.sent :]:
                out += _event("content_block_delta", index=index, delta=piece)
            block.sent = len(block.pieces)
            followed = index + 1 < len(blocks) and block.kind != "tool_use"
            if not (last or followed or block.signed or block.kind == "redacted_thinking"):
                break
            out += _event("content_block_stop", index=index)
            self._position, self._open = self._position + 1, False
        return out


def _event(kind: str, **members: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + _encode({"type": kind, **members}) + b"\n\n"
