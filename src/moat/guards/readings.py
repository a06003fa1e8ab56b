"""What stands encoded in a text, as it reads, and the way back to where each of its characters stands."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import NamedTuple

Back = Callable[[int, int], tuple[int, int]]
"""The characters of a text that a span of what was read stands for; exclusive."""

NEAR = 64
"""Characters between two pieces that are read as one stretch, with what stands between them."""


class Piece(NamedTuple):
    """Something encoded, and what it says."""

    text: str
    start: int
    end: int
    """Where it stands; exclusive."""
    encoding: str
    back: Back | None = None
    """None: every character stands for all of the piece."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a span of `text` stands."""
        return self.back(start, end) if self.back else (self.start, self.end)


def in_place(text: str, start: int, end: int, encoding: str) -> Piece:
    """A piece that says a character for each of its own."""
    return Piece(text, start, end, encoding, lambda begin, stop: (start + begin, start + stop))


def spread(text: str, start: int, end: int, encoding: str) -> Piece:
    """A piece whose characters are of about one length each."""
    each = (end - start) / len(text)
    return Piece(
        text,
        start,
        end,
        encoding,
        lambda begin, stop: (start + int(begin * each), start + min(end - start, ceil(stop * each))),
    )


def backwards(text: str, start: int, end: int, encoding: str) -> Piece:
    """A piece that says a character for each of its own, the last one first."""
    return Piece(text, start, end, encoding, lambda begin, stop: (max(start, end - stop), end - begin))


class Decoded(NamedTuple):
    """A stretch of a text in which something is written in another encoding, as it reads."""

    text: str
    encoding: str
    """`base64`, `base32`, `hex`, `binary`, `decimal`, `escapes`, `morse`, `rot13`, `reversed`, `tags`, ...; of what is
    encoded twice `base64+hex`, the outer one first.
    """
    span: Back
    """Where a span of `text` stands."""
    telling: bool = True
    """May it say more than the text does as it is written? An `&amp;` hides no words, but a piece of a number."""

    @property
    def place(self) -> tuple[int, int]:
        """Where all of it stands."""
        return self.span(0, len(self.text))

    def within(self, outer: "Decoded") -> "Decoded":
        """The same, found in what `outer` says."""
        return Decoded(
            self.text,
            f"{outer.encoding}+{self.encoding}",
            lambda start, end: outer.span(*self.span(start, end)),
            self.telling and outer.telling,
        )


class Stretch:
    """A stretch of a text with pieces of it read."""

    def __init__(self, original: str, pieces: Sequence[Piece], start: int, end: int) -> None:
        """`pieces`: in order, one at least, all between `start` and `end`."""
        self.start = start
        self.end = end
        self._pieces = pieces
        self._begins: list[int] = []
        written: list[str] = []
        length, read = 0, start
        for piece in pieces:
            between = original[read : piece.start]
            self._begins.append(length + len(between))
            written += (between, piece.text)
            length += len(between) + len(piece.text)
            read = piece.end
        self.text = "".join((*written, original[read:end]))
        self.encoding = pieces[0].encoding

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a span of `text` stands in the original."""
        first = self._place(start)
        last = self._place(end - 1) if end > start else first
        return min(first[0], last[0]), max(first[1], last[1])

    def _place(self, position: int) -> tuple[int, int]:
        at = bisect_right(self._begins, position) - 1
        if at < 0:
            return self.start + position, self.start + position + 1
        piece, offset = self._pieces[at], position - self._begins[at]
        if offset < len(piece.text):
            return piece.span(offset, offset + 1)
        source = piece.end + offset - len(piece.text)
        return source, source + 1


def stretches(original: str, pieces: Sequence[Piece], margin: int = 0) -> Iterator[Stretch]:
    """Pieces that stand near one another together, those that overlap apart. `margin`: characters of the same line
    around them that are read with them.
    """
    row: list[Piece] = []
    for piece in pieces:
        if row and not 0 <= piece.start - row[-1].end <= NEAR + 2 * margin:
            yield _stretch(original, row, margin)
            row = []
        row.append(piece)
    if row:
        yield _stretch(original, row, margin)


def _stretch(original: str, row: Sequence[Piece], margin: int) -> Stretch:
    begin, stop = row[0].start, row[-1].end
    if margin:
        before = original.rfind("\n", max(0, begin - margin), begin) + 1
        behind = original.find("\n", stop, stop + margin)
        begin = before or max(0, begin - margin)
        stop = behind if behind >= 0 else min(len(original), stop + margin)
    return Stretch(original, row, begin, stop)
