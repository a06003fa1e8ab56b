"""Putting other texts in place of known ones: as quick for thousands of them as for a few."""

import re
from collections.abc import Iterator, Mapping

_FEW = 64
"""So many are looked for one by one: that takes less time than to look up each place of the text."""
_HEAD = 6
"""Characters that known texts are looked up by."""
_SHORT = 8
"""Characters: what has fewer is exchanged only where it is no part of another word or number."""
_JOINED_BEFORE = re.compile(r"(?:(?<!\\)[A-Za-z]|\\[^\W_nrt]|[^\W_A-Za-z]|[^\W_]_|[0-9][-.,:/])\Z")
"""Not behind the escape of a line's end, as JSON writes it."""
_JOINED_BEHIND = re.compile(r"[^\W_]|_[^\W_]|[-.,:/][0-9]")


class Exchange:
    """From texts to what stands for them. Of two that begin at one place the longer is exchanged. A short one is left
    where it is a part of something else: 123 in 51234.
    """

    def __init__(self, instead: Mapping[str, str]) -> None:
        """No text is empty."""
        self._instead = instead
        if len(instead) <= _FEW:
            return
        self._head = min(_HEAD, *map(len, instead))
        sizes: dict[str, set[int]] = {}
        for text in instead:
            sizes.setdefault(text[: self._head], set()).add(len(text))
        self._sizes = {head: sorted(found, reverse=True) for head, found in sizes.items()}
        """By how they begin: the lengths there are, the longest first."""

    def __call__(self, text: str) -> str:
        """The text with all of them exchanged, in time linear in its length. Where they overlap nothing of any is left:
        what stands for the first stands for all.
        """
        pieces: list[str] = []
        covered = 0
        for start, end in self._found(text):
            if start >= covered:
                pieces += text[covered:start], self._instead[text[start:end]]
            covered = max(covered, end)
        return "".join(pieces) + text[covered:] if pieces else text

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        """Where they stand, in order; of each place the longest."""
        if len(self._instead) <= _FEW:
            ends: dict[int, int] = {}
            for known in self._instead:
                at = text.find(known)
                while at >= 0:
                    if _stands(text, at, at + len(known)):
                        ends[at] = max(ends.get(at, 0), at + len(known))
                    at = text.find(known, at + 1)
            yield from sorted(ends.items())
            return
        sizes, head = self._sizes, self._head
        for at in [at for at in range(len(text) - head + 1) if text[at : at + head] in sizes]:
            for size in sizes[text[at : at + head]]:
                if text[at : at + size] in self._instead and _stands(text, at, at + size):
                    yield at, at + size
                    break


def _stands(text: str, start: int, end: int) -> bool:
    """Is it no short part of another word or number?"""
    if end - start >= _SHORT:
        return True
    before = text[max(0, start - 2) : start]
    return not _JOINED_BEFORE.search(before) and not _JOINED_BEHIND.match(text, end)
