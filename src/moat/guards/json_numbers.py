"""What stands in place of a number in a text that is JSON: a placeholder is none, and has to be a string there."""

import re

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_VALUE = re.compile(r'(?:"\s{0,8}:|\[|(?:[\d"\]}]|true|false|null)\s{0,8},)\s{0,8}\Z')
"""What is before a value of an object, or of an array."""
_BEHIND = re.compile(r"\s{0,8}[,}\]]")
_QUOTE = re.compile(r'(\\*)"([^"]*)\Z')
"""The last quotation mark, and what is behind it."""
_NEAR, _FAR = 20, 400
"""Characters before a value that are looked at: for what is before it, and for how quotation marks are written."""


def fitting(text: str, start: int, end: int, instead: str) -> str:
    """`instead`, in quotation marks where it replaces a number of JSON; escaped ones in JSON within JSON.

    >>> fitting('{"phone": 436641234567}', 10, 22, "<PHONE_1>")
    '"<PHONE_1>"'
    >>> fitting("phone: 436641234567, and so on", 7, 19, "<PHONE_1>")
    '<PHONE_1>'
    """
    if not _NUMBER.fullmatch(text, start, end) or not _BEHIND.match(text, end):
        return instead
    if not _VALUE.search(text[max(0, start - _NEAR) : start]):
        return instead
    mark = _mark(text[max(0, start - _FAR) : start])
    return f"{mark}{instead}{mark}"


def _mark(before: str) -> str:
    """A quotation mark as they are written there. One right before a bracket opens a string of JSON within JSON."""
    last = _QUOTE.search(before)
    if last is None:
        return '"'
    escapes = len(last[1])
    return "\\" * (2 * escapes + 1 if last[2].lstrip()[:1] == "[" else escapes) + '"'
