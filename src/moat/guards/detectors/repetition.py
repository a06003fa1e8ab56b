"""Answers that go round in circles."""

import re
from collections.abc import Iterator
from typing import ClassVar

from moat.domain.guards import Place
from moat.guards.detector import Context, Detector, Hit
from moat.guards.prose import pieces
from moat.guards.text import Text

TOKEN = re.compile(r"\w{1,40}|[^\w\s]")
MAX_PERIOD = 60
"""Tokens of the longest loop that is looked for."""
GRAM = 3
"""So many tokens in a row have to come again before it may be a loop."""
FEW = 7
"""Of a loop, at least so many sequences of `GRAM` tokens came before."""
MIN_LOOP = 48
"""Characters that a loop spans at least: `ha ha ha ha` is none."""
MAX_LOOP = 900
ORNAMENT = re.compile(r"[\W_\d]*")
"""Rules, frames and columns of figures repeat without being stuck."""
MIN_SENTENCE = 24
RUN = re.compile(r"([^\W\d_])\1{39,199}|([^\s\w])\2{199}", re.DOTALL)
"""One letter forty times; other characters two hundred times, for rules of dashes are usual."""


class Repetition(Detector, frozen=True):
    """Finds answers that go round in circles.

    Kinds: `loop` (the same words `loops` times in a row), `sentence` (the same sentence or line `sentences` times
    within some 1,300 characters), `character`.
    """

    places: ClassVar[tuple[Place, ...]] = ("output",)
    window: ClassVar[int] = 1300
    loops: int = 4
    sentences: int = 4

    def __post_init__(self) -> None:
        """Check the options."""
        if self.loops < 2 or self.sentences < 2:
            raise ValueError("`loops` and `sentences` are at least 2")

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Three passes, each linear."""
        written = text.original
        yield from self._loops(written)
        yield from self._sentences(written, context.complete)
        for run in RUN.finditer(written):
            yield Hit("character", run.start(), run.end(), 0.9, "The answer repeats one character.")

    def _loops(self, text: str) -> Iterator[Hit]:
        """A loop of period p: from some token on, each is the one that stood p before it."""
        said = TOKEN.findall(text)
        if len(said) - len(set(zip(said, said[1:], said[2:], strict=False))) < FEW:
            return
        tokens: list[str] = []
        places: list[tuple[int, int]] = []
        last: dict[tuple[str, ...], int] = {}
        period = since = told = 0
        for match in TOKEN.finditer(text):
            at = len(tokens)
            tokens.append(match[0].casefold())
            places.append(match.span())
            if period and tokens[at] != tokens[at - period]:
                period = 0
            gram = tuple(tokens[at - GRAM + 1 :])
            if at >= GRAM - 1:
                if not period and 0 < at - last.get(gram, -MAX_PERIOD) < MAX_PERIOD:
                    period = at - last[gram]
                    since = max(at - GRAM + 1 - period, 0)
                last[gram] = at
            if period and at + 1 - since >= self.loops * period:
                start, end = places[since][0], places[at][1]
                if end - start > MAX_LOOP:
                    period = 0
                elif end - start >= MIN_LOOP:
                    if not ORNAMENT.fullmatch(text, start, places[since + period - 1][1]):
                        yield Hit("loop", places[max(since, told)][0], end, 0.9, "The answer repeats itself.")
                        told = at + 1
                    since += period

    def _sentences(self, text: str, complete: bool) -> Iterator[Hit]:
        seen: dict[str, int] = {}
        for start, end in pieces(text):
            if end == len(text) and not complete:
                return
            said = " ".join(text[start:end].split()).casefold()
            if len(said) < MIN_SENTENCE or ORNAMENT.fullmatch(said):
                continue
            seen[said] = times = seen.get(said, 0) + 1
            if times >= self.sentences:
                yield Hit("sentence", start, end, 0.8, f"The answer says a sentence {times} times.")
