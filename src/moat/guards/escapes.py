"""Characters that are written by their numbers or names: percent signs, entities, backslashes, `=69` of e-mails."""

import html
import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from urllib.parse import unquote

from moat.guards.readings import Decoded, Piece, stretches

FEWEST = 3
"""Escapes in a stretch of language: with fewer, its words are as well read without."""
_AROUND = 128
"""Characters of the line beside an escape that are read with it."""
_ONE = (
    r"%[0-7][0-9a-fA-F]|(?:%[89a-fA-F][0-9a-fA-F])+"
    r"|&(?:#\d{2,7};?|#[xX][0-9a-fA-F]{2,6};?|[a-zA-Z]{2,8}\d{0,2};)"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|[0-7]{3})"
)
_ESCAPE = re.compile(_ONE)
_ROW = re.compile(f"(?:{_ONE})+")
_QUOTED = re.compile(r"=(?:0[9AD]|[2-7][0-9A-F])|(?:=[89A-F][0-9A-F])+")
_QUOTED_ROW = re.compile(f"(?:{_QUOTED.pattern})+")
_NUMBERED = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|([0-7]{3}))")
_LAST = 0x10FFFF


def escaped(text: str) -> Iterator[Decoded]:
    """Stretches with percent signs, entities or backslashes. Single ones are worth it for a number or an address."""
    if "%" in text or "&" in text or "\\" in text:
        for stretch in stretches(text, _rows(text, "escapes", _ROW, _ESCAPE), _AROUND):
            telling = len(_ESCAPE.findall(text, stretch.start, stretch.end)) >= FEWEST
            yield Decoded(stretch.text, stretch.encoding, stretch.span, telling)


def quoted(text: str) -> Iterator[Decoded]:
    """Stretches of quoted-printable (RFC 2045), as e-mails write it. Addresses of web pages have single ones."""
    if text.count("=") >= FEWEST:
        rows = _rows(text, "quoted", _QUOTED_ROW, _QUOTED)
        if sum(row.end - row.start for row in rows) >= FEWEST * len("=69"):
            for stretch in stretches(text, rows, _AROUND):
                yield Decoded(stretch.text, stretch.encoding, stretch.span)


def _rows(text: str, encoding: str, row: re.Pattern[str], one: re.Pattern[str]) -> list[Piece]:
    """Escapes side by side, and what they stand for."""
    found = []
    for match in row.finditer(text):
        read = one.sub(_characters, match.group())
        if read != match.group():
            back = _Row(match.group(), match.start(), one).span if len(match.group()) > len("%69") else None
            found.append(Piece(read, *match.span(), encoding, back))
    return found


class _Row:
    """The way from characters to the escapes that stand for them."""

    def __init__(self, written: str, start: int, one: re.Pattern[str]) -> None:
        self._written = written
        self._start = start
        self._one = one
        self._ones: list[tuple[int, int]] = []
        self._begins: list[int] = []

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Of these characters."""
        if not self._ones:
            ones = list(self._one.finditer(self._written))
            self._ones = [match.span() for match in ones]
            self._begins = list(accumulate((len(_read(match.group())) for match in ones), initial=0))
        first, last = (bisect_right(self._begins, position) - 1 for position in (start, end - 1))
        last = min(last, len(self._ones) - 1)
        return self._start + self._ones[min(first, last)][0], self._start + self._ones[last][1]


def _characters(match: re.Match[str]) -> str:
    return _read(match.group())


@lru_cache(maxsize=4_096)
def _read(written: str) -> str:
    """One escape."""
    if written[0] == "%":
        return unquote(written)
    if written[0] == "&":
        return html.unescape(written)
    if written[0] == "=":
        return unquote(written.replace("=", "%"))
    if len(written) > len("\\u{10ffff}"):  # two halves of a pair
        return (
            "".join(chr(int(half, 16)) for half in written.split("\\u")[1:])
            .encode("utf-16", "surrogatepass")
            .decode("utf-16")
        )
    return _NUMBERED.sub(_numbered, written)


def _numbered(match: re.Match[str]) -> str:
    octal = match.group(4)
    code = int(octal, 8) if octal else int(match.group(1) or match.group(2) or match.group(3), 16)
    return chr(code) if code <= _LAST and not 0xD800 <= code < 0xE000 else " "
