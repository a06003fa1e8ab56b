"""Virtual keys."""

from collections.abc import Callable
from typing import Protocol

from moat.domain.audit import Action
from moat.domain.keys import Key


class KeyReader(Protocol):
    """Questions about keys."""

    def keys(self) -> list[Key]:
        """All, oldest first, revoked ones too."""
        ...


class KeyWriter(Protocol):
    """Changes to keys, each with its entry in the audit log. `actor`: who makes it."""

    def add(self, key: Key, *, actor: str) -> None:
        """Store a key. Raises `ConflictError` when the id exists."""
        ...

    def change(self, key_id: str, change: Callable[[Key], Key], *, actor: str, action: Action = "key.change") -> Key:
        """Read a key, change it and store it, and nobody's change can come between. Id and time of making stay.

        Raises `NotFound`, and what `change` raises: nothing is stored then. Returns the key as it is stored.
        """
        ...

    def revoke(self, key_id: str, now_ns: int, *, actor: str) -> None:
        """Raises `NotFound`. Revoking twice keeps the first time."""
        ...


class KeyStore(KeyReader, KeyWriter, Protocol):
    """Both sides at once."""
