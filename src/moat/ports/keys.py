"""Virtual keys."""

from typing import Protocol

from moat.domain.keys import Key


class KeyReader(Protocol):
    """Questions about keys."""

    def keys(self) -> list[Key]:
        """All, oldest first, revoked ones too."""
        ...


class KeyWriter(Protocol):
    """Changes to keys."""

    def add(self, key: Key) -> None:
        """Store a key. Raises `ConflictError` when the id exists."""
        ...

    def revoke(self, key_id: str, now_ns: int) -> None:
        """Raises `NotFound`. Revoking twice keeps the first time."""
        ...


class Authenticator(Protocol):
    """Keys as the request path needs them: in memory, no I/O."""

    def find(self, secret: str) -> Key:
        """The usable key behind a secret. Raises `AccessError` (401)."""
        ...
