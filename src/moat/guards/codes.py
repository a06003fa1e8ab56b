"""Readers of single encodings. Each gives an empty string for what does not decode to readable text."""

import re

from moat.guards.octets import Octets

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
    return Octets(bytes(code - 0xFE00 if code < 0xFF00 else code - 0xE0100 + 16 for code in codes)).text


_UPRIGHT = str.maketrans("ɐqɔpǝɟƃɓɥᴉıɾʞlɯuodbɹsʇnʌʍxʎz¿¡", "abcdefgghiijklmnopqrstuvwxyz?!")


def flipped(text: str) -> str:
    """Letters upside down, the last first."""
    return text.lower().translate(_UPRIGHT)[::-1]
