"""Where it is kept what was measured of semantic caches."""

from collections.abc import Sequence
from typing import Protocol

from moat.domain.evidence import Evidence


class EvidenceStore(Protocol):
    """Evidence by its subject."""

    def evidence(self) -> list[Evidence]:
        """All there is, newest first."""
        ...

    def save(self, found: Sequence[Evidence]) -> None:
        """Put each in the place of what was known of its subject: all, or none."""
        ...
