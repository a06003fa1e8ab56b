"""Authentication in front of the pipeline: a virtual key becomes a `Caller`."""

from collections.abc import Collection, Iterable
from typing import Literal

from moat.domain.calls import Caller
from moat.domain.errors import AccessError, NotFound, RequestError
from moat.domain.keys import Key, Role, hash_secret
from moat.gateway.http import Scope
from moat.ports.clock import Clock

DEFAULT_ENVIRONMENT = "production"
MAX_HEADER = 256
"""Longest value taken from a header into records, in characters."""

_NAMES = {
    b"authorization": "authorization",
    b"x-api-key": "api-key",
    b"x-moat-feature": "feature",
    b"x-moat-user": "user",
    b"x-moat-session": "session",
    b"x-moat-environment": "environment",
    b"traceparent": "traceparent",
    b"content-encoding": "content-encoding",
    b"content-type": "content-type",
}

Binding = Literal["environment", "tenant"]
BINDINGS: tuple[Binding, ...] = ("environment", "tenant")
"""What a key may be for alone."""

CALLERS: tuple[Role, ...] = ("app", "admin")
"""Roles that may call models and send traces."""


class KeyRing:
    """Virtual keys by hash, in memory. Implements `moat.ports.keys.Authenticator`."""

    def __init__(self, keys: Iterable[Key], clock: Clock) -> None:
        self._by_hash = {key.hash: key for key in keys}
        self._clock = clock

    def find(self, secret: str) -> Key:
        """The usable key behind a secret."""
        key = self._by_hash.get(hash_secret(secret))
        if key is None:
            raise AccessError.unauthenticated(
                "unknown API key", remedy="Create one with `moat keys create` and send it as a bearer token."
            )
        if not key.usable(self._clock.now_ns()):
            raise AccessError.unauthenticated(f"the API key {key.id} is revoked or expired")
        return key


def read_headers(scope: Scope) -> dict[str, str]:
    """The headers Moat looks at, by short name."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name in _NAMES:
            found[_NAMES[name]] = value.decode("latin-1")
    return found


def authenticate(headers: dict[str, str], keys: KeyRing, roles: Collection[Role] = CALLERS) -> Key:
    """The key a request shows. Raises `AccessError`: 401 without a valid one, 403 when its role is none of these."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if not secret:
        secret = headers.get("api-key", "")
    elif scheme.lower() != "bearer":
        secret = ""
    if not secret:
        raise AccessError.unauthenticated(
            "no API key", remedy="Send `Authorization: Bearer mk-...`; `moat keys create` makes one."
        )
    key = keys.find(secret.strip())
    if key.role not in roles:
        raise AccessError(f"this needs a key with the role {' or '.join(roles)}")
    return key


def check_binding(key: Key, heeded: Collection[Binding] = ()) -> None:
    """Raise `AccessError` for a key that is bound to an environment or tenant, where that is not heeded: it would see
    what is others'.
    """
    for binding in BINDINGS:
        if getattr(key, binding) and binding not in heeded:
            raise AccessError(f"this is about the whole project, and the key is for one {binding}")


def check_encoding(headers: dict[str, str]) -> None:
    """Bodies come as they are: a compressed one is refused, not guessed at. Raises `RequestError` (415)."""
    encoding = headers.get("content-encoding", "identity")
    if encoding != "identity":
        error = RequestError(f"{encoding!r} bodies are not taken", where="content-encoding", remedy="Send it plain.")
        error.status = 415
        raise error


def caller_of(key: Key, headers: dict[str, str], user: str) -> Caller:
    """Who is calling: what the key fixes comes first; headers fill in what it leaves open.

    Raises `NotFound` when the caller names another environment than the key's.
    """
    asked = headers.get("environment", "")
    check_environment(key, asked)
    return Caller(
        key=key.id,
        tenant=key.tenant,
        feature=key.feature or headers.get("feature", "")[:MAX_HEADER],
        user=key.user or (user or headers.get("user", ""))[:MAX_HEADER],
        session=headers.get("session", "")[:MAX_HEADER],
        environment=key.environment or asked[:MAX_HEADER] or DEFAULT_ENVIRONMENT,
        models=key.models,
    )


def check_environment(key: Key, environment: str) -> None:
    """A key bound to one environment knows no other. Raises `NotFound`, whether the environment exists or not."""
    if key.environment and environment and environment != key.environment:
        raise NotFound.for_this_key()
