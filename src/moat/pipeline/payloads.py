"""What members of requests and answers hold beside texts: bytes in base64, and numbers."""

import base64
import binascii
import codecs
import re
from typing import Any

LONG_NUMBER = 10_000_000
"""From eight digits on a number may be somebody's."""
_SLICE = 4_096
"""Characters of base64 that a window takes."""
_SHORTEST_SEAL = 64
_DOCUMENT = re.compile(rb"%PDF-")
"""How what holds its text in a way of its own begins: nobody reads it as a text."""
_KNOWN = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|PK\x03\x04|RIFF.{4}|OggS\0|fLaC\0|ID3[\x02-\x04]\0|\0\0\0.ftyp"
    rb"|\xd0\xcf\x11\xe0|BM.{4}\0{4}|II\*\0|MM\0\*",
    re.DOTALL,
)
"""How pictures, sound, archives and other documents begin. It says little: a text may begin so."""
_WINDOW = 3_072
"""Bytes that are looked at where a file begins, in its middle and at its end. A multiple of what a character takes."""
_CONTROL = bytes({*range(0x20)} - {*range(0x09, 0x0E), 0x1B})
"""Not white space, nor what colours a text on a terminal."""
_OF_ANYTHING = 128
_OF_SIGNS = 16
_FEW = 4
"""Bytes to one control character in what may be a text, and in what is UTF-8, which may have a few anyway. Random bytes
have one in nine.
"""
_VARIETY = 4
_RUN = re.compile(rb"([ -\xff])\1{3,}")
"""Silence and what fills up look like a text of one sign."""
_CONTINUED = re.compile(rb"[\x80-\xbf]{1,3}")
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_URL_SAFE = str.maketrans("-_", "+/")


def encoding_of(data: bytes) -> str:
    """How a text is encoded; empty for what is no text. One is what looks like one anywhere: a few other bytes before
    it hide it from nobody, nor does a beginning that is a picture's.

    A mark at the beginning tells (https://www.unicode.org/faq/utf_bom.html), or the zeros that two bytes a character
    have in every second place; what is not UTF-8 then is taken for Latin-1, which loses no byte.
    """
    if _DOCUMENT.match(data):
        return ""
    known, last = _KNOWN.match(data), max(0, len(data) - _WINDOW)
    starts = sorted({0, last // 8 * 4, last // 4 * 4})
    if known:  # what it is about stands at its beginning
        starts = starts[1:] or [(known.end() + 3) // 4 * 4]
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    found = (_encoding(data[at : at + _WINDOW], "" if at else marked, known is not None) for at in starts)
    return next(filter(None, found), "" if data else "utf-8")


def _encoding(window: bytes, marked: str, known: bool) -> str:
    """`known`: does the file begin as one of a format that is no text? Then more has to speak for one."""
    wide = marked or _wide(window)
    if wide:
        window = window[: len(window) // 4 * 4].decode(wide, "replace").encode()
    is_utf8 = _is_utf8(window)
    if known or not is_utf8:
        if len(set(window)) < min(_VARIETY, len(window) // 4):
            return ""
        window = _RUN.sub(rb"\1", window)
    controls = len(window) - len(window.translate(None, _CONTROL))
    most = max(_FEW, len(window) // _OF_SIGNS) if is_utf8 else len(window) // _OF_ANYTHING
    if (controls > most or (known and (wide or not is_utf8))) and not is_legible(window):
        return ""
    return wide or ("utf-8" if is_utf8 else "latin-1")


def _wide(window: bytes) -> str:
    """The encoding with two bytes a character that it may be in."""
    places = {"utf-16-le": window[1::2], "utf-16-be": window[::2]}
    return next((name for name, zeros in places.items() if 2 * zeros.count(0) > len(zeros)), "")


def is_legible(data: bytes) -> bool:
    """Are three of four of its signs those that everybody has?"""
    return 4 * len(data.translate(None, _PRINTABLE)) <= len(data)


def _is_utf8(window: bytes) -> bool:
    """The first and the last character may be cut off."""
    cut = _CONTINUED.match(window)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(window[cut.end() :] if cut else window)
    except UnicodeDecodeError:
        return False
    return True


def sample(packed: str) -> str:
    """Of long base64 its beginning, middle and end, which tell whether it is a text as well as all of it."""
    if len(packed) <= 4 * _SLICE or packed.rstrip("=").encode("utf-8", "replace").translate(None, _BASE64):
        return packed
    last = len(packed) - _SLICE
    middle, end = last // 32 * 16, last // 16 * 16  # whole characters: 16 are twelve bytes
    return packed[:_SLICE] + packed[middle : middle + _SLICE] + packed[end:]


def sealed(value: str) -> bool:
    """Is it base64 of something that is no text, too long to be somebody's number or key?"""
    if len(value) < _SHORTEST_SEAL:
        return False
    try:
        return not encoding_of(_unpacked(sample(value)))
    except (binascii.Error, ValueError):
        return False


def _unpacked(value: str) -> bytes:
    packed = value.translate(_URL_SAFE).rstrip("=")
    return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)


def long_number(value: Any) -> str:
    """The digits of a whole number that may be somebody's; empty for anything else. Who writes it with a point or an
    exponent says the same number.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and abs(value) >= LONG_NUMBER else ""
