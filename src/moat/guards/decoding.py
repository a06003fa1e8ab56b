"""What stands in a text in another encoding: base64, hex, escapes, Morse, shifted alphabets, hidden characters, ...

Each decoder first asks whether the text could hold its encoding at all, by finding a substring; ordinary text costs
some microseconds. All of a text is read, in time linear in its length: nothing harmless hides what stands behind it.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from moat.guards import ciphers, codes
from moat.guards.escapes import escaped, quoted
from moat.guards.glance import GLANCE, Glimpse
from moat.guards.number_rows import NUMERIC, SIX_NUMBERS, number_rows
from moat.guards.readings import NEAR, Decoded, Piece, backwards, spread, stretches
from moat.guards.runs import runs
from moat.guards.wrapped import WRAPPED, worded, wrapped

DEPTH = 3
"""How often something may be encoded."""
_ROOM = 4
"""What is encoded twice or more is read to so many times the length of the text, against texts made to be slow."""
_LONG_RUN = b"a" * 16


def _table(shape: Callable[[str], str]) -> bytes:
    """For `bytes.translate`: characters of ASCII by what they are to a reader."""
    return "".join(map(shape, map(chr, range(128)))).encode() + bytes(128)


_RUN = _table(lambda sign: "a" if sign.isalnum() or sign in "+/=_-" else " ")
_NUMERIC = _table(lambda sign: "0" if sign in NUMERIC else ".")
_DOTS = _table(lambda sign: "." if sign in ".-" else " " if sign in " /|\n" else "x")
_MORSE = re.compile(r"(?:[.\-·•−–]{1,6}[ /|\n]{1,3}){4,2048}[.\-·•−–]{1,6}")
_BRAILLE = re.compile(r"[\u2800-\u28ff](?:[\u2800-\u28ff\s]{2,4096})")
_TAGS = re.compile(r"[\U000e0020-\U000e007e]{6,4096}")
_SELECTORS = re.compile(r"[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,4096}")
_OVERRIDE = re.compile(r"\u202e([^\u202c\n]{4,4096})")
_VERTICAL = re.compile(r"(?<![^\n])(?:[^\W\d_]\n{1,2}){6,512}[^\W\d_](?![^\n])")
_FLIPPED = re.compile("[ɐǝɹʇʌʍʎɥɯʞɟƃᴉɾɔ]")
_FEWEST_FLIPPED = 5
_HIDING = re.compile("[ɐǝɹʇʌʍʎɥɯʞɟƃᴉɾɔ\u202e\u2800-\u28ff\ufe00-\ufe0f\U000e0020-\U000e007e\U000e0100-\U000e01ef]")

Reader = Callable[[str], str]


def decode(text: str, glimpse: Glimpse) -> Iterator[Decoded]:
    """The encoded stretches of a text, and then what is encoded in these. `glimpse`: of the text."""
    level = list(_read(text, glimpse))
    yield from level
    room = _ROOM * len(text)
    for _ in range(DEPTH - 1):
        deeper = []
        for outer in level:
            if room <= 0:
                break
            for inner in _read(outer.text, GLANCE.at(outer.text)):
                # One shifted alphabet in another is a third.
                if not ciphers.READERS.keys() >= {inner.encoding, outer.encoding}:
                    room -= len(inner.text)
                    deeper.append(inner.within(outer))
        yield from deeper
        level = deeper


def _read(text: str, glimpse: Glimpse) -> Iterator[Decoded]:
    written = text.encode("ascii", "replace")
    if glimpse.shows(WRAPPED):
        yield from _together(text, wrapped(text))
        yield from _together(text, worded(text))
    if _LONG_RUN in written.translate(_RUN):
        yield from _together(text, runs(text))
    numbers = written.translate(_NUMERIC)
    if SIX_NUMBERS in numbers:
        yield from _together(text, number_rows(text, numbers))
    yield from escaped(text)
    yield from quoted(text)
    if b".. .." in written.translate(_DOTS) or "·" in text:
        yield from _together(text, _found(_MORSE, text, "morse", codes.morse))
    if glimpse.shows(ciphers.WORDED):
        for piece in ciphers.stretches(text):
            yield Decoded(piece.text, piece.encoding, piece.span)
    if not text.isascii() and _HIDING.search(text):
        yield from _hidden(text)
    if text.count("\n") * 3 > len(text):
        column = _found(_VERTICAL, text, "vertical", lambda row: row.replace("\n\n", " ").replace("\n", ""))
        yield from _together(text, column)


def _together(text: str, pieces: Iterable[Piece]) -> Iterator[Decoded]:
    for stretch in stretches(text, list(pieces)):
        yield Decoded(stretch.text, stretch.encoding, stretch.span)


def _found(pattern: re.Pattern[str], text: str, encoding: str, read: Reader, *between: int) -> Iterator[Piece]:
    """`between`: where to look, from and to."""
    for match in pattern.finditer(text, *between):
        if decoded := read(match.group()):
            yield spread(decoded, *match.span(), encoding)


def _hidden(text: str) -> Iterator[Decoded]:
    yield from _together(text, _found(_TAGS, text, "tags", codes.tags))
    yield from _together(text, _found(_SELECTORS, text, "selectors", codes.selectors))
    yield from _together(text, _found(_OVERRIDE, text, "bidi", lambda run: run[:0:-1]))
    yield from _together(text, _found(_BRAILLE, text, "braille", codes.braille))
    for piece in _flipped(text):
        yield Decoded(piece.text, piece.encoding, piece.span)


def _flipped(text: str) -> Iterator[Piece]:
    """Stretches with letters that stand upside down, the last first."""
    letters = [Piece(match.group(), *match.span(), "upside-down") for match in _FLIPPED.finditer(text)]
    for stretch in stretches(text, letters, NEAR):
        start, end = stretch.start, stretch.end
        if len(_FLIPPED.findall(text, start, end)) >= _FEWEST_FLIPPED:
            yield backwards(codes.flipped(text[start:end]), start, end, "upside-down")
