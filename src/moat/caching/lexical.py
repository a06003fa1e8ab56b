"""Texts as vectors by their letters alone: no model, nothing to download, the same on every machine.

Every run of `SIZES` characters is hashed to one of `DIMENSIONS` places with a sign (feature hashing: Weinberger et al.
2009, arXiv:0902.2206). The cosine of two such vectors is close to the share of runs that two texts have in common. It
knows spelling, not meaning: paraphrases are far apart, and "enable" and "disable" near.
"""

import numpy as np
from numpy.typing import NDArray

from moat.domain.calls import Call
from moat.domain.config import LEXICAL
from moat.ports.embedder import Embedding

Vector = NDArray[np.float32]

DIMENSIONS = 384
SIZES = (2, 3, 4)
"""Characters."""
MAX_CHARACTERS = 20_000
"""Of a text; what follows is not looked at."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""Constants of SplitMix64 (Steele et al. 2014)."""


class LexicalEmbedder:
    """The default `moat.ports.embedder.Embedder`."""

    name = LEXICAL

    async def embed(self, text: str, call: Call) -> Embedding:
        """At once, and free."""
        return Embedding(self.name, lexical(text))  # type: ignore[arg-type]  # an array is a sequence of numbers


def lexical(text: str) -> Vector:
    """A vector of length 1, or of zeros for a text without a letter. Case and white space make no difference."""
    plain = f" {' '.join(text[:MAX_CHARACTERS].casefold().split())} "
    points = np.frombuffer(plain.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    vector = np.zeros(DIMENSIONS)
    with np.errstate(over="ignore"):
        for size in SIZES:
            if plain.isspace() or len(points) < size:
                continue
            runs = np.full(len(points) - size + 1, size, np.uint64)
            for start in range(size):
                runs = (runs * _MULTIPLIER) ^ points[start : start + len(runs)]
            mixed = _mixed(runs)
            signs = np.where(mixed & np.uint64(1), 1.0, -1.0)
            vector += np.bincount((mixed >> np.uint64(33)) % DIMENSIONS, signs, DIMENSIONS)
    length = float(np.linalg.norm(vector))
    return (vector / length if length else vector).astype(np.float32)


def likeness(one: str, other: str) -> float:
    """Cosine of two texts, 0 to 1."""
    return max(0.0, float(np.dot(lexical(one), lexical(other))))


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    for shift, mixer in zip((30, 27), _MIXERS, strict=True):
        values = (values ^ (values >> np.uint64(shift))) * mixer
    return values ^ (values >> np.uint64(31))
