"""What stands in place of a number in a text that is JSON: a placeholder is none, and has to be a string there."""

import re
from itertools import pairwise
from string import digits, whitespace

from moat.guards.edits import Edit

_SIGNS = "0123456789+-.eE"
_PART = re.compile(r"[\d+\-.eE]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_BEHIND = re.compile(r'(?:\s|\\+[nrt])*(?:[}\]]|,(?:\s|\\+[nrt])*[-\d"\\\[{}\]tfnNITF])')
"""The end of an object or array, or a comma with more behind it."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_QUOTE = re.compile(r'\\.|(")', re.DOTALL)
_OPENING = f"[{{(,:={whitespace}"
_CLOSING = re.compile(r"\s*[]},:]")
"""What is before a quotation mark that opens a string, and behind one that ends it."""
_WORD = re.compile(r"true|false|null|NaN|Infinity|None|True|False")
"""Values of JSON and of what programs write for it."""
_OUTSIDE = f'{whitespace}{digits}[]{{}},:"+-.eE'
"""What JSON has outside of strings, but for words."""
_PLACE = re.compile(r'(?:"\s*:|\[|["\d\]}]\s*,)\s*\Z')
"""What is before a value of an object, or of an array."""
_BRACKET = re.compile(r"[\[\]{}]")
_FAR, _FARTHEST = 400, 4_096
"""Characters that tell whether a number stands in JSON: before it, and before the last quotation mark."""
_DEEPEST = 3
"""JSON as a string of JSON as a string of JSON."""


def fitting(text: str, edit: Edit, offset: int = 0) -> Edit:
    """The edit, with all of a number of JSON replaced, in quotation marks; escaped ones in JSON within JSON.

    The number has to stand in an object or array: alone it is a text. `offset`: of `text` in a longer one; the edit is
    of that.

    >>> fitting('{"phone": -436641234567}', Edit(11, 23, "<PHONE_1>"))
    Edit(start=10, end=23, text='"<PHONE_1>"')
    >>> fitting("phone: 436641234567, and so on", Edit(7, 19, "<PHONE_1>"))
    Edit(start=7, end=19, text='<PHONE_1>')
    """
    start, end = edit.start - offset, edit.end - offset
    if not _PART.fullmatch(text, start, end):
        return edit
    before, behind = text[max(0, start - _FAR) : start], text[end : end + _FAR]
    start -= len(before) - len(before.rstrip(_SIGNS))
    end += len(behind) - len(behind.lstrip(_SIGNS))
    if not _NUMBER.fullmatch(text, start, end) or not _BEHIND.match(text, end):
        return edit
    first = _begin(text, start)
    mark = _mark(text[first:start], cut=first + offset > 0)
    return Edit(start + offset, end + offset, f"{mark}{edit.text}{mark}") if mark else edit


def _begin(text: str, start: int) -> int:
    """Where to begin reading. The last quotation mark belongs to it: a long list of numbers has none."""
    last = text.rfind('"', max(0, start - _FARTHEST), start)
    first = max(0, (last if last >= 0 else start) - _FAR)
    while first and text[first - 1] == "\\" and start - first < _FARTHEST:  # what is escaped is not cut in two
        first -= 1
    return first


def _mark(before: str, *, cut: bool) -> str:
    """How quotation marks are written where a value of JSON stands behind `before`; empty where none can. `cut`: is
    some of the text missing in front?
    """
    if cut:
        before = before.lstrip(f"{_SIGNS}truefalsnNityo")  # the rest of a word
    for level in range(_DEEPEST):
        outside, within = _parted(before, cut)
        if within is None:
            return "\\" * (2**level - 1) + '"' if _is_place(outside, cut) else ""
        cut = cut and within == before
        before = _ESCAPED.sub(lambda escaped: " " if escaped[1] in "nrt" else escaped[1], within)
    return ""


def _parted(before: str, cut: bool) -> tuple[str, str | None]:
    """What stands outside of strings, each string as `""`; and what the one says that is open at the end. What is next
    to the last quotation mark tells: a single one in front, as in 27", turns all others round.
    """
    pieces = _pieces(before)
    if len(pieces) == 1:
        return ('""', before) if cut and _begins_within([before, ""]) else (before, None)
    within = _is_within(pieces, cut)
    first = (len(pieces) - 1 - within) % 2
    return '""' * first + '""'.join(pieces[first::2]), pieces[-1] if within else None


def _pieces(before: str) -> list[str]:
    """What is between quotation marks."""
    if "\\" not in before:
        return before.split('"')
    quotes = [match.start() for match in _QUOTE.finditer(before) if match[1]]
    return [before[begin + 1 : end] for begin, end in pairwise((-1, *quotes, len(before)))]


def _is_within(pieces: list[str], cut: bool) -> bool:
    """Is a string open at the end?"""
    for at in range(len(pieces) - 1, 0, -1):
        opens = pieces[at - 1][-1] in _OPENING if pieces[at - 1] else at == 1
        if not (opens and _CLOSING.match(pieces[at])):
            return opens == ((len(pieces) - at) % 2 == 1)
    return (len(pieces) % 2 == 0) != (cut and _begins_within(pieces))


def _begins_within(pieces: list[str]) -> bool:
    even, odd = (_WORD.sub("", " ".join(pieces[first::2])).rstrip(_OUTSIDE) for first in (0, 1))
    return even != "" and odd == ""


def _is_place(outside: str, cut: bool) -> bool:
    """Does a value stand behind it, in an object or array that is open? Before the name of a member there may be what
    JSON does not have, such as comments.
    """
    outside = _WORD.sub("0", outside)
    other = outside.rstrip(_OUTSIDE)
    near = outside[len(other) :]
    if not _PLACE.search(near, max(0, len(near) - _FAR)):
        return False
    return _is_open(near) or (cut and not other) or (near.rstrip().endswith(":") and _is_open(outside))


def _is_open(outside: str) -> bool:
    closed = 0
    for bracket in reversed(_BRACKET.findall(outside)):
        closed += 1 if bracket in "]}" else -1
        if closed < 0:
            return True
    return False
