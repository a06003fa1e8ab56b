"""Answers that may be given again."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

from moat.domain.calls import Attempt, Call, Event


class Stored(msgspec.Struct, frozen=True):
    """An answer from the cache."""

    events: Sequence[Event]
    """As the call that asks for it wants them: streamed or whole, `raw` in its wire format or not at all."""
    cost: int
    """Picodollars that it cost when it was made."""
    attempt: Attempt | None = None
    """The try that made it; None where that is not kept."""


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

    def forget(self, key: bytes) -> None:
        """Its answer is not to be given again."""
        ...

    def count(self, call: Call) -> None:
        """Whether it was answered from here stands in its journal."""
        ...


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """A call as the semantic cache sees it, and the most similar question whose answer is there."""

    partition: bytes
    """Stands for everything but the text that is compared: only within one may anything be found."""
    vector: Any
    text: str
    similar: str = ""
    """The other question."""
    similarity: float = 0.0
    """Cosine."""
    answer: Stored | None = None
    """None: nothing similar."""
    serve: bool = False
    """Give that answer; else ask the model, and compare."""


class SemanticCache(Protocol):
    """Finds answers to questions that mean the same. It knows vectors; the answers lie in the `ResponseCache`."""

    def mode(self, call: Call) -> Literal["off", "shadow", "serve"]:
        """`serve`: look before the model is asked. `shadow`: only learn, after it has answered."""
        ...

    async def look(self, call: Call, key: bytes) -> Near | None:
        """The most similar question to a call with this key. None when it has no text to compare.

        Raises what the embedder raises.
        """
        ...

    async def learn(self, call: Call, key: bytes, near: Near | None, events: Sequence[Event]) -> None:
        """Remember the question of an answer that is kept, and compare that answer with what would have been given.

        `near`: what `look` said; None: look now, unless the caller wanted a new answer. Errors of the embedder end it.
        """
        ...
