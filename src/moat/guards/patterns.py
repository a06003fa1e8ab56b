"""Patterns that users write, and long lists of our own, matched in linear time by RE2."""

from collections.abc import Iterator
from typing import Any

import re2


class Pattern:
    r"""A regular expression of RE2: no look-around, no back-references, and `\b` knows ASCII only. Raises `ValueError`
    for what is none, or would need more than RE2's usual memory.
    """

    def __init__(self, pattern: str, *, ignore_case: bool = False) -> None:
        options = re2.Options()
        options.case_sensitive = not ignore_case
        options.log_errors = False
        try:
            self._compiled: Any = re2.compile(pattern, options)
        except re2.error as error:
            raise ValueError(f"{pattern!r} is no regular expression of linear time: {_said(error)}") from None
        # Asked once: RE2's wrapper works it out anew for each match.
        self._names = {index: name for name, index in self._compiled.groupindex.items()}

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it matches, from left to right; empty matches are none."""
        for _, start, end in self.groups(text):
            if end > start:
                yield start, end

    def is_in(self, text: str) -> bool:
        """Does it match anywhere?"""
        return self._compiled.search(_encoded(text)) is not None

    def groups(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Where it matches, and the name of the group that did, one of several ways."""
        # RE2 reads bytes; that its wrapper counts characters for each match costs more than the match.
        data = _encoded(text)
        matches = self._compiled.finditer(data)
        if len(data) == len(text):
            for match in matches:
                yield self._named(match), *match.span()
            return
        read = at = 0
        for match in matches:
            start, end = match.span()
            begin = at + len(data[read:start].decode())
            read, at = end, begin + len(data[start:end].decode())
            yield self._named(match), begin, at

    def _named(self, match: Any) -> str:
        return self._names.get(match.lastindex, "") if self._names else ""

    def matches(self, text: str) -> bool:
        """Does all of the text match?"""
        return self._compiled.fullmatch(_encoded(text)) is not None


def _encoded(text: str) -> bytes:
    """In UTF-8, with half surrogate pairs as `?`: it has none."""
    return text.encode("utf-8", "replace")


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
