"""Base64 in groups: words, lines or pieces of one length between quotes, each too short to be read by itself."""

import re
from base64 import b64decode
from collections.abc import Iterator
from itertools import pairwise, product

from moat.guards.edits import Edited
from moat.guards.glance import GLANCE
from moat.guards.readings import Piece
from moat.guards.runs import LONG_LINE, read

_ODD = "(?:[a-z][A-Z0-9]|[0-9][A-Za-z])"
WRAPPED = GLANCE.add(lambda: rf"{_ODD}[A-Za-z0-9+/=_-]*[\s\"'+,.>|]+[A-Za-z0-9+/_-]*{_ODD}")
"""Two words side by side that have a capital or a digit within. A text without has no such groups."""
_GROUP = re.compile(r"[A-Za-z0-9+/_-]{2,76}+={0,2}")
_BETWEEN = " \t\r\n\"'+,.>|"
_FARTHEST = 8
"""Characters between two groups."""
_FEWEST = 3
_SHORTEST, _LONGEST = 4, 76
"""Characters of a group, all but the last of a row."""
_LETTERS = re.compile(rb"['A-Za-z]{2,}[.,:;!?]{0,2}")
_WITHIN = re.compile(_ODD)

Group = tuple[int, int]


def wrapped(text: str) -> Iterator[Piece]:
    """What stands in groups."""
    for row in _rows(text):
        if row[0][1] - row[0][0] >= LONG_LINE and text[row[0][1]] in "\r\n":
            continue  # `runs` reads it
        first = next(at for at, group in enumerate(row) if _WITHIN.search(text, *group))
        # The word before may be as long as the groups are, and the one behind as short as the last of them.
        for begin, end in product(sorted({0, first}), (len(row), len(row) - 1)):
            groups = row[begin:end]
            start = groups[0][0]
            gaps = [(one[1] - start, other[0] - start, "") for one, other in pairwise(groups)]
            if piece := read(Edited(text[start : groups[-1][1]], gaps), start):
                yield piece
                break


def worded(text: str) -> Iterator[Piece]:
    """Words that were encoded one by one."""
    row: list[Piece] = []
    for match in _GROUP.finditer(text):
        if word := _word(match.group()):
            if row and not _is_gap(text[row[-1].end : match.start()]):
                yield from row if len(row) >= _FEWEST else ()
                row = []
            row.append(Piece(word, *match.span(), "base64"))
    yield from row if len(row) >= _FEWEST else ()


def _word(group: str) -> str:
    """What a group says by itself."""
    signs = group.rstrip("=")
    if len(signs) % 4 == 1 or len(signs) < _SHORTEST - 1:
        return ""
    octets = b64decode(signs + "=" * (-len(signs) % 4), "-_" if "-" in signs or "_" in signs else None)
    return octets.decode() if _LETTERS.fullmatch(octets) else ""


def _is_gap(between: str) -> bool:
    return 0 < len(between) <= _FARTHEST and not between.strip(_BETWEEN)


def _rows(text: str) -> Iterator[list[Group]]:
    row: list[Group] = []
    for match in _GROUP.finditer(text):
        group = match.span()
        if row and _continues(text, row, group):
            row.append(group)
            continue
        if _is_one(text, row):
            yield row
        row = [group]
    if _is_one(text, row):
        yield row


def _continues(text: str, row: list[Group], group: Group) -> bool:
    """Does a group belong to the row before it? The last one may be shorter, and nothing follows it."""
    size, before, gap = row[0][1] - row[0][0], row[-1][1] - row[-1][0], text[row[-1][1] : group[0]]
    fits = (
        before == size
        and text[row[-1][1] - 1] != "="
        and (group[1] - group[0] == size or (len(row) >= _FEWEST and group[1] - group[0] < size))
    )
    return fits and _is_gap(gap)


def _is_one(text: str, row: list[Group]) -> bool:
    if len(row) < _FEWEST or not _SHORTEST <= row[0][1] - row[0][0] <= _LONGEST:
        return False
    return 2 * sum(_WITHIN.search(text, *group) is not None for group in row) >= len(row)
