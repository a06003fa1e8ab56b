"""Virtual keys: who may call, as whom, for what."""

import hashlib
import secrets
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import replace

from moat.domain.errors import AccessError, ConflictError, NotFound, RequestError

Role = Literal["app", "viewer", "expert", "engineer", "admin"]
"""`app`: call models, fetch prompts, send traces. `viewer`: look at everything, change nothing. `expert`: also score
answers and try prompts. `engineer`: also change what is served. `admin`: everything.
"""

LADDER: tuple[Role, ...] = ("viewer", "expert", "engineer", "admin")
"""Each may all that the ones before it may. `app` stands beside it, below `admin` only: it calls models, which no other
role may."""
APPROVERS: tuple[Role, ...] = ("engineer", "admin")
"""Roles of people whose word counts as a second pair of eyes."""

KEY_PREFIX = "mk-"
LOCAL_KEY = "key_local"
"""Id of the one that commands on this machine ask the running server with."""
MAX_TEXT = 256
"""Characters of a name, a tag, or anything else that is said of a key or a caller."""
MAX_OVERLAP_NS = 90 * 86_400 * 10**9
"""Longest time that a key has two secrets."""
MAX_ITEMS = 64
"""Entries of a list: of tags, models, notes."""


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
    tags: tuple[str, ...] = ()
    """Tags of its calls; empty means the caller may say."""
    data_class: str = ""
    """How sensitive the data of its calls is; empty means the caller may say."""
    metadata: dict[str, str] = {}
    """Notes of the people who keep it; nothing heeds them."""
    parent: str = ""
    """Id of the key that made it; empty when it was made on the server's machine."""
    created_ns: int = 0
    expires_ns: int = 0
    """0: never."""
    revoked_ns: int = 0
    """0: not revoked."""
    former_hash: str = ""
    """Of the secret before the last rotation."""
    former_until_ns: int = 0
    """Until when that one is taken."""

    @property
    def actor(self) -> str:
        """Who acts, for the record."""
        return self.user or self.name or self.id

    def usable(self, now_ns: int) -> bool:
        """Neither revoked nor expired at this time."""
        return not self.revoked_ns and (not self.expires_ns or now_ns < self.expires_ns)

    def opens(self, hash: str, now_ns: int) -> bool:
        """Is this the hash of a secret that the key has at this time? The former one counts while rotations overlap."""
        if not self.usable(now_ns):
            return False
        return hash == self.hash or (hash == self.former_hash and now_ns < self.former_until_ns)

    def state(self, now_ns: int) -> Literal["active", "expired", "revoked"]:
        """In a word."""
        if self.revoked_ns:
            return "revoked"
        return "active" if self.usable(now_ns) else "expired"


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is shown: without hashes. Fields as in `Key`."""

    id: str
    name: str
    role: Role
    tenant: str
    feature: str
    user: str
    environment: str
    models: tuple[str, ...]
    tags: tuple[str, ...]
    data_class: str
    metadata: dict[str, str]
    parent: str
    created_ns: int
    expires_ns: int
    revoked_ns: int
    former_until_ns: int
    state: Literal["active", "expired", "revoked"]

    @classmethod
    def of(cls, key: Key, now_ns: int) -> "KeyView":
        """The key as it is at this time."""
        shown = {name: getattr(key, name) for name in cls.__struct_fields__ if name != "state"}
        return cls(**shown, state=key.state(now_ns))


class KeyFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people say of a key when they make or change it, named as in `Key`. What is not given is inherited from the
    maker, or stays.
    """

    name: str | msgspec.UnsetType = msgspec.UNSET
    role: Role | msgspec.UnsetType = msgspec.UNSET
    tenant: str | msgspec.UnsetType = msgspec.UNSET
    feature: str | msgspec.UnsetType = msgspec.UNSET
    user: str | msgspec.UnsetType = msgspec.UNSET
    environment: str | msgspec.UnsetType = msgspec.UNSET
    models: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    tags: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    data_class: str | msgspec.UnsetType = msgspec.UNSET
    metadata: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    expires_ns: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | msgspec.UnsetType = msgspec.UNSET

    @property
    def given(self) -> dict[str, Any]:
        """Those that are given. Raises `RequestError` naming one that is too long or holds control characters."""
        found = {name: getattr(self, name) for name in self.__struct_fields__}
        found = {name: value for name, value in found.items() if value is not msgspec.UNSET}
        for name, value in found.items():
            for text in _texts(name, value):
                check_text(text, where=name)
        return found


def new_key(fields: KeyFields, *, id: str, hash: str, now_ns: int, maker: Key | None = None) -> Key:
    """A key as `fields` want it; what they do not say is as its maker has it. See `check_within`."""
    inherited = {name: getattr(maker, name) for name in INHERITED} if maker else {}
    parent = maker.id if maker else ""
    key = Key(id=id, hash=hash, parent=parent, created_ns=now_ns, **{**inherited, **fields.given})
    if maker is not None:
        check_within(maker, key)
    return key


def changed(key: Key, fields: KeyFields, maker: Key | None = None) -> Key:
    """The key with what is given; `maker`, who asks for it, may neither reach beyond itself nor touch what does."""
    after = replace(key, **fields.given)
    if maker is not None:
        check_within(maker, key)
        check_within(maker, after)
    return after


INHERITED = ("tenant", "feature", "environment", "models", "tags", "data_class", "expires_ns")
"""What a key fixes for those that it makes."""


def check_within(maker: Key, key: Key) -> None:
    """No key may make, change or renew one that could do what it cannot do itself.

    Raises `NotFound` for another tenant or environment than the maker's, `AccessError` for all else. A key that acts
    for a person with one of the roles `APPROVERS` is made by that person or on the server's machine only: it could
    approve.
    """
    if not sees(maker, key):
        raise NotFound.for_this_key()
    beyond = [name for name in ("feature", "tags", "data_class") if getattr(maker, name)]
    beyond = [name for name in beyond if getattr(key, name) != getattr(maker, name)]
    if maker.models and not (key.models and set(key.models) <= set(maker.models)):
        beyond.append("models")
    if maker.expires_ns and not 0 < key.expires_ns <= maker.expires_ns:
        beyond.append("expires_ns")
    if not may_give(maker.role, key.role):
        beyond.append("role")
    if key.role in APPROVERS and key.user not in ("", maker.user):
        beyond.append("user")
    if beyond:
        raise AccessError(
            f"this key may not give more than it has: {', '.join(beyond)}",
            where=beyond[0],
            remedy="Ask for less, or make the key on the server's machine: `moat keys create`.",
        )


def may_give(giver: Role, role: Role) -> bool:
    """May who has the one role do all that the other may? `app` and what stands on the ladder below `admin` cannot be
    compared: neither gives the other.
    """
    if giver in ("admin", role):
        return True
    return giver in LADDER and role in LADDER and LADDER.index(role) < LADDER.index(giver)


def sees(maker: Key, key: Key) -> bool:
    """Is a key one of the maker's tenant and environment?"""
    return maker.tenant in ("", key.tenant) and maker.environment in ("", key.environment)


def rotated(key: Key, *, hash: str, now_ns: int, overlap_ns: int, maker: Key | None = None) -> Key:
    """The key with a new secret; the one it had is taken for `overlap_ns` more, one before that no longer. `maker`,
    who asks for it, learns the secret and so must be able to make such a key.

    Raises `ConflictError` for a key that is revoked or expired: a new secret would not bring it back.
    """
    if maker is not None:
        check_within(maker, key)
    if not key.usable(now_ns):
        raise ConflictError(
            f"the key {key.id!r} is {key.state(now_ns)}", remedy="Make a new one, or give it a later end first."
        )
    return replace(key, hash=hash, former_hash=key.hash, former_until_ns=now_ns + overlap_ns)


def descendants(keys: Iterable[Key], ancestor: str) -> list[Key]:
    """What a key has made, what those have made, and so on; makers first."""
    found: list[Key] = []
    makers = {ancestor}
    for key in sorted(keys, key=lambda key: key.created_ns):
        if key.parent in makers:
            makers.add(key.id)
            found.append(key)
    return found


def check_text(text: str, *, where: str) -> None:
    """Raise `RequestError` for what does not belong into a record or a header: too long, or control characters."""
    if len(text) > MAX_TEXT:
        raise RequestError(f"is longer than {MAX_TEXT} characters", where=where)
    if not text.isprintable():
        raise RequestError("holds control characters", where=where)


def _texts(name: str, value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if not isinstance(value, list | tuple):
        return [value] if isinstance(value, str) else []
    if len(value) > MAX_ITEMS:
        raise RequestError(f"holds more than {MAX_ITEMS} entries", where=name)
    return value


def new_secret() -> str:
    """A new key to hand to a caller, shown once: `mk-` and 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Hex SHA-256: how a key is stored and looked up."""
    return hashlib.sha256(secret.encode()).hexdigest()
