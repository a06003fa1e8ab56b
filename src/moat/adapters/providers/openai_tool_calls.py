"""Which tool call a piece of a stream belongs to."""

import re
from itertools import zip_longest

import msgspec
from msgspec.structs import replace

from moat.adapters.providers.openai_wire import Message
from moat.domain.calls import ToolCallDelta

_SIGN = re.compile(r'\\.?|["{}\[\]]', re.DOTALL)


class _Begun(msgspec.Struct):
    """A call, and how far its arguments are. They are not kept: each piece is looked at once, however many come."""

    number: int
    place: int
    """Where the server put it."""
    id: str
    name: str
    first: str = ""
    """The sign that the arguments begin with; empty before they do."""
    depth: int = 0
    """Brackets that are open."""
    is_quoted: bool = False
    is_escaped: bool = False

    def add(self, arguments: str) -> None:
        """A piece of the arguments came."""
        if not arguments:
            return
        self.first = self.first or arguments.lstrip()[:1]
        sign = ""
        for sign in _SIGN.findall(arguments, int(self.is_escaped)):
            if sign == '"':
                self.is_quoted = not self.is_quoted
            elif not self.is_quoted:
                self.depth += (sign in "{[") - (sign in "}]")
        self.is_escaped = sign == "\\"

    @property
    def is_whole(self) -> bool:
        """Are the arguments an object that has ended?"""
        return self.first == "{" and not self.depth and not self.is_quoted

    def ends_before(self, piece: ToolCallDelta) -> bool:
        """Does the piece, at the same place, begin another call?

        One that names itself does, once the arguments so far are whole: some servers say name, and a new id, with each
        piece of one call. Those that say the same again do so with a last, empty piece too; those whose ids are names
        of functions say the same of two calls.
        """
        is_named_otherwise = piece.name not in ("", self.name)
        if piece.id and piece.id == self.id:
            return self.is_whole and (is_named_otherwise or piece.arguments.lstrip().startswith("{"))
        is_other = bool(piece.id)
        if not self.first:
            return is_other and is_named_otherwise
        return self.is_whole and (is_other or is_named_otherwise or bool(piece.name and piece.arguments))


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
        pieces = message.pieces()
        return tuple(
            self._numbered(piece, self._known(piece, is_placed=index is not None, is_alone=len(pieces) == 1))
            for piece, index in zip_longest(pieces, indexes)
        )

    def _numbered(self, piece: ToolCallDelta, call: _Begun | None) -> ToolCallDelta:
        if call is None or call.ends_before(piece):
            call = self._begin(piece)
        self._at[piece.index] = self._last = call
        call.add(piece.arguments)
        return piece if piece.index == call.number else replace(piece, index=call.number)

    def _begin(self, piece: ToolCallDelta) -> _Begun:
        number = piece.index if piece.index not in self._numbers else self._next
        call = _Begun(number, piece.index, piece.id, piece.name)
        self._numbers.add(number)
        self._next = max(self._next, number + 1)
        if piece.id:
            self._by_id[piece.id] = call
        return call

    def _known(self, piece: ToolCallDelta, *, is_placed: bool, is_alone: bool) -> _Begun | None:
        """The call that a piece goes on with, as far as the server says. Of several that say nothing each has the place
        that it stands at; one alone goes on with the last call.
        """
        at, called = self._at.get(piece.index), self._by_id.get(piece.id)
        if is_placed:
            return called if called is not None and called.place == piece.index else at
        if piece.id or piece.name:
            return called or at
        return self._last if is_alone else at or self._last
