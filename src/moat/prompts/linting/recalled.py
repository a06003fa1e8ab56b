"""What was found in a text before: versions of a prompt share most of theirs, and lint looks while one types."""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")

MOST = 4_096
"""Findings that are kept."""
LIGHT = 4_096
"""Characters of one that is kept; what is longer is worked out anew."""


class Recalled(Generic[V]):
    """Findings by the texts that they are about, of which no more is kept than a digest. Safe for several threads."""

    def __init__(self, weight: Callable[[V], int]) -> None:
        """`weight`: characters of a finding."""
        self._weight = weight
        self._known: dict[bytes, V] = {}
        self._lock = Lock()

    def of(self, texts: Iterable[str], find: Callable[[], V]) -> V:
        """What `find` finds in these texts, in this order."""
        key = _digest(texts)
        with self._lock:
            if key in self._known:
                return self._known[key]
        found = find()
        if self._weight(found) <= LIGHT:
            with self._lock:
                self._known[key] = found
                if len(self._known) > MOST:
                    del self._known[next(iter(self._known))]
        return found


def _digest(texts: Iterable[str]) -> bytes:
    digest = blake2b(digest_size=16)
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    return digest.digest()
