"""Values that are split over several messages: half of a card's number in one, the rest in the next.

What ends one message and begins the next of the same side is looked at once more, put together, by guards that look
for data. Only where the two can be one value: a word with a digit or a sign of an address on either side.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from moat.guards.engine.pieces import Piece, Spot

REACH = 120
"""Characters of each message that are looked at, beside its border."""
_WORD = 80
"""Of these, those of the words on both sides of it."""
BLANK = " \t\r\n\x0b\x0c\xa0\xad\u200b\u200c\u200d\u2060\ufeff"
"""What may stand at a border without anybody seeing it."""
_VALUE = re.compile(r"[\d@]")
_OPEN = re.compile(r"[\w+/=@.-]")


def borders(said: Sequence[tuple[Piece, Piece]]) -> Iterator[Piece]:
    """What may be split. `said`: the first and the last text of each message of one side, in their order."""
    for gap in ("", " "):
        spots, text = list[Spot](), ""
        for (_, before), (first, last) in pairwise(said):
            if _may_go_on(before, first, gap):
                if not spots:
                    ends = before.text.rstrip(BLANK)
                    text = ends[-REACH:]
                    spots.append(Spot(before.path, 0, len(text), len(ends) - len(text)))
                begins = first.text.lstrip(BLANK)
                head = begins[:REACH].rstrip(BLANK)
                at = len(text) + len(gap)
                spots.append(Spot(first.path, at, at + len(head), len(first.text) - len(begins)))
                text += gap + head
                if first is last and len(begins) <= REACH:
                    continue
            if spots:
                yield Piece(before.place, ("messages",), text, tuple(spots), again=True, data=True)
                spots, text = [], ""
        if spots:
            yield Piece(said[-1][0].place, ("messages",), text, tuple(spots), again=True, data=True)


def _may_go_on(before: Piece, after: Piece, gap: str) -> bool:
    """Can a value begin at the end of one text and go on at the beginning of the other?"""
    ends, begins = before.text.rstrip(BLANK)[-_WORD:].split(), after.text.lstrip(BLANK)[:_WORD].split()
    if before.place != after.place or not ends or not begins:
        return False
    end, begin = ends[-1], begins[0]
    if gap:
        return end[-1].isdigit() and begin[0].isdigit()
    return bool(_OPEN.match(end[-1]) and _OPEN.match(begin) and _VALUE.search(end + begin))
