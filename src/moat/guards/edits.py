"""A text rewritten here and there, and the way back to where each character came from."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple


class Edit(NamedTuple):
    """What stands in place of a piece of a text."""

    start: int
    end: int
    """In the text before; exclusive."""
    text: str


class Edited:
    """A text after edits. What no edit touches stands for itself, character by character."""

    def __init__(self, source: str, edits: Iterable[tuple[int, int, str]] = ()) -> None:
        """Edits (as `Edit`) in order of their place; they do not overlap."""
        pieces: list[str] = []
        self._begins: list[int] = []
        self._places: list[tuple[int, int, int]] = []
        """For each edit: its end in the text after, its start and end in the text before."""
        self.below: Edited | None = None
        """What the text before was made with, when that was edited too."""
        read = written = 0
        for start, end, text in edits:
            pieces.append(source[read:start])
            written += start - read
            self._begins.append(written)
            if text:
                pieces.append(text)
                written += len(text)
            self._places.append((written, start, end))
            read = end
        if read:
            pieces.append(source[read:])
        self.text = "".join(pieces) if read else source

    def then(self, edits: Iterable[tuple[int, int, str]]) -> "Edited":
        """This text after more edits."""
        made = Edited(self.text, edits)
        made.below = self
        return made

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The span of the first text that a span of the last was made from."""
        if self._begins:
            first = self._source(start)[0]
            start, end = first, self._source(end - 1)[1] if end > start else first
        return self.below.back(start, end) if self.below else (start, end)

    def _source(self, position: int) -> tuple[int, int]:
        at = bisect_right(self._begins, position) - 1
        if at < 0:
            return position, position + 1
        written, start, end = self._places[at]
        if position < written:
            return start, end
        source = end + position - written
        return source, source + 1


def apart(edits: Iterable[Edit]) -> list[Edit]:
    """In order, and those that overlap as one: in place of all that they cover stands the text of the one that begins
    first, of two that begin together the longer one's.
    """
    kept: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if kept and edit.start < kept[-1].end:
            kept[-1] = kept[-1]._replace(end=max(kept[-1].end, edit.end))
        else:
            kept.append(edit)
    return kept
