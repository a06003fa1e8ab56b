"""Texts in a language that is not wanted."""

from collections.abc import Iterator
from typing import ClassVar

from moat.guards.detector import Context, Detector, Hit
from moat.guards.languages import identify, known, prose
from moat.guards.prose import pieces
from moat.guards.text import Text

CERTAIN = 0.99
"""A script that only one language has."""
ENOUGH = 60
"""Letters from which trigrams are trusted; fewer lower the score."""
LONGEST = 300
"""Characters of a piece that is judged."""


class Language(Detector, frozen=True):
    """Finds text in languages that are not wanted.

    Kinds: codes of languages (ISO 639-1: `de`, `zh`), for sentences and lines that are not in one of `allow`, or are
    in one of `deny`.

    Code, addresses and short pieces are left out; a language that is not known is let pass.
    """

    window: ClassVar[int] = 900
    thinking: ClassVar[bool] = False
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    min_letters: int = 24
    """In a script where a character is a syllable or a word, a third of it."""

    def __post_init__(self) -> None:
        """Check the options."""
        if bool(self.allow) == bool(self.deny):
            raise ValueError("give either `allow` or `deny`")
        if unknown := set(self.allow + self.deny) - known():
            raise ValueError(f"no language {min(unknown)!r}: there are {', '.join(sorted(known()))}")

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Sentence by sentence."""
        for start, end in pieces(text.original, LONGEST):
            words = prose(text.original[start:end])
            letters = len(words) - words.count(" ")
            if letters < (self.min_letters if words.isascii() else self.min_letters // 3):
                continue
            guess = identify(words, self.allow)
            sure = guess.score >= CERTAIN
            if letters < self.min_letters and not sure:
                continue
            if guess.code and (guess.code in self.deny if self.deny else guess.code not in self.allow):
                score = guess.score if sure else guess.score * min(1.0, letters / ENOUGH) ** 0.5
                yield Hit(
                    guess.code,
                    start,
                    end,
                    round(score, 3),
                    f"Write in {' or '.join(self.allow) or 'another language'}.",
                )
