"""What members of requests and answers hold beside texts: bytes in base64, and numbers."""

import base64
import binascii
import codecs
import re
from typing import Any

LONG_NUMBER = 10_000_000
"""From eight digits on a number may be somebody's."""
BEGINNING = 4_096
"""Characters of base64 that tell what it is of."""
_SHORTEST_SEAL = 64
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Not white space, nor what colours a text on a terminal."""
_OF_A_TEXT = 128
"""Bytes of a text to one control character: pictures, sound, archives and random bytes have far more."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_URL_SAFE = str.maketrans("-_", "+/")


def encoding_of(beginning: bytes) -> str:
    """How a text that begins so is encoded; empty for what is no text. PDFs begin like one, and are none.

    A mark at the beginning tells (https://www.unicode.org/faq/utf_bom.html), or the zeros that two bytes a character
    have in every second place; what is not UTF-8 then is taken for Latin-1, which loses no byte.
    """
    found = next((name for mark, name in _MARKS if beginning.startswith(mark)), "")
    if not found:
        first, second = beginning[::2], beginning[1::2]
        wide = {"utf-16-le": second, "utf-16-be": first}
        found = next((name for name, zeros in wide.items() if 2 * zeros.count(0) > len(zeros)), "")
    if found:
        beginning = beginning[: len(beginning) // 4 * 4].decode(found, "replace").encode()
    if len(_CONTROL.findall(beginning)) * _OF_A_TEXT > len(beginning) or beginning.startswith(b"%PDF-"):
        return ""
    return found or ("utf-8" if _is_utf8(beginning) else "latin-1")


def _is_utf8(beginning: bytes) -> bool:
    """The last character may be cut off."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return False
    return True


def sealed(value: str) -> bool:
    """Is it base64 of something that is no text, too long to be somebody's number or key?"""
    if len(value) < _SHORTEST_SEAL:
        return False
    head = value[:BEGINNING].translate(_URL_SAFE).rstrip("=")
    try:
        return not encoding_of(base64.b64decode(head + "=" * (-len(head) % 4), validate=True))
    except (binascii.Error, ValueError):
        return False


def long_number(value: Any) -> str:
    """The digits of a whole number that may be somebody's; empty for anything else. Who writes it with a point or an
    exponent says the same number.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and abs(value) >= LONG_NUMBER else ""
