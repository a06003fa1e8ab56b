"""Hostile words that were mistyped, or written together with the next: `htaes` is no word, `hates` is one."""

from collections.abc import Iterable
from functools import cache
from gzip import decompress
from importlib.resources import files

from moat.guards.plain import vocabulary
from moat.guards.remembered import LONGEST, MOST
from moat.guards.spelling import Spelling

LEAST_JOINED, LEAST_HALF = 7, 3
"""Letters of two words without a space between, and of one of them."""
LONG_WORD = 9
"""Letters of a word that is known when one is lost."""
_SMALL = """the all those these them you your yours this that and are was were for too many much some every such like
just people with should must will would they their who not never"""
SMALL = frozenset(_SMALL.split())
"""Words that hostile ones are written together with."""
ENDINGS = ("s", "es", "d", "ed", "ing", "er", "ly")


class HostileSpelling:
    """Reads what was mistyped; words that somebody knows stay as they are."""

    def __init__(self, hostile: frozenset[str]) -> None:
        """`hostile`: words that are worth to be recognised."""
        self._hostile = hostile
        self._spelling = Spelling(known_words, hostile.__contains__)
        self._same = set(known_words())

    def slips(self, written: Iterable[str]) -> dict[str, str]:
        """Those of the words that were mistyped, and what they may mean: one word or two."""
        strange = set(written).difference(self._same)
        if not strange:
            return {}
        meant = {word: reading for word in strange if (reading := self._read(word)) != word}
        self._remember(strange.difference(meant))
        return meant

    def _remember(self, same: set[str]) -> None:
        if len(self._same) > len(known_words()) + MOST:
            self._same = set(known_words())
        self._same.update(word for word in same if len(word) <= LONGEST)

    def _read(self, word: str) -> str:
        if _is_known(word):
            return word
        meant = self._spelling.read([word])[0]
        return meant if _slipped(word, meant) else self._parted(word)

    def _parted(self, word: str) -> str:
        if LEAST_JOINED <= len(word) <= LONGEST and word.isascii() and word.isalpha():
            for at in range(LEAST_HALF, len(word) - LEAST_HALF + 1):
                one, other = word[:at], word[at:]
                if self._are_two(one, other):
                    return f"{one} {other}"
        return word

    def _are_two(self, one: str, other: str) -> bool:
        small = (one in SMALL) + (other in SMALL)
        return small == 2 or (small == 1 and (other if one in SMALL else one) in self._hostile)


def _is_known(word: str) -> bool:
    known = known_words()
    return word in known or any(word.endswith(end) and word[: -len(end)] in known for end in ENDINGS)


def _slipped(word: str, meant: str) -> bool:
    """Did two letters change places, or did a long word lose one inside? What is otherwise alike is rather a word that
    is not known.
    """
    if len(word) == len(meant):
        return word != meant and sorted(word) == sorted(meant)
    return len(word) < len(meant) and len(meant) >= LONG_WORD and meant[:-1] != word


@cache
def known_words() -> frozenset[str]:
    """All words that are right, or rude."""
    rude = files("moat.guards.models").joinpath("rude.txt.gz").read_bytes()
    return vocabulary() | frozenset(decompress(rude).decode().split())
