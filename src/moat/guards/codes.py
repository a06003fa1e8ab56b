"""Readers of single encodings. Each gives an empty string for what does not decode to readable text."""

import base64
import html
import re
from collections.abc import Callable
from urllib.parse import unquote

_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]")
_LETTER = re.compile(r"[^\W\d_]|\s")
_HEX = re.compile(r"[0-9a-fA-F]{2}")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|([0-7]{3}))")
_LAST = 0x10FFFF


def _readable(text: str) -> str:
    if len(text) < 4 or _NO_TEXT.search(text):
        return ""
    return text if len(_LETTER.findall(text)) * 10 >= 7 * len(text) else ""


def _utf8(data: bytes) -> str:
    try:
        return _readable(data.decode())
    except UnicodeDecodeError:
        return ""


def _base64(token: str) -> str:
    packed = re.sub(r"[\s=]", "", token).replace("-", "+").replace("_", "/")
    packed = packed[: len(packed) - (len(packed) % 4 == 1)]
    return _utf8(base64.b64decode(packed + "=" * (-len(packed) % 4)))


def _base32(token: str) -> str:
    packed = re.sub(r"[\s=]", "", token)
    if not re.fullmatch(r"[A-Z2-7]+", packed):
        return ""
    packed = packed[: len(packed) // 8 * 8 + {1: 0, 3: 2, 6: 5}.get(len(packed) % 8, len(packed) % 8)]
    return _utf8(base64.b32decode(packed + "=" * (-len(packed) % 8)))


def _hex(token: str) -> str:
    packed = re.sub(r"\s", "", token.removeprefix("0x"))
    return _utf8(bytes.fromhex(packed)) if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", packed) else ""


TOKENS: dict[str, Callable[[str], str]] = {"hex": _hex, "base32": _base32, "base64": _base64}


def hex_pairs(run: str) -> str:
    """`69 67 6e`, `0x69 0x67`, `69:67`."""
    return _utf8(bytes(int(pair, 16) for pair in _HEX.findall(run.replace("0x", ""))))


def binary(run: str) -> str:
    """`01101001 01100111`."""
    return _utf8(bytes(int(octet, 2) for octet in re.findall(r"[01]{8}", run)))


def decimal(run: str) -> str:
    """`105 103 110`."""
    return _utf8(bytes(number for number in map(int, re.findall(r"\d+", run)) if number < 256))


def unescape(text: str, encoding: str) -> str:
    """Percent signs, entities, backslashes, or `=69`."""
    if encoding == "url":
        return unquote(text)
    if encoding == "html":
        return html.unescape(text)
    if encoding == "quoted":
        return unquote(text.replace("%", "%25").replace("=", "%"))
    return _ESCAPE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    octal = match.group(4)
    code = int(octal, 8) if octal else int(match.group(1) or match.group(2) or match.group(3), 16)
    return chr(code) if code <= _LAST and not 0xD800 <= code < 0xE000 else " "


_MORSE_ROWS = """a .- b -... c -.-. d -.. e . f ..-. g --. h .... i .. j .--- k -.- l .-.. m -- n -. o --- p .--. q --.-
r .-. s ... t - u ..- v ...- w .-- x -..- y -.-- z --.. 0 ----- 1 .---- 2 ..--- 3 ...-- 4 ....- 5 ..... 6 -....
7 --... 8 ---.. 9 ----. , --..-- . .-.-.- ? ..--.. ! -.-.-- ' .----."""
_MORSE_CELLS = _MORSE_ROWS.split()
MORSE = dict(zip(_MORSE_CELLS[::2], _MORSE_CELLS[1::2], strict=True))
"""Letter -> dots and dashes."""
_FROM_MORSE = {code: letter for letter, code in MORSE.items()}
_DOTS = str.maketrans("·•−–", "..--")


def morse(run: str) -> str:
    """Letters apart by a space, words by a slash, a bar, a line or more spaces."""
    found = []
    for word in re.split(r"\s*[/|\n]\s*| {2,}", run.translate(_DOTS)):
        letters = [_FROM_MORSE.get(code, "") for code in word.split(" ")]
        if not all(letters):
            return ""
        found.append("".join(letters))
    text = " ".join(found)
    return text if len(set(text)) > 3 else ""


_BRAILLE = dict(zip("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵⠀", "abcdefghijklmnopqrstuvwxyz ", strict=True))


def braille(run: str) -> str:
    """Uncontracted."""
    return "".join(_BRAILLE.get(cell, cell if cell.isspace() else "") for cell in run)


def tags(run: str) -> str:
    """Characters of the tag block, which show nothing, one for each of ASCII."""
    return "".join(chr(ord(tag) - 0xE0000) for tag in run)


def selectors(run: str) -> str:
    """Variation selectors, which show nothing, one for each byte."""
    codes = map(ord, run)
    return _utf8(bytes(code - 0xFE00 if code < 0xFF00 else code - 0xE0100 + 16 for code in codes))


_UPRIGHT = str.maketrans("ɐqɔpǝɟƃɓɥᴉıɾʞlɯuodbɹsʇnʌʍxʎz¿¡", "abcdefgghiijklmnopqrstuvwxyz?!")


def flipped(text: str) -> str:
    """Letters upside down, the last first."""
    return text.lower().translate(_UPRIGHT)[::-1]
