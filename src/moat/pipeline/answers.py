"""Collecting a stream of events into one answer."""

from typing import Any

import msgspec

from moat.domain.calls import Event, Finished, ToolCallDelta


class Answer(msgspec.Struct):
    """An answer as far as it came. Feed it every event; read it at any time."""

    text: str = ""
    refusal: str = ""
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
        for piece in event.tool_calls:
            self._add_tool_call(piece)

    def _add_tool_call(self, piece: ToolCallDelta) -> None:
        call = self.calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
        call["id"] = call["id"] or piece.id
        call["name"] = call["name"] or piece.name
        call["arguments"] += piece.arguments

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """Whole tool calls in the OpenAI format, in the model's order."""
        return [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": call["arguments"]},
            }
            for _, call in sorted(self.calls.items())
        ]
