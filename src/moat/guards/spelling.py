"""Misspelt words, read as the words that attacks need: `ignroe` is `ignore`, `instrctions` is `instructions`.

Only words that nobody knows are read so, and only as a word for one of the concepts of `guards/concepts.py`, one typing
error away: two letters that changed places, one left out, one too many or another one.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from moat.guards.remembered import Remembered

SHORTEST, LONGEST = 5, 16
"""Letters of the right word."""


class Spelling:
    """Reads words that were mistyped."""

    def __init__(self, known: Callable[[], frozenset[str]], wanted: Callable[[str], object]) -> None:
        """`known`: all words that are right, folded. `wanted`: is a word worth to be recognised?"""
        self._words = known
        self._wanted = wanted
        self._readings = Remembered(self._look_up)

    def read(self, words: Iterable[str]) -> list[str]:
        """The words, each as it is meant."""
        return [*map(self._readings.__getitem__, words)]

    @cached_property
    def _known(self) -> frozenset[str]:
        return self._words()

    @cached_property
    def _cut(self) -> dict[str, str]:
        """What is left of a word worth to be recognised when a letter is gone, and it whole; where that is left of
        two, neither.
        """
        found: dict[str, str] = {}
        for word in sorted(filter(self._is_wanted, self._known)):
            for left in {word, *_without_one(word)}:
                found[left] = word if found.get(left, word) == word else ""
        return found

    def _is_wanted(self, word: str) -> bool:
        return SHORTEST <= len(word) <= LONGEST and word.isascii() and word.isalpha() and bool(self._wanted(word))

    def _look_up(self, word: str) -> str:
        if not (SHORTEST - 1 <= len(word) <= LONGEST + 1) or not word.isascii() or not word.isalpha():
            return word
        if word in self._known:
            return sys.intern(word)  # as models have it
        for left in (word, *_without_one(word)):
            meant = self._cut.get(left, "")
            if meant and _alike(word, meant):
                return meant
        return word


def _without_one(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1 :] for at in range(len(word)))


def _alike(word: str, meant: str) -> bool:
    """Is one typing error between them, and not at the beginning? What is left of both may also be the same when a
    letter has moved far.
    """
    if len(word) != len(meant) or word[0] != meant[0]:
        return word[0] == meant[0]
    unlike = [at for at, (one, other) in enumerate(zip(word, meant, strict=True)) if one != other]
    return len(unlike) < 2 or (len(unlike) == 2 and unlike[1] == unlike[0] + 1)
