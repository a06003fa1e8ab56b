"""Texts as vectors."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from moat.domain.calls import Call


class Embedding(msgspec.Struct, frozen=True):
    """A text as a vector."""

    space: str
    """Vectors of different spaces (another model, another number of dimensions) cannot be compared."""
    vector: Sequence[float]
    """Of any length but 0; finite."""


class Embedder(Protocol):
    """Makes vectors whose cosine says how similar two texts are."""

    @property
    def name(self) -> str:
        """For people, and for what was measured with it."""
        ...

    async def embed(self, text: str, call: Call) -> Embedding:
        """The vector of a text that stands in `call`, in whose name it is made and paid. Raises a `MoatError`."""
        ...
