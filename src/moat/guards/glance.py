"""One look at a text that tells which lists have anything in it, before any of them is read for.

Most texts hold no beginning of a key, no word for birth, no word in a shifted alphabet. Each such list is a pattern of
RE2; all of them together are one automaton, which reads a text once (some 4 ns a character), however many they are.
Patterns that count (`[a-z]{24}`) do not belong here: together with others they make new states for every new text, and
making one takes as long as reading a thousand characters.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import re2

_MEMORY = 32 << 20
"""Bytes that an automaton may take. Its states are made when they are first met; a text of a kind that was not seen
before costs up to 1 ms, and a process that has seen a thousand texts has some 2 MB of them."""
_END = r"\z"
"""Matches in every text: without it in an answer RE2 has given up, and there may be anything."""


class Glimpse(NamedTuple):
    """What one look has shown of a text."""

    found: frozenset[int]
    patterns: int
    """How many patterns were looked for. Those that came later may match."""

    def shows(self, pattern: int) -> bool:
        """May the pattern, a number of `Glance.add`, match in the text? False: it does not."""
        return pattern in self.found or pattern >= self.patterns


class Glance:
    """Patterns that are looked for at once."""

    def __init__(self) -> None:
        self._patterns: list[Callable[[], str]] = [lambda: _END]
        self._compiled: tuple[Any, int] | None = None

    def add(self, pattern: Callable[[], str]) -> int:
        """A pattern of RE2, made when it is first needed. Returns its number, for `Glimpse.shows`."""
        self._patterns.append(pattern)
        return len(self._patterns) - 1

    def at(self, text: str) -> Glimpse:
        """Look at a text."""
        compiled, count = self._set()
        found = compiled.Match(text.encode("utf-8", "replace")) or ()
        if 0 not in found:
            return Glimpse(frozenset(), 0)
        return Glimpse(frozenset(found), count)

    def _set(self) -> tuple[Any, int]:
        if self._compiled is None or self._compiled[1] != len(self._patterns):
            patterns = list(self._patterns)
            options = re2.Options()
            options.log_errors = False
            options.max_mem = _MEMORY
            made = re2.Set.SearchSet(options)
            for pattern in patterns:
                made.Add(pattern())
            made.Compile()
            self._compiled = made, len(patterns)
        return self._compiled


GLANCE = Glance()
"""Of all readers of this process: each adds its patterns when it is imported."""
