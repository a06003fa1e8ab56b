"""What the fault-injecting server says when nothing is wrong with it: bodies and events of three wire formats."""

import time
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from moat.domain.calls import new_id
from moat.domain.usage import estimate_tokens

_encode = msgspec.json.Encoder().encode

WORDS = ("This", " answer", " is", " simulated", " by", " a", " server", " that", " fails", " on", " purpose", ".")

UsageFault = Literal["", "missing", "repeated", "late", "absurd", "negative", "zero", "odd"]
"""What is wrong with the reported usage; what is billed stays what was produced."""

ABSURD = 10**18


class Piece(NamedTuple):
    """Bytes of a body, and the output tokens in them."""

    data: bytes
    tokens: int = 0


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request, as far as the answer depends on it."""

    number: int
    """From 1, in the order of arrival."""
    path: str
    model: str
    stream: bool = False
    params: dict[str, Any] = {}

    @property
    def input_tokens(self) -> int:
        """Four characters each, of everything that was asked."""
        asked = {name: self.params[name] for name in ("messages", "input", "system", "tools") if name in self.params}
        return estimate_tokens(_encode(asked).decode())


class Answer(msgspec.Struct, kw_only=True):
    """What the simulated model says, one word a token. Faults change it before it is written."""

    asked: Asked
    words: list[str]
    cut: bool = False
    """Did `max_tokens` end it?"""
    usage: UsageFault = ""
    tools: bool = False
    """Two tool calls instead of words, both with index 0."""
    id: str = msgspec.field(default_factory=lambda: new_id("sim"))

    @property
    def model(self) -> str:
        """Says that it is simulated."""
        return f"simulated/{self.asked.model}"

    def counts(self, said: int) -> tuple[int, int] | None:
        """Input and output tokens to report once so many were said; None: nothing is reported."""
        asked = self.asked.input_tokens
        match self.usage:
            case "missing":
                return None
            case "absurd":
                return ABSURD, ABSURD
            case "negative":
                return -asked, -said
            case "zero":
                return 0, 0
        return asked, said


def answer_to(asked: Asked, length: int) -> Answer:
    """`length` words, or as many as the request allows."""
    limit = asked.params.get("max_completion_tokens", asked.params.get("max_tokens"))
    wanted = min(length, limit) if isinstance(limit, int) and limit > 0 else length
    words = [WORDS[index % len(WORDS)] for index in range(wanted)]
    return Answer(asked=asked, words=words, cut=wanted < length)


class Wire(Protocol):
    """One endpoint's format."""

    speaks: bool
    """Does its answer hold words, so that output tokens are billed?"""

    def whole(self, answer: Answer) -> dict[str, Any]:
        """The body of an answer in one piece."""
        ...

    def events(self, answer: Answer) -> list[Piece]:
        """A stream, its end mark last."""
        ...

    def failed(self, status: int, message: str) -> dict[str, Any]:
        """The body of an error."""
        ...

    def failed_event(self, message: str) -> bytes:
        """An error in the middle of a stream."""
        ...


class ChatWire:
    """`POST /v1/chat/completions` (OpenAI)."""

    speaks = True

    def whole(self, answer: Answer) -> dict[str, Any]:
        """A chat completion."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(answer.words)}
        if answer.tools:
            message |= {"content": None, "tool_calls": [_tool_call(number) for number in (0, 1)]}
        body = _head(answer, "chat.completion")
        body["choices"] = [{"index": 0, "message": message, "logprobs": None, "finish_reason": self._reason(answer)}]
        return body | _chat_usage(answer, len(answer.words))

    def events(self, answer: Answer) -> list[Piece]:
        """Chunks and `[DONE]`."""
        head = _head(answer, "chat.completion.chunk")
        pieces = []
        deltas: list[dict[str, Any]] = [{"content": word} for word in answer.words]
        if answer.tools:
            deltas = [{"tool_calls": [_tool_call(number)]} for number in (0, 1)]
        for said, delta in enumerate(deltas, start=1):
            first = {"role": "assistant"} if said == 1 else {}
            usage = _chat_usage(answer, said) if answer.usage == "repeated" else {}
            choice = {"index": 0, "delta": first | delta, "finish_reason": None}
            pieces.append(Piece(_sse(head | {"choices": [choice]} | usage), 1))
        end = {"index": 0, "delta": {}, "finish_reason": self._reason(answer)}
        pieces.append(Piece(_sse(head | {"choices": [end]})))
        options = answer.asked.params.get("stream_options")
        if isinstance(options, dict) and options.get("include_usage") and answer.usage != "missing":
            comments = b": still counting\n\n" * 20 if answer.usage == "late" else b""
            usage = _chat_usage(answer, len(answer.words))
            pieces.append(Piece(comments + _sse(head | {"choices": []} | usage)))
        return [*pieces, Piece(b"data: [DONE]\n\n")]

    def failed(self, status: int, message: str) -> dict[str, Any]:
        """OpenAI's shape."""
        return {"error": {"message": message, "type": "simulated_error", "param": None, "code": f"simulated_{status}"}}

    def failed_event(self, message: str) -> bytes:
        """Where a chunk would stand."""
        return _sse(self.failed(500, message))

    def _reason(self, answer: Answer) -> str:
        return "tool_calls" if answer.tools else "length" if answer.cut else "stop"


class MessagesWire:
    """`POST /v1/messages` (Anthropic)."""

    speaks = True

    def whole(self, answer: Answer) -> dict[str, Any]:
        """A message."""
        content: list[dict[str, Any]] = [{"type": "text", "text": "".join(answer.words)}]
        if answer.tools:
            content = [
                {"type": "tool_use", "id": f"toolu_simulated_{n}", "name": "look_up", "input": {}} for n in (0, 1)
            ]
        message = self._message(answer) | {"content": content, "stop_reason": self._reason(answer)}
        return message | _messages_usage(answer, len(answer.words))

    def events(self, answer: Answer) -> list[Piece]:
        """Typed events, `message_stop` last."""
        start = self._message(answer) | _messages_usage(answer, 0)
        pieces = [_event("message_start", message=start)]
        blocks: list[list[Piece]] = [self._text(answer)] if not answer.tools else [self._tool(n) for n in (0, 1)]
        for block in blocks:
            pieces += block
        end = {"stop_reason": self._reason(answer), "stop_sequence": None}
        usage = _messages_usage(answer, len(answer.words))
        pieces += [_event("message_delta", delta=end, **usage)] * (3 if answer.usage == "repeated" else 1)
        return [*pieces, _event("message_stop")]

    def failed(self, status: int, message: str) -> dict[str, Any]:
        """Anthropic's shape."""
        kind = {429: "rate_limit_error", 529: "overloaded_error", 401: "authentication_error"}
        name = kind.get(status, "invalid_request_error" if status < 500 else "api_error")
        return {"type": "error", "error": {"type": name, "message": message}}

    def failed_event(self, message: str) -> bytes:
        """An `error` event."""
        return b"event: error\n" + _sse(self.failed(500, message))

    def _message(self, answer: Answer) -> dict[str, Any]:
        return {
            "id": answer.id,
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }

    def _text(self, answer: Answer) -> list[Piece]:
        start = _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        words = [
            _event("content_block_delta", 1, index=0, delta={"type": "text_delta", "text": word})
            for word in answer.words
        ]
        return [start, *words, _event("content_block_stop", index=0)]

    def _tool(self, number: int) -> list[Piece]:
        block = {"type": "tool_use", "id": f"toolu_simulated_{number}", "name": "look_up", "input": {}}
        delta = {"type": "input_json_delta", "partial_json": "{}"}
        return [
            _event("content_block_start", index=0, content_block=block),
            _event("content_block_delta", 1, index=0, delta=delta),
            _event("content_block_stop", index=0),
        ]

    def _reason(self, answer: Answer) -> str:
        return "tool_use" if answer.tools else "max_tokens" if answer.cut else "end_turn"


class EmbeddingsWire(ChatWire):
    """`POST /v1/embeddings` (OpenAI). Nothing is streamed, and nothing is produced but numbers."""

    speaks = False

    def whole(self, answer: Answer) -> dict[str, Any]:
        """One vector of three numbers for each input."""
        given = answer.asked.params.get("input")
        count = len(given) if isinstance(given, list) else 1
        data = [{"object": "embedding", "index": index, "embedding": [0.6, 0.0, 0.8]} for index in range(count)]
        counts = answer.counts(0)
        usage = {} if counts is None else {"usage": {"prompt_tokens": counts[0], "total_tokens": counts[0]}}
        return {"object": "list", "model": answer.model, "data": data} | usage


WIRES: dict[str, Wire] = {
    "/chat/completions": ChatWire(),
    "/embeddings": EmbeddingsWire(),
    "/messages": MessagesWire(),
}
"""By the end of the path."""


def wire_of(path: str) -> Wire | None:
    """The format of a path, whatever it begins with."""
    return next((wire for end, wire in WIRES.items() if path.endswith(end)), None)


def _head(answer: Answer, kind: str) -> dict[str, Any]:
    return {"id": answer.id, "object": kind, "created": int(time.time()), "model": answer.model}


def _tool_call(number: int) -> dict[str, Any]:
    function = {"name": "look_up", "arguments": "{}"}
    return {"index": 0, "id": f"call_simulated_{number}", "type": "function", "function": function}


def _chat_usage(answer: Answer, said: int) -> dict[str, Any]:
    counts = answer.counts(said)
    if counts is None:
        return {}
    if answer.usage == "odd":
        return {"usage": "many"}
    return {"usage": {"prompt_tokens": counts[0], "completion_tokens": counts[1], "total_tokens": sum(counts)}}


def _messages_usage(answer: Answer, said: int) -> dict[str, Any]:
    counts = answer.counts(said)
    if counts is None:
        return {}
    return {"usage": "many" if answer.usage == "odd" else {"input_tokens": counts[0], "output_tokens": counts[1]}}


def _sse(data: dict[str, Any]) -> bytes:
    return b"data: " + _encode(data) + b"\n\n"


def _event(kind: str, tokens: int = 0, **members: Any) -> Piece:
    return Piece(b"event: " + kind.encode() + b"\n" + _sse({"type": kind, **members}), tokens)
