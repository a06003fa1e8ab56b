"""A text in legible characters, for formats in which case and digits count: numbers, addresses, keys.

Unlike `Text.folded` it keeps case and accents. Full-width and other scripts' digits become ASCII digits; styled
letters, dashes, spaces and quotes become their ASCII ones; what is invisible is left out. White space and quotes that
are escaped, as in JSON, and underscores around emphasised words are no part of a value: blanks stand in their place.
"""

import re
import unicodedata
from bisect import bisect_right
from itertools import accumulate
from typing import NamedTuple

_DIGITS = (
    "\u0660-\u0669\u06f0-\u06f9\u07c0-\u07c9\u0966-\u096f\u09e6-\u09ef\u0a66-\u0a6f\u0ae6-\u0aef\u0b66-\u0b6f"
    "\u0be6-\u0bef\u0c66-\u0c6f\u0ce6-\u0cef\u0d66-\u0d6f\u0de6-\u0def\u0e50-\u0e59\u0ed0-\u0ed9\u0f20-\u0f29"
    "\u1040-\u1049\u17e0-\u17e9\u1810-\u1819\U0001d7ce-\U0001d7ff"
)
_STYLED = "\u2100-\u214f\u2460-\u2468\u24b6-\u24ea\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff5e\U0001d400-\U0001d6a3"
_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_DASHES = "\u058a\u05be\u2010-\u2015\u2043\u207b\u2212\u2e3a\u2e3b\u301c\u3030\u30a0\ufe58\ufe63\uff0d"
_QUOTES = dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'") | dict.fromkeys(
    "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'
)
_INVISIBLE = (
    "\u00ad\u0300-\u036f\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u20d0-\u20f0"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e01ef"
)
_ODD = f"{_DIGITS}{_STYLED}{_SPACES}{_DASHES}{''.join(_QUOTES)}"
_STRANGE = re.compile(f"[{_ODD}{_INVISIBLE}]")
_ESCAPED = re.compile(r'\\(?<!\\\\)\\*+[ntr"]')
"""Several times escaped too: JSON within JSON. What may not stand before it is asked behind its first character: a
pattern that begins with a character is quick to search with.
"""
_STANDS_FOR = {"n": "\n", "t": "\t", "r": "\r", '"': '"'}
_EMPHASISED = re.compile(r"(_(?<![\w\\]_)_{0,2})(?![\s_])([^_\n]{1,200})(?<!\s)\1(?!\w)")
_HIDDEN = re.compile(f"[{_INVISIBLE}]")
_DASH = re.compile(f"[{_DASHES}]")


class Legible(NamedTuple):
    """The text, and where its characters came from."""

    text: str
    kept: tuple[tuple[int, ...], tuple[int, ...]] | None
    """Starts of the pieces between what was left out: in the legible text, and in the original. None: nothing was."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the original that a span of `text` was made from, the invisible between them included."""
        if self.kept is None:
            return start, end
        return self._at(start), self._at(end - 1) + 1

    def _at(self, index: int) -> int:
        assert self.kept is not None
        here, there = self.kept
        piece = bisect_right(here, index) - 1
        return there[piece] + index - here[piece]


def legible(original: str) -> Legible:
    """The text in legible characters. ASCII is as it is, but for escapes and emphasis."""
    text = _spaced(original)
    if original.isascii():
        return Legible(text, None)
    strange = set(_STRANGE.findall(original))
    hidden = set(filter(_HIDDEN.match, strange))
    for odd in strange - hidden:
        text = text.replace(odd, _ascii(odd))
    if not hidden:
        return Legible(text, None)
    gaps = [match.span() for match in re.finditer(f"[{''.join(hidden)}]+", original)]
    starts = [0, *(end for _, end in gaps)]
    ends = [*(start for start, _ in gaps), len(original)]
    pieces = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    here = accumulate(map(len, pieces), initial=0)
    kept = [(at, start) for at, start, piece in zip(here, starts, pieces, strict=False) if piece]
    return Legible("".join(pieces), (tuple(at for at, _ in kept), tuple(start for _, start in kept)))


def _spaced(original: str) -> str:
    """As long as the original, so that places stay what they are."""
    text = original
    if "\\" in text:
        text = _ESCAPED.sub(lambda escape: _STANDS_FOR[escape[0][-1]].rjust(len(escape[0])), text)
    if "_" in text:
        text = _EMPHASISED.sub(lambda word: f"{len(word[1]) * ' '}{word[2]}{len(word[1]) * ' '}", text)
    return text


def _ascii(character: str) -> str:
    if (value := unicodedata.decimal(character, None)) is not None:
        return str(value)
    if character in _QUOTES:
        return _QUOTES[character]
    if _DASH.match(character):
        return "-"
    normal = unicodedata.normalize("NFKC", character)
    return normal if len(normal) == 1 and normal.isascii() else character
