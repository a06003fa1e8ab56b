"""Rows of numbers, each of which is a byte: binary, hexadecimal, decimal."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from moat.guards.octets import Octets
from moat.guards.readings import Piece

NUMERIC = "0123456789abcdefABCDEFxX\\,:;- \n\r\t"
"""What rows are written with."""
SIX_NUMBERS = b"0" * 17
"""With what is between them: fewer are no text."""
_LETTER = re.compile(r"[^\W\d_]|\s")


class _Kind(NamedTuple):
    encoding: str
    row: re.Pattern[str]
    number: re.Pattern[str]
    base: int


_KINDS = (
    _Kind("binary", re.compile(r"(?:[01]{8}[\s,]{0,2}){3,1024}"), re.compile("([01]{8})"), 2),
    _Kind(
        "hex",
        re.compile(r"\b(?:(?:0x|\\x)?[0-9a-fA-F]{2}[\s,:;-]{1,2}){5,2048}(?:0x)?[0-9a-fA-F]{2}\b"),
        re.compile(r"(?:0x|\\x)?([0-9a-fA-F]{2})"),
        16,
    ),
    _Kind("decimal", re.compile(r"(?:\b\d{2,3}[\s,;-]{1,2}){5,2048}\d{2,3}\b"), re.compile(r"(\d{2,3})"), 10),
)


def number_rows(text: str, shape: bytes) -> Iterator[Piece]:
    """Those that say something in letters, for the most part: rows of numbers are something else far more often.

    `shape` has a zero for whatever they are written with.
    """
    begin = shape.find(SIX_NUMBERS)
    while begin >= 0:
        end = shape.find(b".", begin)
        end = len(shape) if end < 0 else end
        for kind in _KINDS:
            if found := list(_found(kind, text, begin, end + 1)):
                yield from found
                break
        begin = shape.find(SIX_NUMBERS, end)


def _found(kind: _Kind, text: str, begin: int, end: int) -> Iterator[Piece]:
    for row in kind.row.finditer(text, begin, end):
        numbers = (int(number, kind.base) for number in kind.number.findall(row.group()))
        said = Octets(bytes(number for number in numbers if number < 256))
        if said.size and len(_LETTER.findall(said.text)) * 10 >= 7 * len(said.text):
            yield Piece(said.text, *row.span(), kind.encoding, _Row(kind, row, said).span)


class _Row:
    """The way from characters to the numbers that stand for them."""

    def __init__(self, kind: _Kind, row: re.Match[str], said: Octets) -> None:
        self._kind = kind
        self._row = row
        self._said = said
        self._numbers: list[tuple[int, int]] = []

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where those of a span stand."""
        if not self._numbers:
            found = self._kind.number.finditer(self._row.string, *self._row.span())
            self._numbers = [number.span() for number in found if int(number[1], self._kind.base) < 256]
        first, last = self._said.span(start, end)
        return self._numbers[first][0], self._numbers[max(first, last - 1)][1]
