"""One text of an answer as it grows: what is certain of it, and what is put in place of what."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import attrgetter

from moat.domain.guards import Place
from moat.guards.edits import Edit, apart
from moat.guards.engine.scanning import Block, answer_step, around, border

_START = attrgetter("start")


class Channel:
    """Keeps no more of what has gone on than detectors must see beside what comes next."""

    def __init__(self, name: str, place: Place, window: int, *, whole: bool) -> None:
        """`window`: characters that have to be seen on both sides of a block. `whole`: keep all of it."""
        self.name = name
        self.place = place
        self.length = 0
        """Characters that came."""
        self.done = 0
        """So far all edits are known."""
        self.ripe = answer_step(0) + window
        """Characters that must have come before another block can be judged."""
        self._window = window
        self._text = ""
        """From `_base` on."""
        self._base = 0
        self._new: list[str] = []
        self._kept: list[str] | None = [] if whole else None
        self._edits: list[Edit] = []
        self._gone = 0
        """So far the text has gone on."""

    def add(self, text: str) -> None:
        """Take in a piece."""
        self.length += len(text)
        self._new.append(text)
        if self._kept is not None:
            self._kept.append(text)

    @property
    def edited(self) -> bool:
        """Is anything of what is kept changed?"""
        return bool(self._edits)

    @property
    def whole(self) -> str:
        """Everything that came."""
        assert self._kept is not None, "the channel was made to forget"
        if len(self._kept) > 1:
            self._kept = ["".join(self._kept)]
        return self._kept[0] if self._kept else ""

    def blocks(self, *, complete: bool = False) -> Iterator[Block]:
        """What can be judged by now, or, when nothing more comes, all that is left. Edits of a block have to be made
        before the next is asked for.
        """
        while self.length > self.done and (complete or self.length >= self.ripe):
            self._join()
            begin = self.done - self._base
            end = len(self._text) if complete else border(self._text, begin, answer_step(self.done))
            if end is None or (not complete and len(self._text) < end + self._window):
                self.ripe = self.length + 1 if end is None else self._base + end + self._window
                return
            block = around(self._text, begin, end, self._window)
            yield block._replace(offset=block.offset + self._base)
            self.done = self._base + end
            self.ripe = self.done + answer_step(self.done) + self._window
            self._trim()

    def replace(self, edits: Iterable[Edit]) -> None:
        """Make edits, in characters from the beginning. Those that overlap become one, as `apart` has it: what has
        gone on of it stays as it is.
        """
        for edit in apart(edits):
            first = bisect_right(self._edits, edit.start, key=_START)
            if first and self._edits[first - 1].end > edit.start:
                first -= 1
            last = bisect_left(self._edits, edit.end, lo=first, key=_START)
            self._edits[first:last] = apart([*self._edits[first:last], edit])

    def written(self, text: str, start: int) -> str:
        """A piece that stands at `start` and goes on now, with the edits in it. A replacement goes where its span
        begins. Pieces are asked for in order.
        """
        self._gone = end = start + len(text)
        if not self._edits:
            return text
        at, out = start, list[str]()
        for edit in self._edits[max(0, bisect_right(self._edits, start, key=_START) - 1) :]:
            if edit.start >= end:
                break
            if edit.end <= start:
                continue
            if edit.start >= start:
                out += (text[at - start : edit.start - start], edit.text)
            at = min(edit.end, end)
        return text if at == start and not out else "".join(out) + text[at - start :]

    def _join(self) -> None:
        if self._new:
            self._text += "".join(self._new)
            self._new.clear()

    def _trim(self) -> None:
        unseen = max(0, self.done - self._window - self._base)
        if unseen > 4 * self._window:
            self._text, self._base = self._text[unseen:], self._base + unseen
            self._edits = [edit for edit in self._edits if edit.end > self._gone]
