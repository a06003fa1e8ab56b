"""Which tool call a piece of a stream belongs to."""

import msgspec
from msgspec.structs import replace

from moat.adapters.providers.openai_wire import Message
from moat.domain.calls import ToolCallDelta


class _Begun(msgspec.Struct):
    number: int
    id: str
    name: str
    arguments: str

    def is_whole(self) -> bool:
        if not self.arguments.endswith("}"):
            return False
        try:
            msgspec.json.decode(self.arguments)
        except (msgspec.DecodeError, RecursionError):
            return False
        return True

    def ends_before(self, piece: ToolCallDelta) -> bool:
        """Does the piece, at the same place, begin another call?

        One that names itself does, once the arguments so far are whole: some servers say name, and a new id, with each
        piece of one call.
        """
        other = piece.id not in ("", self.id)
        if not self.arguments:
            return other and piece.name not in ("", self.name)
        return bool(other or piece.name) and self.is_whole()


class StreamedCalls:
    """Numbers the tool calls of one stream.

    OpenAI gives each an `index`. Some servers give all of them 0, or none, and tell them apart by ids or names alone.
    """

    def __init__(self) -> None:
        self._at: dict[int, _Begun] = {}
        """The last call at each place that the server named."""
        self._by_id: dict[str, _Begun] = {}
        self._last: _Begun | None = None
        self._numbers: set[int] = set()
        self._next = 0

    def read(self, message: Message) -> tuple[ToolCallDelta, ...]:
        """The pieces of calls in a chunk, with numbers that tell the calls apart."""
        indexes = [call.index for call in message.tool_calls or ()]
        return tuple(
            self._numbered(piece, is_placed=position < len(indexes) and indexes[position] is not None)
            for position, piece in enumerate(message.pieces())
        )

    def _numbered(self, piece: ToolCallDelta, *, is_placed: bool) -> ToolCallDelta:
        call = self._known(piece, is_placed)
        if call is None or call.ends_before(piece):
            call = self._begin(piece)
        self._at[piece.index] = self._last = call
        call.arguments += piece.arguments
        return piece if piece.index == call.number else replace(piece, index=call.number)

    def _begin(self, piece: ToolCallDelta) -> _Begun:
        number = piece.index if piece.index not in self._numbers else self._next
        call = _Begun(number, piece.id, piece.name, "")
        self._numbers.add(number)
        self._next = max(self._next, number + 1)
        if piece.id:
            self._by_id[piece.id] = call
        return call

    def _known(self, piece: ToolCallDelta, is_placed: bool) -> _Begun | None:
        at = self._at.get(piece.index)
        if is_placed:
            return at
        return self._by_id.get(piece.id, at) if piece.id or piece.name else self._last
