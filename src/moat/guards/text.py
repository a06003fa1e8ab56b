"""Text as detectors see it: as written, and folded so that spelling tricks do not hide it.

Folding is for detection only: findings are spans of the text as written, and only that goes anywhere.
"""

from functools import cached_property

from moat.guards.decoding import decode
from moat.guards.edits import Edited
from moat.guards.enclosed import enclosed
from moat.guards.folding import fold
from moat.guards.glance import GLANCE, Glimpse
from moat.guards.legible import Legible, legible
from moat.guards.markup import asides
from moat.guards.plain import plain
from moat.guards.readings import Back, Decoded

__all__ = ["Decoded", "Text"]


class Text:
    """One text. Its views are made when they are first asked for, and only once."""

    def __init__(self, original: str) -> None:
        self.original = original

    @cached_property
    def _folded(self) -> Edited:
        return fold(self.original)

    @cached_property
    def _plain(self) -> Edited:
        return plain(self._folded)

    @property
    def folded(self) -> str:
        """Lower case, one form of each letter; nothing invisible. Digits and signs are as they were."""
        return self._folded.text

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the original that a span of `folded` was made from."""
        return self._folded.back(start, end)

    @property
    def plain(self) -> str:
        """`folded`, with words put back that were written with markup or digits, letter by letter or without gaps."""
        return self._plain.text

    def plain_span(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the original that a span of `plain` was made from."""
        return self._plain.back(start, end)

    @cached_property
    def asides(self) -> Edited:
        """What the tags and comments say that `plain` leaves out, with words put back as there."""
        said = asides(self._folded)
        return plain(said) if said.text else said

    @cached_property
    def decoded(self) -> tuple[Decoded, ...]:
        """What stands in it encoded, twice encoded included."""
        return tuple(decode(self.original, self.glimpse))

    @cached_property
    def hidden(self) -> tuple[tuple[Decoded, "Text"], ...]:
        """The same, each as a text: what tricks of spelling it has are read once, whoever looks."""
        return tuple((piece, Text(piece.text)) for piece in self.decoded)

    @cached_property
    def glimpse(self) -> Glimpse:
        """Which lists have anything in it as it is written."""
        return GLANCE.at(self.original)

    @cached_property
    def legible(self) -> Legible:
        """In legible characters, for what case and digits count in: numbers, addresses, keys."""
        return legible(self.original)

    @cached_property
    def legible_glimpse(self) -> Glimpse:
        """Which lists have anything in it in legible characters."""
        written = self.legible.text
        return self.glimpse if written is self.original else GLANCE.at(written)

    @cached_property
    def enclosed(self) -> tuple[tuple["Text", Back], ...]:
        """What stands in it in another encoding, or between markup; and the way back to its characters."""
        return tuple((Text(text), back) for text, back in enclosed(self.original, self.decoded))
