"""Words of a text that hold something in another encoding, for detectors of data.

`Text.decoded` keeps what reads like language; a number or a key in base64 does not.
"""

import base64
import binascii
import html
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote

from moat.guards.decoding import Decoded
from moat.guards.long_runs import SHORTEST, Part, long_runs
from moat.guards.patterns import Pattern

_EXACT = frozenset(("base64", "base32", "hex", "url", "html", "escapes", "binary", "decimal", "tags"))
_LONGEST = SHORTEST
"""Characters of a piece."""
_MOST = 64
_WORDS = Pattern(
    r"[A-Za-z0-9+/_-]{16,400}={0,2}|[^\s\"'<>]{0,100}(?:%[0-9A-Fa-f]{2}|&#?\w{2,8};|\\u00[0-9a-f]{2})[^\s\"'<>]{0,200}"
)
_RUN = bytes(120 if chr(code).isalnum() or chr(code) in "+/_-" else 32 for code in range(128)) + bytes(128)
_SHORTEST_RUN = b"x" * 16
_ESCAPE = re.compile(r"\\u00([0-9a-fA-F]{2})")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){8,200}")


class Enclosed(NamedTuple):
    """What stands in a text in another encoding, and where."""

    text: str
    start: int
    end: int

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the original that stand for a span of `text`: all of the piece."""
        return self.start, self.end


def enclosed(original: str, decoded: Iterable[Decoded]) -> Iterator[Enclosed | Part]:
    """Each short piece once, a bounded number of them, and the texts of long ones. `decoded`: those that read like
    language.
    """
    seen = set()
    for piece in decoded:
        if piece.end - piece.start <= _LONGEST and _EXACT.issuperset(piece.encoding.split("+")):
            seen.add((piece.start, piece.end))
            yield Enclosed(piece.text, piece.start, piece.end)
    if not _may_hold(original):
        return
    ends: list[int] = []
    starts: list[int] = []
    for start, end, parts in long_runs(original):
        if parts:
            yield from parts
            starts.append(start)
            ends.append(end)
    count = 0
    for start, end in _WORDS.spans(original):
        if count >= _MOST:
            return
        run = bisect_right(starts, start) - 1
        if run >= 0 and start < ends[run]:
            continue
        if (start, end) not in seen and (inner := _decoded(original[start:end])):
            count += 1
            yield Enclosed(inner, start, end)


def _may_hold(original: str) -> bool:
    """Without a long run of letters and digits, and without escapes, there is nothing."""
    runs = original.encode("ascii", "replace").translate(_RUN)
    return _SHORTEST_RUN in runs or "%" in original or "&" in original or "\\u00" in original


def _decoded(word: str) -> str:
    if "%" in word or "&" in word or "\\u" in word:
        plain = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), html.unescape(unquote(word)))
        return plain if plain != word else ""
    if _HEX.fullmatch(word):
        return _readable(bytes.fromhex(word))
    try:
        data = base64.b64decode(
            word.rstrip("=").replace("-", "+").replace("_", "/") + "=" * (-len(word.rstrip("=")) % 4)
        )
    except binascii.Error:
        return ""
    return _readable(data)


def _readable(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    return text if text.replace("\n", " ").isprintable() and len(text) >= 5 else ""
