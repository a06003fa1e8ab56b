"""Answers about words that are looked up once: most texts are made of the same words."""

from collections.abc import Callable, Mapping
from typing import TypeVar

V = TypeVar("V")

MOST = 32_768
"""Words that are remembered beside those known from the beginning."""
LONGEST = 40
"""Letters of a word that is remembered: a longer one is hardly ever met again."""


class Remembered(dict[str, V]):
    """Word -> the answer; one that is not there is looked up."""

    def __init__(self, look_up: Callable[[str], V], known: Mapping[str, V] | None = None) -> None:
        super().__init__(known or {})
        self._look_up = look_up
        self._most = len(self) + MOST

    def __missing__(self, word: str) -> V:
        answer = self._look_up(word)
        if len(self) < self._most and len(word) <= LONGEST:
            self[word] = answer
        return answer
