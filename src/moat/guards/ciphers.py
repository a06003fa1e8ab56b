"""Shifted and mirrored alphabets and words spelled backwards, known by their commonest words."""

from collections import Counter
from collections.abc import Callable
from functools import cache

from moat.guards.glance import GLANCE
from moat.guards.plain import vocabulary

_LATIN = "abcdefghijklmnopqrstuvwxyz"
_COMMON_WORDS = """the and you your are all for with that this not from have will what how previous ignore instructions
tell reveal system prompt forget write answer about make can any now rules without give instead output every above new
who please should when then would there their which show where just only into before after must don safety filter mode
act pretend never always say repeat print word words every again follow give step bomb password secret user message
without because could them they has been more than other some time people way first"""
_COMMON = _COMMON_WORDS.split()


def _shift(by: int) -> Callable[[str], str]:
    turned = _LATIN[by:] + _LATIN[:by]
    table = str.maketrans(_LATIN + _LATIN.upper(), turned + turned.upper())
    return lambda text: text.translate(table)


_MIRROR = str.maketrans(_LATIN + _LATIN.upper(), (_LATIN + _LATIN.upper()).swapcase()[::-1])


def _mirror(text: str) -> str:
    return text.translate(_MIRROR)


def _backwards(text: str) -> str:
    return text[::-1]


def _words_backwards(text: str) -> str:
    return " ".join(word[::-1] for word in text.split())


READERS: dict[str, Callable[[str], str]] = {
    **{"rot13" if by == 13 else f"caesar{by}": _shift(by) for by in range(1, 26)},
    "atbash": _mirror,
    "reversed": _backwards,
    "reversed-words": _words_backwards,
}
"""Encoding -> what reads it."""


_SEPARATED = {code: " " for code in range(128) if not chr(code).isalpha()}


@cache
def _coded() -> dict[str, list[str]]:
    """How the common words look in each encoding, where that is no word itself."""
    found: dict[str, list[str]] = {}
    for encoding in READERS:
        if encoding != "reversed-words":
            write = READERS[_inverse(encoding)]
            for word in _COMMON:
                coded = write(word)
                if coded not in vocabulary():
                    found.setdefault(coded, []).append(encoding)
    return found


@cache
def _spellings() -> frozenset[str]:
    return frozenset(_coded())


WORDED = GLANCE.add(lambda: rf"(?:^|[^A-Za-z])(?i:{'|'.join(sorted(_coded()))})(?:[^A-Za-z]|$)")
"""A common word as one of the encodings has it. A text without any is written in none of them."""


def _inverse(encoding: str) -> str:
    if encoding.startswith("caesar"):
        return f"caesar{26 - int(encoding.removeprefix('caesar'))}"
    return encoding


def suspected(text: str) -> list[str]:
    """The encodings that a text, whose letters beyond ASCII are question marks, seems to be written in.

    At least two common words of it stand there, in one encoding, and more than one word in twelve.
    """
    words = text.lower().translate(_SEPARATED).split()
    known = _coded()
    if _spellings().isdisjoint(words):
        return []
    there = known.keys() & set(words)
    if len(there) < 2:
        return []
    hits = Counter(encoding for word in there for encoding in known[word])
    encoding, most = hits.most_common(1)[0]
    if most < 2 or most * 12 < min(len(words), 60):
        return []
    return ["reversed", "reversed-words"] if encoding == "reversed" else [encoding]
