"""How often a semantic cache is wrong, and whether that is known well enough to let it answer."""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec.structs import replace

from moat.domain.config import SemanticConfig
from moat.domain.false_hits import Example, FalseHits, Subject

MAX_EXAMPLES = 20
"""Kept of each subject: the newest."""

_Z2 = 1.959963984540054**2
"""Of 95 %."""


class Interval(NamedTuple):
    """Ends of a confidence interval."""

    low: float
    high: float


def wilson(successes: int, n: int) -> Interval:
    """95 % score interval of a proportion (Wilson 1927, JASA 22); of nothing, 0 to 1."""
    if not n:
        return Interval(0.0, 1.0)
    share = successes / n
    centre = (share + _Z2 / (2 * n)) / (1 + _Z2 / n)
    half = math.sqrt(_Z2 * (share * (1 - share) / n + _Z2 / (4 * n * n))) / (1 + _Z2 / n)
    return Interval(0.0 if not successes else centre - half, 1.0 if successes == n else centre + half)


def is_proven(found: FalseHits, config: SemanticConfig) -> bool:
    """Enough was compared, and even the upper end of what the false-hit rate may be is below the bound."""
    return found.compared >= config.min_compared and wilson(found.false, found.compared).high < config.max_false_hits


def may_serve(found: FalseHits, config: SemanticConfig) -> bool:
    """It shall, and it is proven or need not be."""
    return config.mode == "serve" and (config.unproven or is_proven(found, config))


Tell = Callable[[Subject, int, bool, Example | None], None]


class Book:
    """What was measured by subject, counted in memory. What changed is for a store to keep. Outlives every reload."""

    def __init__(self, known: Iterable[FalseHits] = (), tell: Tell | None = None) -> None:
        """`tell`: who counts in place of this one, where several processes measure."""
        self._tell = tell
        self._found = {found.subject: found for found in known}
        self._unsaved: set[Subject] = set()

    def about(self, subject: Subject) -> FalseHits:
        """What is known of it."""
        return self._found.get(subject) or FalseHits(subject=subject)

    def all(self) -> list[FalseHits]:
        """Of every subject that was ever measured."""
        return list(self._found.values())

    def learn(self, known: Iterable[FalseHits]) -> None:
        """What all processes have measured, as a store has it."""
        self._found = {found.subject: found for found in known}

    def add(self, subject: Subject, now_ns: int, *, false: bool, example: Example | None = None) -> None:
        """One more comparison. `example`: shows it, when it was false and may be shown."""
        if self._tell is not None:
            self._tell(subject, now_ns, false, example)
            return
        found = self.about(subject)
        examples = (*found.examples, example)[-MAX_EXAMPLES:] if example is not None else found.examples
        self._found[subject] = replace(
            found, compared=found.compared + 1, false=found.false + false, examples=examples, changed_ns=now_ns
        )
        self._unsaved.add(subject)

    def unsaved(self) -> list[FalseHits]:
        """What has changed since it was saved."""
        return [self._found[subject] for subject in self._unsaved]

    def saved(self, stored: Iterable[FalseHits]) -> None:
        """These are stored; what changed meanwhile is unsaved still."""
        self._unsaved -= {found.subject for found in stored if self._found[found.subject] is found}
