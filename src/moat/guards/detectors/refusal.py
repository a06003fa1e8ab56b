"""Answers that refuse: to count them, or to ask another model."""

from collections.abc import Iterator
from typing import ClassVar

from moat.domain.guards import Place
from moat.guards.detector import Context, Detector, Hit
from moat.guards.refusals import HEAD, refuses
from moat.guards.text import Text


class Refusal(Detector, frozen=True):
    """Finds answers that begin like a refusal.

    Kind `refusal`: its first characters. Phrases in English, the usual openings in fourteen other languages. A refusal
    behind a long preface is not seen.
    """

    places: ClassVar[tuple[Place, ...]] = ("output",)
    window: ClassVar[int] = HEAD
    thinking: ClassVar[bool] = False

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Nothing is certain before `HEAD` characters, or the end."""
        if refuses(text.original):
            yield Hit("refusal", 0, min(HEAD, len(text.original)), 0.9, "You refused. Answer, or say what you can do.")
