"""Runs of base64, base32 or hex, in one line or as these are wrapped, and the texts in them."""

import base64
import binascii
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from moat.guards.edits import Edited
from moat.guards.octets import Octets, may_hold_text
from moat.guards.patterns import Pattern
from moat.guards.readings import Piece

SHORT = 400
"""Characters. Of a run in one line that is no longer, what is found in it stands for all of it."""
_HALF, _NEARLY_ALL = 0.5, 0.95
"""Shares of a run that are text."""
LONG_LINE = 16
"""Characters of the first line of a run."""
_RUNS = Pattern(r"[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]{4,})*={0,6}")
_ENDS = "\r\n\"'`<=,)]}"
"""What stands behind the last line of a run, if anything does."""
_LINE = re.compile(rf"[^\r\n]{{{LONG_LINE},}}")
_BREAKS = re.compile(r"[\r\n]+")
_HEX = re.compile(r"[0-9a-fA-F]{16,}")
_BASE32 = re.compile(r"[A-Z2-7]{16,}")
_URL_SAFE = str.maketrans("-_", "+/")


class Packed(NamedTuple):
    """A run, and how its bytes are written."""

    encoding: str
    skipped: int
    """Characters before the first group."""
    signs: int
    """Characters of a group."""
    octets: int
    """Bytes that these stand for."""
    said: Octets

    @property
    def text(self) -> str:
        """Its texts, a line each."""
        return self.said.text

    def share(self, run: str) -> float:
        """How much of a run is text, as far as whole groups go."""
        return self.said.size * self.signs / max(1, (len(run) - 2 * self.signs) * self.octets)


def runs(original: str) -> Iterator[Piece]:
    """Every run in which there is text, and its texts, a line each. Linear in the text."""
    for start, end in _lone(original):
        written = original[start:end]
        if "\n" not in written:
            yield from _alone(written, start)
            continue
        lines = Edited(written, [(*match.span(), "") for match in _BREAKS.finditer(written)])
        packed = _unpacked(lines.text)
        share, said = (packed.share(lines.text), packed.text) if packed else (0.0, "")
        if packed and share > _HALF:
            yield _piece(lines, packed, start)
        if share < 1:
            # No run in lines, or not only: lines that are one each, or words below each other.
            for line in _LINE.finditer(written):
                alone = _alone(line.group(), start + line.start())
                yield from (piece for piece in alone if share <= _HALF or piece.text not in said)


def _lone(original: str) -> Iterator[tuple[int, int]]:
    """Where runs stand. A last line that goes on, as one of words does, is one by itself."""
    for start, end in _RUNS.spans(original):
        last = original.rfind("\n", start, end) + 1
        if last and original[end : end + 1] not in _ENDS:
            yield start, last - 1 - (original[last - 2] == "\r")
            if end - last >= LONG_LINE:
                yield last, end
        else:
            yield start, end


def _alone(run: str, start: int) -> Iterator[Piece]:
    """What a run in one line says."""
    if len(run) > SHORT:
        if packed := _unpacked(run):
            yield _piece(Edited(run), packed, start)
    elif packed := _remembered(run):
        yield Piece(packed.text, start, start + len(run), packed.encoding)


def read(lines: Edited, start: int) -> Piece | None:
    """What a run says that was written in lines or groups, when it is a text for the most part. `start`: of it in the
    text.
    """
    packed = _unpacked(lines.text)
    return _piece(lines, packed, start) if packed and packed.share(lines.text) > _HALF else None


def _piece(lines: Edited, packed: Packed, start: int) -> Piece:
    end = start + lines.back(0, len(lines.text))[1]
    return Piece(packed.text, start, end, packed.encoding, _Run(lines, packed, start).span)


class _Run:
    """The way from the texts of a run to its characters."""

    def __init__(self, lines: Edited, packed: Packed, start: int) -> None:
        self._lines = lines
        self._packed = packed
        self._start = start

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The characters that stand for these, in whole groups."""
        packed = self._packed
        first, last = packed.said.span(start, end)
        begin = packed.skipped + first // packed.octets * packed.signs
        stop = min(packed.skipped + -(-last // packed.octets) * packed.signs, len(self._lines.text))
        begin, stop = self._lines.back(min(begin, stop - 1), stop)
        return self._start + begin, self._start + stop


def _unpacked(run: str) -> Packed | None:
    """How a run is written, when there is text in it."""
    best = None
    for encoding, skipped, signs, octets, data in _ways(run.rstrip("=")):
        if may_hold_text(data):
            packed = Packed(encoding, skipped, signs, octets, Octets(data))
            if packed.share(run) >= _NEARLY_ALL:
                return packed
            if packed.said.size and (best is None or packed.said.size > best.said.size):
                best = packed
    return best


_remembered = lru_cache(maxsize=4_096)(_unpacked)


def _ways(run: str) -> Iterator[tuple[str, int, int, int, bytes]]:
    """As `Packed`, and the bytes."""
    if digits := _HEX.search(run):
        for at in (digits.start(), digits.start() + 1):
            signs = run[at : digits.end()]
            yield "hex", at, 2, 1, bytes.fromhex(signs[: len(signs) // 2 * 2])
    if _BASE32.fullmatch(run):
        for skipped in range(8):
            rest = run[skipped:]
            whole = rest[: len(rest) // 8 * 8 + {1: 0, 3: 2, 6: 5}.get(len(rest) % 8, len(rest) % 8)]
            yield "base32", skipped, 8, 5, base64.b32decode(whole + "=" * (-len(whole) % 8))
    signs = run.translate(_URL_SAFE) if "-" in run or "_" in run else run
    # What stands before it, or at the beginning of a block, may be cut off within a group.
    for skipped in range(4):
        yield "base64", skipped, 4, 3, _octets(signs[skipped:])
    if len(run) <= SHORT:
        yield "base64", 0, 4, 3, _octets(signs[::-1])
        if "-" in run:
            yield "base64", 0, 4, 3, _octets(run.replace("-", "").translate(_URL_SAFE))


def _octets(signs: str) -> bytes:
    over = len(signs) % 4
    return binascii.a2b_base64(signs[:-1] if over == 1 else signs + "=" * (-over % 4))
