"""The texts of a call, as guards look at them, and the way back to where they stand."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from moat.domain.guards import Place
from moat.guards.edits import Edit


class Name(NamedTuple):
    """In a path: the name of a member, and not its value."""

    of: str


Path = tuple[str | int | Name, ...]


class Spot(NamedTuple):
    """One of the texts that a piece is put together of."""

    path: Path
    start: int
    """In the piece."""
    end: int
    offset: int = 0
    """Where it begins in the text that stands at `path`."""


class Piece(NamedTuple):
    """One text of a call."""

    place: Place
    path: Path
    text: str
    spots: tuple[Spot, ...] = ()
    """What it is put together of; none: it is what stands at `path`."""
    again: bool = False
    """Are these pieces of their own too, which were looked at before? Then only what needs several of them counts; else
    what is in one of them."""
    data: bool = False
    """Is it for those alone who look for data?"""
    told: bool = False
    """Is it what the model was told: of a system or developer message?"""

    def touched(self, start: int, end: int) -> Sequence[Spot]:
        """The spots that have any of the characters from one to another."""
        first, behind = bisect_right(self.spots, start, key=_END), bisect_left(self.spots, end, key=_START)
        return self.spots[first:behind]

    def originals(self) -> Iterator[tuple[Path, str]]:
        """What stands where, of this piece alone."""
        if not self.spots:
            yield self.path, self.text
        for spot in () if self.again else self.spots:
            yield spot.path, self.text[spot.start : spot.end]

    def spread(self, edits: Iterable[Edit]) -> Iterator[tuple[Path, Edit]]:
        """Edits of the piece as edits of what stands where. A replacement goes where its span begins."""
        for edit in edits:
            if not self.spots:
                yield self.path, edit
                continue
            text = edit.text
            for path, start, end, offset in self.touched(edit.start, edit.end):
                before = offset - start
                yield path, Edit(max(edit.start, start) + before, min(edit.end, end) + before, text)
                text = ""


_START, _END = attrgetter("start"), attrgetter("end")


class _Alone(NamedTuple):
    """A hit in a text by itself."""

    kind: str
    start: int
    end: int


class Counting:
    """Which hits count, in the pieces of one call, asked about in their order.

    A hit in texts put together needs several of them. It does not where its beginning is data by itself (behind a whole
    address the first word of the next message is no part of it), nor where what follows is the same kind of data.
    """

    def __init__(self) -> None:
        self._alone = defaultdict[tuple[str, Path], list[_Alone]](list)

    def counts(self, piece: Piece, by: str, kind: str, start: int, end: int) -> bool:
        """Does a hit from one character to another count? `by`: who found it."""
        if not piece.spots:
            self._alone[by, piece.path].append(_Alone(kind, start, end))
            return True
        touched = piece.touched(start, end)
        if not piece.again:
            return len(touched) <= 1
        return len(touched) > 1 and not any(
            (spot is touched[0] or kind == alone.kind) and _is_whole(piece, spot, alone, start, end)
            for spot in touched
            for alone in self._alone.get((by, spot.path), ())
        )


def _is_whole(piece: Piece, spot: Spot, alone: _Alone, start: int, end: int) -> bool:
    """Is the part of a hit that is in one spot what was found there by itself, but for punctuation?"""
    first, last = max(start, spot.start), min(end, spot.end)
    begin, stop = alone.start + spot.start - spot.offset, alone.end + spot.start - spot.offset
    rest = piece.text[first : max(first, begin)] + piece.text[stop:last]
    return begin < last and stop > first and not any(map(str.isalnum, rest))
