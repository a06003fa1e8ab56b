"""Answers that may be given again."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from moat.domain.calls import Call, Event


class Stored(msgspec.Struct, frozen=True):
    """An answer from the cache."""

    events: Sequence[Event]
    """As the call that asks for it wants them: streamed or whole, `raw` in its wire format or not at all."""
    cost: int
    """Picodollars that it cost when it was made."""


class ResponseCache(Protocol):
    """Finds and keeps answers, by what was asked, of whom, for whom. In memory, bounded; no I/O."""

    def key(self, call: Call) -> bytes | None:
        """Stands for everything that an answer depends on: operation, messages, parameters, deployments, release,
        tenant, environment, repeat. None when this call must not be answered from the cache, nor its answer go there.

        The call has its plan.
        """
        ...

    def find(self, call: Call, key: bytes) -> Stored | None:
        """An answer to exactly this call, young enough."""
        ...

    def keep(self, call: Call, key: bytes, events: Sequence[Event], cost: int) -> None:
        """Remember a complete answer, when it is of a kind that may be given again."""
        ...
