"""The texts of a call, as guards look at them, and the way back to where they stand."""

from bisect import bisect_left, bisect_right
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
    """Are these pieces of their own too? Then only what goes beyond one of them counts; else what does not."""
    data: bool = False
    """Is it for those alone who look for data?"""
    told: bool = False
    """Is it what the model was told: of a system or developer message?"""

    def counts(self, start: int, end: int) -> bool:
        """Does a hit from one character to another count?"""
        return not self.spots or (len(self._touched(start, end)) > 1) == self.again

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
            for path, start, end, offset in self._touched(edit.start, edit.end):
                before = offset - start
                yield path, Edit(max(edit.start, start) + before, min(edit.end, end) + before, text)
                text = ""

    def _touched(self, start: int, end: int) -> Sequence[Spot]:
        first, behind = bisect_right(self.spots, start, key=_END), bisect_left(self.spots, end, key=_START)
        return self.spots[first:behind]


_START, _END = attrgetter("start"), attrgetter("end")
