"""What stands in a text in another encoding: base64, hex, escapes, Morse, shifted alphabets, hidden characters, ...

Each decoder first asks whether the text could hold its encoding at all, by finding a substring; ordinary text costs
some microseconds. What decodes to something unreadable is left out.
"""

import re
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from moat.guards import ciphers, codes
from moat.guards.glance import GLANCE, Glimpse


class Decoded(NamedTuple):
    """A piece of the text that was written in another encoding."""

    text: str
    start: int
    end: int
    """Where it stands in the original, encoded; exclusive."""
    encoding: str
    """`base64`, `base32`, `hex`, `binary`, `decimal`, `url`, `escapes`, `morse`, `rot13`, `reversed`, `tags`, ..."""


MOST_PIECES = 16
MOST_OF_ONE = 4
LONGEST = 8_192
"""Characters of one encoded piece that are looked at."""
DEPTH = 2
_LONG_RUN = b"a" * 16


def _table(shape: Callable[[str], str]) -> bytes:
    """For `bytes.translate`: characters of ASCII by what they are to a reader."""
    return "".join(map(shape, map(chr, range(128)))).encode() + bytes(128)


_RUN = _table(lambda sign: "a" if sign.isalnum() or sign in "+/=_-" else " ")
_NUMERIC = _table(lambda sign: "0" if sign in "0123456789abcdefABCDEFxX\\,:;- \n\r\t" else ".")
_SIX_NUMBERS = b"0" * 17
"""With what is between them: fewer are no text."""
_DOTS = _table(lambda sign: "." if sign in ".-" else " " if sign in " /|\n" else "x")
_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{16,8192}(?:\r?\n[A-Za-z0-9+/_-]{4,200}){0,128}={0,6}")
_BINARY = re.compile(r"(?:[01]{8}[\s,]{0,2}){3,1024}")
_HEX_PAIRS = re.compile(r"\b(?:(?:0x|\\x)?[0-9a-fA-F]{2}[\s,:;-]{1,2}){5,2048}(?:0x)?[0-9a-fA-F]{2}\b")
_DECIMAL = re.compile(r"(?:\b\d{2,3}[\s,;-]{1,2}){5,2048}\d{2,3}\b")
_ESCAPES: dict[str, tuple[str, re.Pattern[str]]] = {
    "url": ("%", re.compile(r"%[0-9a-fA-F]{2}")),
    "html": ("&", re.compile(r"&(?:#\d{2,7}|#[xX][0-9a-fA-F]{2,6}|[a-zA-Z]{2,8});")),
    "escapes": ("\\", re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|[0-7]{3})")),
    "quoted": ("=", re.compile(r"=[0-9A-F]{2}")),
}
_MORSE = re.compile(r"(?:[.\-·•−–]{1,6}[ /|\n]{1,3}){4,2048}[.\-·•−–]{1,6}")
_BRAILLE = re.compile(r"[\u2800-\u28ff](?:[\u2800-\u28ff\s]{2,4096})")
_TAGS = re.compile(r"[\U000e0020-\U000e007e]{6,4096}")
_SELECTORS = re.compile(r"[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,4096}")
_OVERRIDE = re.compile(r"\u202e([^\u202c\n]{4,4096})")
_VERTICAL = re.compile(r"(?<![^\n])(?:[^\W\d_]\n{1,2}){6,512}[^\W\d_](?![^\n])")
_FLIPPED = re.compile("[ɐǝɹʇʌʍʎɥɯʞɟƃᴉɾɔ]")
_HIDING = re.compile("[ɐǝɹʇʌʍʎɥɯʞɟƃᴉɾɔ\u202e\u2800-\u28ff\ufe00-\ufe0f\U000e0020-\U000e007e\U000e0100-\U000e01ef]")

Reader = Callable[[str], str]


def decode(text: str, glimpse: Glimpse, depth: int = DEPTH) -> Iterator[Decoded]:
    """The encoded pieces of a text, outer ones first. `glimpse`: of the text."""
    for piece in islice(_pieces(text, glimpse), MOST_PIECES):
        yield piece
        if depth > 1:
            for inner in decode(piece.text, GLANCE.at(piece.text), depth - 1):
                yield Decoded(inner.text, piece.start, piece.end, f"{piece.encoding}+{inner.encoding}")


def _pieces(text: str, glimpse: Glimpse) -> Iterator[Decoded]:
    written = text.encode("ascii", "replace")
    runs = written.translate(_RUN)
    if _LONG_RUN in runs:
        yield from _tokens(written.decode(), runs)
    numbers = written.translate(_NUMERIC)
    if _SIX_NUMBERS in numbers:
        yield from _numbers(text, numbers)
    for encoding, (mark, pattern) in _ESCAPES.items():
        if mark in text:
            yield from _escaped(text, encoding, pattern)
    if b".. .." in written.translate(_DOTS) or "·" in text:
        yield from _found(_MORSE, text, "morse", codes.morse)
    if glimpse.shows(ciphers.WORDED):
        yield from _shifted(text, written)
    if not text.isascii() and _HIDING.search(text):
        yield from _hidden(text)
    if text.count("\n") * 3 > len(text):
        yield from _found(_VERTICAL, text, "vertical", lambda row: row.replace("\n\n", " ").replace("\n", ""))


def _found(
    pattern: re.Pattern[str], text: str, encoding: str, read: Reader, begin: int = 0, end: int = sys.maxsize
) -> Iterator[Decoded]:
    for match in islice(pattern.finditer(text, begin, end), MOST_OF_ONE):
        decoded = read(match.group())
        if decoded:
            yield Decoded(decoded, *match.span(), encoding)


def _numbers(text: str, shape: bytes) -> Iterator[Decoded]:
    """Rows of numbers. `shape` has a zero for whatever these are written with."""
    begin = shape.find(_SIX_NUMBERS)
    for _ in range(8 * MOST_PIECES):
        if begin < 0:
            return
        end = shape.find(b".", begin)
        end = len(shape) if end < 0 else end
        yield from _found(_BINARY, text, "binary", codes.binary, begin, end + 1)
        pairs = list(_found(_HEX_PAIRS, text, "hex", codes.hex_pairs, begin, end + 1))
        yield from pairs or _found(_DECIMAL, text, "decimal", codes.decimal, begin, end + 1)
        begin = shape.find(_SIX_NUMBERS, end)


def _tokens(text: str, runs: bytes) -> Iterator[Decoded]:
    at = runs.find(_LONG_RUN)
    tried = read_to = 0
    while at >= 0 and tried < 8 * MOST_PIECES:
        tried += 1
        match = _TOKEN.match(text, max(runs.rfind(b" ", 0, at) + 1, read_to))
        if match is None:
            at = runs.find(_LONG_RUN, at + 1)
            continue
        for encoding, read in codes.TOKENS.items():
            decoded = read(match.group())
            if decoded:
                yield Decoded(decoded, *match.span(), encoding)
                break
        read_to = match.end()
        at = runs.find(_LONG_RUN, read_to)


def _escaped(text: str, encoding: str, pattern: re.Pattern[str]) -> Iterator[Decoded]:
    places = [match.span() for match in islice(pattern.finditer(text), LONGEST)]
    if len(places) < 3:
        return
    start = text.rfind("\n", 0, places[0][0]) + 1
    start = max(start, places[0][0] - 256)
    end = text.find("\n", places[-1][1])
    end = min(len(text) if end < 0 else end, places[-1][1] + 256, start + LONGEST)
    decoded = codes.unescape(text[start:end], encoding)
    if decoded != text[start:end]:
        yield Decoded(decoded, start, end, encoding)


def _shifted(text: str, written: bytes) -> Iterator[Decoded]:
    for encoding in ciphers.suspected(written[: 4 * LONGEST].decode()):
        yield Decoded(ciphers.READERS[encoding](text[:LONGEST]), 0, min(len(text), LONGEST), encoding)


def _hidden(text: str) -> Iterator[Decoded]:
    yield from _found(_TAGS, text, "tags", codes.tags)
    yield from _found(_SELECTORS, text, "selectors", codes.selectors)
    yield from _found(_OVERRIDE, text, "bidi", lambda run: run[:0:-1])
    yield from _found(_BRAILLE, text, "braille", codes.braille)
    if len(_FLIPPED.findall(text[:LONGEST])) > 4:
        yield Decoded(codes.flipped(text[:LONGEST]), 0, min(len(text), LONGEST), "upside-down")
