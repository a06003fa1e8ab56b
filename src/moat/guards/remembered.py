"""Answers about words that are looked up once: most texts are made of the same words."""

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
