"""Spots of a text, marked below the lines that they stand in."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len

from moat.cli.visible import visible

AROUND = 60
"""Characters shown on each side of a spot in a long line."""
MAX_SHOWN = 50
"""Spots; of more, only their number is said."""


class Spot(NamedTuple):
    """A stretch of the text, and what is said of it."""

    start: int
    end: int
    label: str
    style: str


def marked(text: str, spots: Sequence[tuple[int, int, str, str]]) -> Iterator[tuple[str, str]]:
    """Lines to print, each with its style: the text's lines that have a spot, and below each spot a row of carets with
    its label. A spot of several lines is marked on its first.
    """
    ordered = sorted(Spot(*spot) for spot in spots)
    starts = _line_starts(text)
    width = len(str(len(starts)))
    shown = -1
    for spot in ordered[:MAX_SHOWN]:
        number = sum(start <= spot.start for start in starts) if len(starts) > 1 else 1
        begin = starts[number - 1]
        stop = text.find("\n", begin)
        line = text[begin : stop if stop >= 0 else len(text)]
        left = max(0, spot.start - begin - AROUND)
        right = min(len(line), spot.end - begin + AROUND)
        if len(line) <= 3 * AROUND:
            left, right = 0, len(line)
        head, tail = "…" * (left > 0), "…" * (right < len(line))
        if number != shown or left or tail:
            yield f"{number:>{width}} | {head}{visible(line[left:right])}{tail}", ""
        shown = number
        before = " " * (len(head) + cell_len(visible(line[left : spot.start - begin])))
        carets = "^" * max(1, cell_len(visible(line[spot.start - begin : min(spot.end - begin, right)])))
        yield f"{'':>{width}} | {before}{carets} {spot.label}", spot.style
    if len(ordered) > MAX_SHOWN:
        yield f"... and {len(ordered) - MAX_SHOWN} more.", "dim"


def _line_starts(text: str) -> list[int]:
    starts, at = [0], text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)
    return starts
