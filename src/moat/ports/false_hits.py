"""Where it is kept what was measured of semantic caches."""

from collections.abc import Sequence
from typing import Protocol

from moat.domain.false_hits import FalseHits


class FalseHitStore(Protocol):
    """What was measured, by its subject."""

    def false_hits(self) -> list[FalseHits]:
        """All there is, newest first."""
        ...

    def save(self, found: Sequence[FalseHits]) -> None:
        """Put each in the place of what was known of its subject: all, or none."""
        ...
