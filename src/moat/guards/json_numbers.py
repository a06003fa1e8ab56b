"""What stands in place of a number in a text that is JSON: a placeholder is none, and has to be a string there."""

import re
from itertools import pairwise

from moat.guards.edits import Edit

_SIGNS = "0123456789+-.eE"
_PART = re.compile(r"[\d+\-.eE]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_BEHIND = re.compile(r'(?:\s|\\+[nrt])*(?:[}\]]|,(?:\s|\\+[nrt])*[-\d"\\\[{tfn])')
"""The end of an object or array, or a comma with more behind it."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_QUOTE = re.compile(r'\\.|(")', re.DOTALL)
_OTHER = re.compile(r'[^\s\[\]{},:"\d.eE+-]')
"""What JSON does not have outside of strings."""
_PLACE = re.compile(r'(?:"\s*:|\[|["\d\]}]\s*,)\s*\Z')
"""What is before a value of an object, or of an array."""
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
        before = before.lstrip(f"{_SIGNS}truefalsn")  # the rest of a word
    for level in range(_DEEPEST):
        outside, within = _parted(before, cut)
        if within is None:
            return "\\" * (2**level - 1) + '"' if _is_place(outside, cut) else ""
        cut = cut and within == before
        before = _ESCAPED.sub(lambda escaped: " " if escaped[1] in "nrt" else escaped[1], within)
    return ""


def _parted(before: str, cut: bool) -> tuple[str, str | None]:
    """What stands outside of strings, each string as `""`; and what the one says that is open at the end."""
    quotes = [match.start() for match in _QUOTE.finditer(before) if match[1]]
    pieces = [before[begin + 1 : end] for begin, end in pairwise((-1, *quotes, len(before)))]
    outside, first = '""'.join(pieces[::2]), 0
    if cut and not _is_json(outside) and _is_json(other := '""' + '""'.join(pieces[1::2])):
        outside, first = other, 1  # it begins within a string
    return outside, None if len(pieces) % 2 != first else pieces[-1]


def _is_json(outside: str) -> bool:
    return _OTHER.search(_with_numbers(outside)) is None


def _with_numbers(outside: str) -> str:
    """For words of JSON."""
    return outside.replace("true", "0").replace("false", "0").replace("null", "0")


def _is_place(outside: str, cut: bool) -> bool:
    """Does a value stand behind it, in an object or array that is open?"""
    *others, near = _OTHER.split(_with_numbers(outside))
    is_open = near.count("[") + near.count("{") > near.count("]") + near.count("}")
    return _PLACE.search(near) is not None and (is_open or (cut and not others))
