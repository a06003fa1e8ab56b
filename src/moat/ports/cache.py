"""Answers that may be given again."""

from collections.abc import Sequence
from typing import Protocol

from moat.domain.calls import Call, Event


class Stored(Protocol):
    """An answer from the cache."""

    events: Sequence[Event]
    cost: int
    """Picodollars that it cost when it was made."""


class ResponseCache(Protocol):
    """Finds and keeps answers, by what was asked, of whom, for whom. In memory, bounded; no I/O."""

    def find(self, call: Call) -> Stored | None:
        """An answer to exactly this call: same messages, parameters, deployments, release and tenant, young enough."""
        ...

    def keep(self, call: Call, events: Sequence[Event], cost: int) -> None:
        """Remember a complete answer."""
        ...

    def covers(self, call: Call) -> bool:
        """May this call be answered from the cache, or its answer go there, by what `moat.yaml` says of its alias?"""
        ...
