"""Texts that are too long or too short."""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import ClassVar, Literal

from moat.guards.detector import WHOLE, Context, Detector, Hit
from moat.guards.prose import COUNTERS, PARAGRAPH, sentences
from moat.guards.text import Text

Unit = Literal["characters", "words", "sentences", "lines", "paragraphs", "tokens"]
WORD = re.compile(r"\S+")
LINE = re.compile(r"[^\n]*\S[^\n]*")


def _starts(pattern: re.Pattern[str]) -> Callable[[str], Iterator[int]]:
    return lambda text: (match.start() for match in pattern.finditer(text))


def _paragraphs(text: str) -> Iterator[int]:
    start = 0
    for gap in PARAGRAPH.finditer(text):
        if text[start : gap.start()].strip():
            yield start
        start = gap.end()
    if text[start:].strip():
        yield start


STARTS: dict[str, Callable[[str], Iterator[int]]] = {
    "characters": lambda text: iter(range(len(text))),
    "words": _starts(WORD),
    "sentences": lambda text: (start for start, _ in sentences(text)),
    "lines": _starts(LINE),
    "paragraphs": _paragraphs,
    "tokens": lambda text: iter(range(0, len(text), 4)),
}


class Length(Detector, frozen=True):
    """Checks that a text is neither too long nor too short.

    Between `min` and `max` of `unit`. Kinds: `long` (from the first that is too much), `short` (all of it).
    """

    window: ClassVar[int] = WHOLE
    thinking: ClassVar[bool] = False
    min: int = 0
    max: int | None = None
    unit: Unit = "characters"
    """`characters`, `words` (separated by white space), `sentences`, `lines` and `paragraphs` that are not empty, or
    `tokens` (an estimate: four characters each)."""

    def __post_init__(self) -> None:
        """Check the options."""
        if self.min < 0 or (self.max is None and not self.min) or (self.max is not None and self.max < self.min):
            raise ValueError("give `min`, `max` or both, with 0 <= min <= max")

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Count."""
        written = text.original
        if self.max is not None:
            for start in islice(STARTS[self.unit](written), self.max, self.max + 1):
                yield Hit("long", start, len(written), 1.0, f"At most {self.max} {self.unit}.")
        if self.min:
            count = COUNTERS[self.unit](written)
            if count < self.min:
                yield Hit("short", 0, len(written), 1.0, f"At least {self.min} {self.unit}, not {count}.")
