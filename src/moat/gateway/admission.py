"""Authentication in front of the pipeline: a virtual key becomes a `Caller`."""

from collections.abc import Collection, Iterable
from typing import Literal

from msgspec.structs import replace

from moat.domain.calls import CacheUse, Caller
from moat.domain.environments import EVALS, OWN, PLAYGROUND
from moat.domain.errors import AccessError, NotFound, RequestError
from moat.domain.guards import more_sensitive
from moat.domain.keys import MAX_TEXT, Key, Role, check_text, hash_secret
from moat.domain.releases import PromptRef
from moat.gateway.http import Scope
from moat.ports.clock import Clock

DEFAULT_ENVIRONMENT = "production"
MAX_TAGS = 16
MIN_SECONDS, MAX_SECONDS = 0.001, 86_400.0
"""Shortest and longest time that a caller may say he waits."""

_NAMES = {
    b"authorization": "authorization",
    b"x-api-key": "api-key",
    b"x-goog-api-key": "api-key",
    b"x-moat-feature": "feature",
    b"x-moat-user": "user",
    b"x-moat-session": "session",
    b"x-moat-environment": "environment",
    b"x-moat-tags": "tags",
    b"x-moat-data-class": "data-class",
    b"x-moat-cache": "cache",
    b"cache-control": "cache-control",
    b"x-moat-timeout": "timeout",
    b"x-stainless-timeout": "read-timeout",
    b"x-stainless-read-timeout": "read-timeout",
    b"x-server-timeout": "server-timeout",
    b"x-request-id": "request-id",
    b"idempotency-key": "idempotency-key",
    b"traceparent": "traceparent",
    b"tracestate": "tracestate",
    b"anthropic-beta": "anthropic-beta",
    b"anthropic-version": "anthropic-version",
    b"content-encoding": "content-encoding",
    b"content-type": "content-type",
}

SLACK = 0.5
"""Seconds after which the gateway gives up what an SDK, by its own clock, has given up."""

Binding = Literal["environment", "tenant"]
BINDINGS: tuple[Binding, ...] = ("environment", "tenant")
"""What a key may be for alone."""

CALLERS: tuple[Role, ...] = ("app", "admin")
"""Roles that may call models and send traces."""


class KeyRing:
    """Virtual keys by hash, in memory: no I/O."""

    def __init__(self, keys: Iterable[Key], clock: Clock) -> None:
        known = list(keys)
        self._by_hash = {hash: key for key in known for hash in (key.former_hash, key.hash) if hash}
        self._by_id = {key.id: key for key in known}
        self._clock = clock

    @property
    def tenants(self) -> frozenset[str]:
        """All that keys are for."""
        return frozenset(key.tenant for key in self._by_id.values())

    @property
    def features(self) -> frozenset[str]:
        """All that keys are for."""
        return frozenset(key.feature for key in self._by_id.values())

    def find(self, secret: str) -> Key:
        """The usable key behind a secret."""
        hash = hash_secret(secret)
        key = self._by_hash.get(hash)
        if key is None:
            raise AccessError.unauthenticated(
                "unknown API key", remedy="Create one with `moat keys create` and send it as a bearer token."
            )
        now_ns = self._clock.now_ns()
        if not key.opens(hash, now_ns):
            why = f"this secret of the API key {key.id} was replaced by another"
            if not key.usable(now_ns):
                why = f"the API key {key.id} is revoked or expired"
            raise AccessError.unauthenticated(why)
        return key

    def named(self, id: str) -> Key:
        """The usable key with this id, for work that goes on without its request. Raises `AccessError`."""
        key = self._by_id.get(id)
        if key is None or not key.usable(self._clock.now_ns()):
            raise AccessError.unauthenticated(f"the API key {id} is revoked or expired")
        return key


def read_headers(scope: Scope) -> dict[str, str]:
    """The headers Moat looks at, by short name. Text is UTF-8, or else Latin-1.

    The last of several counts; those of a `tracestate` are one list, as W3C has it.
    """
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if (short := _NAMES.get(name)) is not None:
            text = (value.decode("ascii") if value.isascii() else _text(value)).strip()
            found[short] = f"{found[short]},{text}" if short == "tracestate" and short in found else text
    return found


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


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

    Raises `NotFound` when the caller names another environment than the key's, and `RequestError` naming a header that
    is too long or holds control characters.
    """
    asked = _said(headers, "environment")
    check_environment(key, asked)
    if user:
        check_text(user[:MAX_TEXT], where="user")
    feature = key.feature or _said(headers, "feature")
    if feature == PLAYGROUND:
        raise _reserved(feature, "feature")
    return Caller(
        key=key.id,
        tenant=key.tenant,
        feature=feature,
        user=key.user or user[:MAX_TEXT] or _said(headers, "user"),
        session=_said(headers, "session"),
        environment=key.environment or asked or DEFAULT_ENVIRONMENT,
        models=key.models,
        tags=key.tags or _tags(headers),
        data_class=more_sensitive(key.data_class, _said(headers, "data-class")),
    )


def _said(headers: dict[str, str], name: str) -> str:
    """What one of Moat's own headers says. Raises `RequestError` for what has no place in a record."""
    value = headers.get(name, "")
    if value:
        check_text(value, where=f"x-{name}" if name == "request-id" else f"x-moat-{name}")
    return value


def _tags(headers: dict[str, str]) -> tuple[str, ...]:
    """`x-moat-tags: a, b`, each once."""
    if "tags" not in headers:
        return ()
    tags = dict.fromkeys(tag for part in _said(headers, "tags").split(",") if (tag := part.strip()))
    if len(tags) > MAX_TAGS:
        raise RequestError(f"holds more than {MAX_TAGS} tags", where="x-moat-tags")
    return tuple(tags)


def client_request_of(headers: dict[str, str]) -> str:
    """The caller's own name for the request. Raises `RequestError`."""
    return _said(headers, "request-id")


def patience_of(headers: dict[str, str], *, stream: bool) -> int:
    """Nanoseconds that the caller will wait for all of the answer; 0 when he did not say.

    `x-moat-timeout` in seconds comes first, and must be right; then what official SDKs send by themselves. OpenAI's and
    Anthropic's is how long a read may take: all of the answer when it comes in one piece, and of a stream nothing. It
    gets `SLACK`, so that the SDK raises its own error for a timeout, as applications expect.
    """
    if (said := headers.get("timeout")) is not None:
        seconds = _seconds(said)
        if not seconds:
            raise RequestError(
                f"{said[:40]!r} is not a number of seconds from {MIN_SECONDS} to {MAX_SECONDS:,.0f}",
                where="x-moat-timeout",
            )
        return round(seconds * 1e9)
    if told := headers.get("server-timeout"):
        return round(_seconds(told) * 1e9)
    read = 0.0 if stream else _seconds(headers.get("read-timeout", ""))
    return round((read + SLACK) * 1e9) if read else 0


def _seconds(text: str) -> float:
    """0 for what is no number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if MIN_SECONDS <= seconds <= MAX_SECONDS else 0.0


_CACHE_USES: dict[str, CacheUse] = {"use": "use", "refresh": "refresh", "off": "off"}


def cache_use_of(headers: dict[str, str]) -> CacheUse:
    """May the answer come from the cache? `x-moat-cache` comes first; then `cache-control` as HTTP has it (RFC 9111):
    `no-cache` wants a fresh answer, `no-store` one that is not kept either.
    """
    if (said := headers.get("cache")) is not None:
        use = _CACHE_USES.get(said.strip().lower())
        if use is None:
            raise RequestError(f"must be one of {', '.join(_CACHE_USES)}", where="x-moat-cache")
        return use
    if "cache-control" not in headers:
        return "use"
    directives = {part.strip().lower() for part in headers["cache-control"].split(",")}
    if "no-store" in directives:
        return "off"
    return "refresh" if directives & {"no-cache", "max-age=0"} else "use"


def placed(key: Key, caller: Caller, prompt: PromptRef) -> tuple[Caller, PromptRef]:
    """A prompt in the environment that it names, or else the caller's. Raises `NotFound` as `check_environment`."""
    check_environment(key, prompt.environment)
    if prompt.environment:
        caller = replace(caller, environment=prompt.environment)
    return caller, replace(prompt, environment=caller.environment, released_only=bool(key.environment))


def check_environment(key: Key, environment: str) -> None:
    """A key bound to one environment knows no other. Raises `NotFound`, whether the environment exists or not;
    `RequestError` for those of evaluations and of what people try in the console: they have limits of their own.
    """
    if (environment or key.environment) in OWN:
        raise _reserved(environment or key.environment, "environment")
    if key.environment and environment and environment != key.environment:
        raise NotFound.for_this_key()


def _reserved(name: str, kind: Literal["feature", "environment"]) -> RequestError:
    whose = "evaluations" if name == EVALS else "what people try in the console"
    return RequestError(
        f"the {kind} {name!r} is that of {whose}", where=f"x-moat-{kind}", remedy="Choose another name."
    )
