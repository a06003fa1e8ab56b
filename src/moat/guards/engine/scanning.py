"""A text in blocks: detectors see one at a time, with a window around it.

Where a block ends depends only on the text up to there. So an answer that comes piece by piece is judged exactly as one
that comes whole, and no detector holds the interpreter for long.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from moat.guards.detector import Context, Detector, Hit
from moat.guards.text import Text

ASKED = 16_384
"""Characters of a block of a question: most are one block."""

_SHORTEST, _LONGEST = 128, 512
"""Of an answer, whose first words somebody is waiting for."""

_STRETCH = 1024
"""Characters that a block is stretched by at most, to end where a word ends."""

_SPACE = re.compile(r"\s")


class Block(NamedTuple):
    """A stretch of a text, and what stands around it. All detectors share what is worked out about it."""

    text: Text
    """With what stands around it."""
    begin: int
    end: int
    """Of the block itself, in `text`; exclusive."""
    offset: int
    """Of `text` in the whole."""

    def hits(self, detector: Detector, context: Context) -> Iterator[Hit]:
        """What begins in the block, in characters of the whole."""
        offset = self.offset
        for hit in detector.detect(self.text, context):
            if self.begin <= hit.start < self.end:
                yield hit._replace(start=hit.start + offset, end=hit.end + offset) if offset else hit


def border(text: str, begin: int, step: int) -> int | None:
    """Where the block that begins here ends; None when the text does not say yet."""
    found = _SPACE.search(text, begin + step, begin + step + _STRETCH)
    if found is not None:
        return found.start()
    return begin + step + _STRETCH if len(text) >= begin + step + _STRETCH else None


def answer_step(done: int) -> int:
    """Characters of the next block of an answer of which so much is done."""
    return min(_LONGEST, max(_SHORTEST, done))


def around(text: str, begin: int, end: int, window: int) -> Block:
    """A block, with the window on both sides."""
    left = max(0, begin - window)
    return Block(Text(text[left : end + window]), begin - left, end - left, left)


def whole(text: Text) -> Block:
    """The text as one block, hits of nothing at its end included."""
    return Block(text, 0, len(text.original) + 1, 0)


def blocks(text: Text, window: int, step: int = ASKED) -> Iterator[Block]:
    """The blocks of a whole text. `window`: the longest of those that look."""
    original = text.original
    if len(original) <= step + window:
        yield whole(text)
        return
    begin = 0
    while begin < len(original):
        end = border(original, begin, step) or len(original)
        yield around(original, begin, end, window)
        begin = end


def hits_of(detector: Detector, text: Text, context: Context) -> Iterator[Hit]:
    """Everything that one detector finds in a whole text."""
    for block in (whole(text),) if detector.window < 0 else blocks(text, detector.window):
        yield from block.hits(detector, context)
