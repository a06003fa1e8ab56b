"""Detectors that tests understand at a glance."""

import re
from collections.abc import Iterator
from typing import ClassVar

from moat.domain.guards import DataClass
from moat.guards.detector import WHOLE, Context, Detector, Hit
from moat.guards.text import Text


class Digits(Detector, frozen=True):
    """Numbers of six to nine digits, which are somebody's."""

    window: ClassVar[int] = 12
    holds: ClassVar[DataClass | None] = "personal"

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Each of them, for sure."""
        for match in re.finditer(r"(?<!\d)\d{6,9}(?!\d)", text.original):
            yield Hit("number", match.start(), match.end(), 1.0)


class Swears(Detector, frozen=True):
    """The word `darn`."""

    window: ClassVar[int] = 8

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """By the letter."""
        for match in re.finditer(r"\bdarn\b", text.original):
            yield Hit("swearing", match.start(), match.end(), 0.9, "it swears")


class Shouts(Detector, frozen=True):
    """Texts that are upper case from end to end."""

    window: ClassVar[int] = WHOLE

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """The whole of it."""
        if text.original.isupper():
            yield Hit("shouting", 0, len(text.original), 1.0, "it shouts")


class Breaks(Detector, frozen=True):
    """Fails at every text that has an `x`."""

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Or finds nothing."""
        if "x" in text.original:
            raise RecursionError("too deep")
        yield from ()


class Nicknames(Detector, frozen=True):
    """People who are called something, in quotes, over two lines."""

    holds: ClassVar[DataClass | None] = "personal"

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Each of them, for sure."""
        for match in re.finditer(r'\w+ "\w+"\n\w+', text.original):
            yield Hit("name", match.start(), match.end(), 1.0)


KINDS = {
    "nicknames": "tests.guards.toys:Nicknames",
    "digits": "tests.guards.toys:Digits",
    "swears": "tests.guards.toys:Swears",
    "shouts": "tests.guards.toys:Shouts",
    "breaks": "tests.guards.toys:Breaks",
}
