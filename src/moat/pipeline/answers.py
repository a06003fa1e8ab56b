"""Collecting a stream of events into one answer."""

from typing import Any

import msgspec

from moat.domain.calls import Delta, Event, Finished, ToolCallDelta


class Answer(msgspec.Struct):
    """An answer as far as it came. Feed it every event; read it at any time."""

    text: str = ""
    refusal: str = ""
    reasoning: str = ""
    """The model's thinking, as far as it shows it."""
    thinking_blocks: list[dict[str, Any]] = msgspec.field(default_factory=list)
    """Blocks of it that are to be sent back untouched: see `moat.domain.calls.Message`."""
    calls: dict[int, dict[str, Any]] = msgspec.field(default_factory=dict)
    finished: Finished | None = None

    def add(self, event: Event) -> None:
        """Take in one event."""
        if isinstance(event, Finished):
            self.finished = event
            return
        if event.text:
            self.text += event.text
        if event.refusal:
            self.refusal += event.refusal
        if event.reasoning or event.signature or event.redacted:
            self._think(event)
        for piece in event.tool_calls:
            self._add_tool_call(piece)

    def _think(self, event: Delta) -> None:
        self.reasoning += event.reasoning
        if event.signature:
            told = sum(len(block.get("thinking", "")) for block in self.thinking_blocks)
            block = {"type": "thinking", "thinking": self.reasoning[told:], "signature": event.signature}
            self.thinking_blocks.append(block)
        if event.redacted:
            self.thinking_blocks.append({"type": "redacted_thinking", "data": event.redacted})

    def _add_tool_call(self, piece: ToolCallDelta) -> None:
        call = self.calls.setdefault(piece.index, {"id": "", "name": "", "arguments": "", "signature": ""})
        call["id"] = call["id"] or piece.id
        call["name"] = call["name"] or piece.name
        call["signature"] = call["signature"] or piece.signature
        call["arguments"] += piece.arguments

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """Whole tool calls in the OpenAI format, in the model's order."""
        return [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": call["arguments"]},
                **signed(call["signature"]),
            }
            for _, call in sorted(self.calls.items())
        ]


def signed(signature: str) -> dict[str, Any]:
    """Where a tool call carries what Google wants back with it: see `moat.domain.calls.Message`."""
    return {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}
