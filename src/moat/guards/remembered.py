"""Answers about words that are looked up once, and sentences in which nothing was found: most texts are made of the
same words, and many of the same sentences.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

V = TypeVar("V")

MOST = 32_768
"""Words that are remembered beside those known from the beginning; then all of them are forgotten, and it begins anew.
"""
LONGEST = 40
"""Letters of a word that is remembered: a longer one is hardly ever met again."""


class Remembered(dict[str, V]):
    """Word -> the answer; one that is not there is looked up."""

    def __init__(self, look_up: Callable[[str], V], known: Mapping[str, V] | None = None) -> None:
        super().__init__(known or {})
        self._look_up = look_up
        self._learned: list[str] = []

    def __missing__(self, word: str) -> V:
        answer = self._look_up(word)
        if len(word) <= LONGEST:
            if len(self._learned) >= MOST:
                self._forget()
            self._learned.append(word)
            self[word] = answer
        return answer

    def _forget(self) -> None:
        # One by one: what was known from the beginning is there at any moment, for other threads too.
        gone, self._learned = self._learned, []
        for word in gone:
            self.pop(word, None)


class Harmless:
    """Sentences that need not be judged again. Nothing is kept of one but its hash, 64 bits with a key of this process.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._new: set[int] = set()
        self._old: set[int] = set()
        """Two generations of `MOST`: the older one goes when the newer is full."""

    def __contains__(self, sentence: str) -> bool:
        known = hash(sentence)
        if known in self._new:
            return True
        if known in self._old:
            self.keep(sentence)
            return True
        return False

    def keep(self, sentence: str) -> None:
        """Nothing was found in it."""
        if len(self._new) >= MOST:
            self._old, self._new = self._new, set()
        self._new.add(hash(sentence))

    def forget(self) -> None:
        """All of them."""
        self._new, self._old = set(), set()
