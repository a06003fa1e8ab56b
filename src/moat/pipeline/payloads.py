"""What members of requests and answers hold beside texts: bytes in base64, and numbers."""

import base64
import binascii
import codecs
import re
from typing import Any

LONG_NUMBER = 10_000_000
"""From eight digits on a number may be somebody's."""
BEGINNING = 4_096
"""Characters of base64 that tell whether it is of a known format that is no text."""
_SHORTEST_SEAL = 64
_BINARY = re.compile(
    rb"%PDF-|\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a.{6}\0|PK\x03\x04|RIFF.{3}[\0-\x07](?:WAVE|WEBP)|OggS\0|fLaC\0"
    rb"|ID3[\x02-\x04]\0|\0\0\0.ftyp",
    re.DOTALL,
)
"""How documents, pictures, sound and archives begin."""
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
_CONTINUED = re.compile(rb"[\x80-\xbf]{1,3}")
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_URL_SAFE = str.maketrans("-_", "+/")


def is_binary(beginning: bytes) -> bool:
    """Is it of a known format that is no text?"""
    return _BINARY.match(beginning) is not None


def encoding_of(data: bytes) -> str:
    """How a text is encoded; empty for what is no text. One is what looks like one anywhere: a few other bytes before
    it hide it from nobody.

    A mark at the beginning tells (https://www.unicode.org/faq/utf_bom.html), or the zeros that two bytes a character
    have in every second place; what is not UTF-8 then is taken for Latin-1, which loses no byte.
    """
    if is_binary(data):
        return ""
    last = max(0, len(data) - _WINDOW)
    windows = (data[at : at + _WINDOW] for at in sorted({0, last // 8 * 4, last // 4 * 4}))
    return next((found for window in windows if (found := _encoding(window))), "" if data else "utf-8")


def _encoding(window: bytes) -> str:
    found = next((name for mark, name in _MARKS if window.startswith(mark)), "")
    if not found:
        first, second = window[::2], window[1::2]
        wide = {"utf-16-le": second, "utf-16-be": first}
        found = next((name for name, zeros in wide.items() if 2 * zeros.count(0) > len(zeros)), "")
    if found:
        window = window[: len(window) // 4 * 4].decode(found, "replace").encode()
    controls, is_utf8 = len(window) - len(window.translate(None, _CONTROL)), _is_utf8(window)
    most = max(_FEW, len(window) // _OF_SIGNS) if is_utf8 else len(window) // _OF_ANYTHING
    if controls > most and not is_legible(window):
        return ""
    return found or ("utf-8" if is_utf8 else "latin-1")


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


def sealed(value: str) -> bool:
    """Is it base64 of something that is no text, too long to be somebody's number or key?"""
    if len(value) < _SHORTEST_SEAL:
        return False
    try:
        return is_binary(_unpacked(value[:BEGINNING])) or not encoding_of(_unpacked(value))
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
