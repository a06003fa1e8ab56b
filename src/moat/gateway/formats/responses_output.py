"""Events of an answer -> output items of OpenAI's responses API, and the typed events that tell of them.

Source: https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from collections.abc import Iterator
from typing import Any, Literal

from moat.domain.calls import Delta, ToolCallDelta
from moat.gateway.formats.responses_items import Item, seal

Kind = Literal["output_text", "refusal"]
Status = Literal["completed", "incomplete"]


class Output:
    """The items of one answer. Whatever `add` and `finish` yield is an event of the stream, without its number.

    Text and reasoning are written one item after the other; function calls stay open until the end, since some
    providers send their pieces in turn.
    """

    def __init__(self, seed: str) -> None:
        """`seed` makes the items' ids: `msg_<seed>_0`."""
        self._seed = seed
        self.items: list[Item] = []
        """Those begun; text and arguments stand in them when they are done."""
        self._writing: _Reasoning | _Message | None = None
        self._calls: dict[int, _FunctionCall] = {}

    def add(self, delta: Delta) -> Iterator[Item]:
        """Take in one piece of the answer."""
        if delta.reasoning:
            yield from self._think(delta.reasoning)
        if delta.signature:
            yield from self._sign(delta.signature)
        if delta.redacted:
            yield from self._redact(delta.redacted)
        if delta.text:
            yield from self._say("output_text", delta.text)
        if delta.refusal:
            yield from self._say("refusal", delta.refusal)
        for piece in delta.tool_calls:
            yield from self._call(piece)

    def finish(self, status: Status) -> Iterator[Item]:
        """Close what is open, with this status."""
        yield from self._close(status)
        for call in self._calls.values():
            if call.index < 0:
                yield self._begin(call)
            yield from call.close(status)

    def _think(self, text: str) -> Iterator[Item]:
        if not isinstance(self._writing, _Reasoning):
            yield from self._close()
            self._writing = _Reasoning()
            yield self._begin(self._writing)
        yield from self._writing.write(text)

    def _sign(self, signature: str) -> Iterator[Item]:
        """The signature belongs to the thinking before it; without any, it stands for thinking that is not shown."""
        if not isinstance(self._writing, _Reasoning):
            yield from self._think("")
        assert isinstance(self._writing, _Reasoning), "just opened"
        self._writing.seal({"type": "thinking", "thinking": self._writing.text, "signature": signature})
        yield from self._close()

    def _redact(self, data: str) -> Iterator[Item]:
        yield from self._close()
        hidden = _Reasoning()
        hidden.seal({"type": "redacted_thinking", "data": data})
        yield self._begin(hidden)
        yield from hidden.close("completed")

    def _say(self, kind: Kind, text: str) -> Iterator[Item]:
        if not isinstance(self._writing, _Message):
            yield from self._close()
            self._writing = _Message()
            yield self._begin(self._writing)
        yield from self._writing.write(kind, text)

    def _call(self, piece: ToolCallDelta) -> Iterator[Item]:
        yield from self._close()
        call = self._calls.setdefault(piece.index, _FunctionCall(f"call_{self._seed}_{piece.index}"))
        call.name(piece)
        if call.index < 0 and call.item["name"]:
            yield self._begin(call)
        yield from call.write(piece.arguments)

    def _begin(self, writing: "_Writing") -> Item:
        """Give an item its place and id, and tell of it."""
        writing.index = len(self.items)
        writing.item["id"] = f"{writing.prefix}_{self._seed}_{writing.index}"
        self.items.append(writing.item)
        return {"type": "response.output_item.added", "output_index": writing.index, "item": dict(writing.item)}

    def _close(self, status: Status = "completed") -> Iterator[Item]:
        if self._writing is not None:
            yield from self._writing.close(status)
            self._writing = None


class _Writing:
    """An item that is being written."""

    prefix = ""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.index = -1
        """Its place in the output; -1 until it has begun."""
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """What was written since the last part began."""
        return "".join(self._pieces)

    def event(self, kind: str, **members: Any) -> Item:
        """An event about this item."""
        return {"type": f"response.{kind}", "item_id": self.item["id"], "output_index": self.index, **members}

    def done(self, status: Status) -> Item:
        """The item as it stays."""
        self.item["status"] = status
        return {"type": "response.output_item.done", "output_index": self.index, "item": dict(self.item)}


class _Reasoning(_Writing):
    """Thinking, shown as a summary of one part."""

    prefix = "rs"

    def __init__(self) -> None:
        super().__init__({"type": "reasoning", "id": "", "summary": [], "status": "in_progress"})

    def seal(self, block: Item) -> None:
        """Keep what the provider wants back."""
        self.item["encrypted_content"] = seal([block])

    def write(self, text: str) -> Iterator[Item]:
        if not text:
            return
        if not self._pieces:
            yield self.event("reasoning_summary_part.added", summary_index=0, part=_summary(""))
        self._pieces.append(text)
        yield self.event("reasoning_summary_text.delta", summary_index=0, delta=text)

    def close(self, status: Status) -> Iterator[Item]:
        if self._pieces:
            part = _summary(self.text)
            yield self.event("reasoning_summary_text.done", summary_index=0, text=self.text)
            yield self.event("reasoning_summary_part.done", summary_index=0, part=part)
            self.item["summary"] = [part]
        yield self.done(status)


class _Message(_Writing):
    """What is said, in parts of text and refusal."""

    prefix = "msg"

    def __init__(self) -> None:
        super().__init__({"type": "message", "id": "", "role": "assistant", "status": "in_progress", "content": []})
        self._parts: list[Item] = []
        self._kind: Kind | None = None

    def write(self, kind: Kind, text: str) -> Iterator[Item]:
        if kind != self._kind:
            yield from self._close_part()
            self._kind = kind
            yield self.event("content_part.added", content_index=len(self._parts), part=_part(kind, ""))
        self._pieces.append(text)
        more = _LOGPROBS if kind == "output_text" else {}
        yield self.event(f"{kind}.delta", content_index=len(self._parts), delta=text, **more)

    def close(self, status: Status) -> Iterator[Item]:
        yield from self._close_part()
        self.item["content"] = self._parts
        yield self.done(status)

    def _close_part(self) -> Iterator[Item]:
        if self._kind is None:
            return
        at, text = len(self._parts), self.text
        words: Item = {"text": text, **_LOGPROBS} if self._kind == "output_text" else {"refusal": text}
        yield self.event(f"{self._kind}.done", content_index=at, **words)
        self._parts.append(_part(self._kind, text))
        yield self.event("content_part.done", content_index=at, part=self._parts[-1])
        self._kind = None
        self._pieces.clear()


class _FunctionCall(_Writing):
    """A call of a function, told of as soon as its name is known."""

    prefix = "fc"

    def __init__(self, call_id: str) -> None:
        super().__init__(
            {
                "type": "function_call",
                "id": "",
                "call_id": "",
                "name": "",
                "arguments": "",
                "status": "in_progress",
            }
        )
        self._default_id = call_id
        self._told = 0

    def name(self, piece: ToolCallDelta) -> None:
        """Take in what a piece says besides arguments; the first word counts."""
        self.item["name"] = self.item["name"] or piece.name
        if self.index < 0:
            self.item["call_id"] = piece.id or self.item["call_id"] or self._default_id
        if piece.signature:
            self.item["extra_content"] = {"google": {"thought_signature": piece.signature}}

    def write(self, arguments: str) -> Iterator[Item]:
        if arguments:
            self._pieces.append(arguments)
        if self.index >= 0 and self._told < len(self._pieces):
            news = "".join(self._pieces[self._told :])
            self._told = len(self._pieces)
            yield self.event("function_call_arguments.delta", delta=news)

    def close(self, status: Status) -> Iterator[Item]:
        yield from self.write("")
        self.item["arguments"] = self.text
        yield self.event("function_call_arguments.done", name=self.item["name"], arguments=self.text)
        yield self.done(status)


_LOGPROBS: Item = {"logprobs": []}


def _summary(text: str) -> Item:
    return {"type": "summary_text", "text": text}


def _part(kind: Kind, text: str) -> Item:
    if kind == "output_text":
        return {"type": kind, "text": text, "annotations": [], "logprobs": []}
    return {"type": kind, "refusal": text}
