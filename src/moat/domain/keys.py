"""Virtual keys: who may call, as whom, for what."""

import hashlib
import secrets
from typing import Literal

import msgspec

Role = Literal["app", "viewer", "admin"]
"""`app`: call models, fetch prompts, send traces. `viewer`: look at everything, change nothing. `admin`: everything."""

KEY_PREFIX = "mk-"


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key as stored: its SHA-256, never itself (256 random bits need no slow hash)."""

    id: str
    hash: str
    name: str = ""
    role: Role = "app"
    tenant: str = ""
    feature: str = ""
    user: str = ""
    """The person who acts with it; empty when it is a program's, whose calls may name a user each."""
    environment: str = ""
    """Environment its calls belong to; empty means the caller may say."""
    models: tuple[str, ...] = ()
    """Aliases it may use; empty means all."""
    created_ns: int = 0
    expires_ns: int = 0
    """0: never."""
    revoked_ns: int = 0
    """0: not revoked."""

    @property
    def actor(self) -> str:
        """Who acts, for the record."""
        return self.user or self.name or self.id

    def usable(self, now_ns: int) -> bool:
        """Neither revoked nor expired at this time."""
        return not self.revoked_ns and (not self.expires_ns or now_ns < self.expires_ns)


def new_secret() -> str:
    """A new key to hand to a caller, shown once: `mk-` and 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Hex SHA-256: how a key is stored and looked up."""
    return hashlib.sha256(secret.encode()).hexdigest()
