"""Vectors by partition, and which of them are near another: numpy in memory, bounded in bytes.

Rows lie in blocks, so that growing never copies more than one. Beside each row lies its sketch, a random projection to
`SKETCH` dimensions; all sketches are compared, and only those rows themselves whose sketch is near enough. The cosine
of two sketches is off by a standard deviation of (1 - c²) / sqrt(SKETCH) (Li, Hastie & Church 2006, "Improving Random
Projections Using Marginal Information"); `_MARGIN` of them are allowed for, so that what is lost can be neglected.
"""

from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

BLOCK = 2048
"""Rows. More at one time, and the library would wake threads, which costs more than the work."""
SKETCH = 64
OVERHEAD = 400
"""Bytes that an entry takes besides its row and its text, about."""
MAX_ENTRIES = 100_000
"""So that a search, which holds up the loop, ends within 2 ms."""
MAX_CANDIDATES = 256
_MARGIN = 5
_ROUNDING = 1e-5


class Match(NamedTuple):
    """An entry that is near."""

    key: bytes
    text: str
    similarity: float


class _Block:
    """Up to `BLOCK` rows."""

    def __init__(self, rows: int, dimensions: int) -> None:
        self.vectors = np.empty((rows, dimensions), np.float32)
        self.sketches = np.empty((rows, SKETCH), np.float32)

    @property
    def rows(self) -> int:
        return len(self.vectors)

    @property
    def size(self) -> int:
        """Bytes."""
        return int(self.vectors.nbytes + self.sketches.nbytes)

    def resized(self, rows: int, used: int) -> "_Block":
        other = _Block(rows, self.vectors.shape[1])
        other.vectors[:used], other.sketches[:used] = self.vectors[:used], self.sketches[:used]
        return other


class _Partition:
    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.blocks: list[_Block] = []
        self.keys: list[bytes] = []
        self.texts: list[str] = []

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(block.size for block in self.blocks)

    def append(self, key: bytes, text: str, vector: Vector) -> None:
        at, row = divmod(len(self.keys), BLOCK)
        if at == len(self.blocks):
            self.blocks.append(_Block(BLOCK if at else 1, self.dimensions))
        if row == self.blocks[at].rows:
            self.blocks[at] = self.blocks[at].resized(min(BLOCK, 2 * row), row)
        self.blocks[at].vectors[row] = vector
        self.blocks[at].sketches[row] = _sketch(vector)
        self.keys.append(key)
        self.texts.append(text)

    def remove(self, place: int) -> bytes:
        """Put the last row in its place; the key of that one."""
        last = len(self.keys) - 1
        (to, row), (at, end) = divmod(place, BLOCK), divmod(last, BLOCK)
        self.blocks[to].vectors[row] = self.blocks[at].vectors[end]
        self.blocks[to].sketches[row] = self.blocks[at].sketches[end]
        self.keys[place], self.texts[place] = self.keys[last], self.texts[last]
        self.keys.pop()
        self.texts.pop()
        if not end:
            self.blocks.pop()
        elif end <= self.blocks[at].rows // 4:
            self.blocks[at] = self.blocks[at].resized(max(1, self.blocks[at].rows // 2), end)
        return self.keys[place] if place < last else b""

    def near(self, vector: Vector, threshold: float) -> Iterator[Match]:
        sketch = _sketch(vector)
        count = len(self.keys)
        rough = np.empty(count, np.float32)
        for at, block in enumerate(self.blocks):
            part = rough[at * BLOCK : (at + 1) * BLOCK]
            np.dot(block.sketches[: len(part)], sketch, out=part)
        places = np.flatnonzero(rough >= threshold - _MARGIN * (1 - threshold**2) / SKETCH**0.5 - _ROUNDING)
        if len(places) > MAX_CANDIDATES:
            places = places[np.argpartition(rough[places], -MAX_CANDIDATES)[-MAX_CANDIDATES:]]
        found = [
            Match(self.keys[place], self.texts[place], min(1.0, float(np.dot(self._row(place), vector))))
            for place in places.tolist()
        ]
        found.sort(key=lambda match: match.similarity, reverse=True)
        yield from (match for match in found if match.similarity >= threshold - _ROUNDING)

    def _row(self, place: int) -> Vector:
        at, row = divmod(place, BLOCK)
        found: Vector = self.blocks[at].vectors[row]
        return found


class VectorIndex:
    """Entries by key; who was not near to anything for longest goes first. Outlives every reload."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._partitions: dict[bytes, _Partition] = {}
        self._places: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()
        """By key: partition, and row in it."""
        self.bytes = 0

    def __len__(self) -> int:
        """How many entries."""
        return len(self._places)

    def near(self, partition: bytes, vector: Vector, threshold: float) -> list[Match]:
        """Entries of the partition whose cosine with the vector is at least the threshold, nearest first."""
        found = self._partitions.get(partition)
        return [] if found is None or found.dimensions != len(vector) else list(found.near(vector, threshold))

    def touch(self, key: bytes) -> None:
        """It was of use."""
        if key in self._places:
            self._places.move_to_end(key)

    def put(self, partition: bytes, key: bytes, text: str, vector: Vector) -> None:
        """Add or replace. `vector` has length 1; all of a partition have the same dimensions."""
        self.drop(key)
        held = self._partitions.get(partition)
        if held is None:
            held = self._partitions[partition] = _Partition(len(vector))
        before = held.size
        held.append(key, text, vector)
        self._places[key] = partition, len(held.keys) - 1
        self.bytes += held.size - before + _beside(text)
        while self._places and (self.bytes > self._max_bytes or len(self) > MAX_ENTRIES):
            self.drop(next(iter(self._places)))

    def drop(self, key: bytes) -> None:
        """Forget an entry, if it is there."""
        if key not in self._places:
            return
        partition, place = self._places.pop(key)
        held = self._partitions[partition]
        before, text = held.size, held.texts[place]
        if moved := held.remove(place):
            self._places[moved] = partition, place
        self.bytes += held.size - before - _beside(text)
        if not held.keys:
            del self._partitions[partition]


def unit(values: object) -> Vector | None:
    """Numbers as a vector of length 1; None where that cannot be."""
    vector = np.asarray(values, np.float64)
    length = float(np.linalg.norm(vector)) if vector.ndim == 1 else 0.0
    return (vector / length).astype(np.float32) if 0 < length < np.inf else None


def _beside(text: str) -> int:
    return OVERHEAD + len(text)


def _sketch(vector: Vector) -> Vector:
    sketch = vector @ _projection(len(vector))
    length = np.linalg.norm(sketch)
    return np.asarray(sketch / length if length else sketch, np.float32)


@lru_cache(maxsize=8)
def _projection(dimensions: int) -> Vector:
    return np.random.default_rng(dimensions).standard_normal((dimensions, SKETCH), np.float32)
