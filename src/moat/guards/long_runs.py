"""Long runs of base64 or hex, and the texts in them: what is found there is known to the characters it stands in."""

import base64
import re
from collections.abc import Iterator
from typing import NamedTuple

from moat.guards.edits import Edited
from moat.guards.patterns import Pattern

SHORTEST = 400
"""Characters of a run in one line; what is shorter is one piece."""
_RUNS = Pattern(r"[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]{4,})*={0,2}")
"""Also in lines, as `base64` writes it."""
_BREAKS = re.compile(r"[\r\n]+")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_TEXT = re.compile("[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]{8,}")
"""What stands between bytes that are no text: bytes drawn at random have hardly any."""
_URL_SAFE = str.maketrans("-_", "+/")


class Run(NamedTuple):
    """Where the texts of one run come from."""

    start: int
    """In the original."""
    packed: Edited
    """Without breaks of lines."""
    signs: int
    """Characters of a group."""
    octets: int
    """Bytes that these stand for."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the original that stand for these bytes, in whole groups."""
        last = min(-(-end // self.octets) * self.signs, len(self.packed.text))
        begin, stop = self.packed.back(start // self.octets * self.signs, last)
        return self.start + begin, self.start + stop


class Part(NamedTuple):
    """A text in a run."""

    text: str
    run: Run
    offset: int
    """Bytes of the run before it."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the original that stand for a span of `text`."""
        first = self.offset + len(self.text[:start].encode())
        return self.run.span(first, first + len(self.text[start:end].encode()))


def long_runs(original: str) -> Iterator[tuple[int, int, list[Part]]]:
    """Where there are any, and the texts in each; time is linear in the text."""
    for start, end in _RUNS.spans(original):
        written = original[start:end]
        if end - start > SHORTEST or "\n" in written:
            # What stands at the beginning of a block may be cut off within a group.
            shifts = range(4) if start == 0 else range(1)
            tried = (list(_parts(written[shift:], start + shift)) for shift in shifts)
            yield start, end, max(tried, key=lambda parts: sum(len(part.text) for part in parts))


def _parts(written: str, start: int) -> Iterator[Part]:
    packed = Edited(written, [(*match.span(), "") for match in _BREAKS.finditer(written)])
    signs = packed.text.rstrip("=")
    if _HEX.fullmatch(signs):
        run, data = Run(start, packed, 2, 1), bytes.fromhex(signs)
    else:
        whole = signs.translate(_URL_SAFE)[: len(signs) - (len(signs) % 4 == 1)]
        run, data = Run(start, packed, 4, 3), base64.b64decode(whole + "=" * (-len(whole) % 4))
    text, read, offset = data.decode("utf-8", "surrogateescape"), 0, 0
    for match in _TEXT.finditer(text):
        offset += len(text[read : match.start()].encode("utf-8", "surrogateescape"))
        yield Part(match[0], run, offset)
        read = match.end()
        offset += len(match[0].encode())
