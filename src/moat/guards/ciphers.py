"""Shifted and mirrored alphabets and words spelled backwards, known by their commonest words."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from moat.guards.glance import GLANCE
from moat.guards.plain import vocabulary
from moat.guards.readings import Piece, backwards, in_place

_LATIN = "abcdefghijklmnopqrstuvwxyz"
_AROUND = 160
"""Characters of the line beside common words that are read with them."""
_RARE = 12
"""One word in so many is a common one."""
_WORD = re.compile("[a-z]+")
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


_NO_SPACE = re.compile(r"\S+")


def _words_backwards(text: str) -> str:
    return _NO_SPACE.sub(lambda word: word.group()[::-1], text)


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


def stretches(text: str) -> Iterator[Piece]:
    """Stretches of a text that seem to be written in one of the encodings, read.

    At least two common words of it stand there, and more than one word in twelve, as far as the line goes.
    """
    lower = text.replace("\u0130", "I").lower()  # the only letter that grows
    if _spellings().isdisjoint(lower.encode("ascii", "replace").decode().translate(_SEPARATED).split()):
        return
    places: dict[str, list[_Place]] = {}
    known = _coded()
    for number, match in enumerate(_WORD.finditer(lower)):
        for encoding in known.get(match.group(), ()):
            places.setdefault(encoding, []).append(_Place(match.group(), number, *match.span()))
    for encoding, there in places.items():
        for start, end in _dense(there):
            begin, stop = _widened(text, start, end)
            if encoding == "reversed":
                yield backwards(text[begin:stop][::-1], begin, stop, encoding)
                encoding = "reversed-words"
            yield in_place(READERS[encoding](text[begin:stop]), begin, stop, encoding)


class _Place(NamedTuple):
    """A common word, coded."""

    word: str
    number: int
    """Words before it."""
    start: int
    end: int


def _dense(there: list[_Place]) -> Iterator[tuple[int, int]]:
    """From where to where they stand close to one another."""
    row: list[_Place] = []
    for place in there:
        if row and place.number - row[-1].number > _RARE:
            yield from _whole(row)
            row = []
        row.append(place)
    yield from _whole(row)


def _whole(row: list[_Place]) -> Iterator[tuple[int, int]]:
    if len({place.word for place in row}) > 1:
        yield row[0].start, row[-1].end


def _widened(text: str, start: int, end: int) -> tuple[int, int]:
    before = text.rfind("\n", max(0, start - _AROUND), start) + 1
    behind = text.find("\n", end, end + _AROUND)
    return before or max(0, start - _AROUND), behind if behind >= 0 else min(len(text), end + _AROUND)
