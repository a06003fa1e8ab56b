"""Prompts as an application sees them, and the cache that keeps them at hand when the server is away."""

import functools
import random
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec
from msgspec.structs import replace

from moat.domain.errors import MoatError, NotFound, Unavailable
from moat.domain.releases import Arm, PromptVersion, arm_at, choose
from moat.sdk.lastgood import LastGood
from moat.sdk.server import Server

if TYPE_CHECKING:
    from moat.prompts.templates import JinjaRenderer

RETRY_SECONDS = 5.0
"""How long a prompt is served from memory before a server that was away is asked again."""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt as an environment serves it now."""

    definition: PromptVersion = msgspec.field(name="prompt")
    environment: str
    """Empty for an exact version."""
    digest: str
    """Identifies the content, `sha256:...`."""
    release: str | None = None
    arm: str = ""
    """Of a split: what the user it was fetched for falls on, such as `canary`."""
    experiment: str = ""
    """The rollout that the arm belongs to."""
    stale: bool = False
    """True when the server could not be asked and this is the last known good one."""

    @property
    def name(self) -> str:
        """As in `prompts/<name>/<version>.yaml`."""
        return self.definition.name

    @property
    def version(self) -> str:
        """Semantic version."""
        return self.definition.version

    @property
    def model(self) -> str:
        """The model alias to ask for."""
        return self.definition.model

    @property
    def params(self) -> dict[str, Any]:
        """`temperature`, `max_tokens`, ...: as the chat API takes them."""
        return self.definition.params

    @property
    def tools(self) -> list[dict[str, Any]]:
        """Tool definitions, as the chat API's `tools` takes them."""
        return list(self.definition.tool_definitions)

    @property
    def output(self) -> dict[str, Any] | None:
        """JSON Schema of the answer, when it must be JSON."""
        return self.definition.output

    def render(self, **variables: Any) -> list[dict[str, Any]]:
        """Chat messages, made by the very code that the server runs.

        Raises `PromptError` for a missing, unknown or mistyped variable.
        """
        return _renderer().render(self.definition, variables)


@functools.cache
def _renderer() -> "JinjaRenderer":
    """One for all, since it keeps compiled templates; made late, since an application may never render."""
    from moat.prompts.templates import JinjaRenderer

    return JinjaRenderer(cache=256)


class _Arm(msgspec.Struct, frozen=True, kw_only=True):
    """As `GET /api/v1/prompts/{name}` answers."""

    name: str
    weight: float
    release: str
    digest: str
    prompt: PromptVersion


class _Split(msgspec.Struct, frozen=True, kw_only=True):
    """As `GET /api/v1/prompts/{name}` answers."""

    experiment: str
    salt: str
    arms: tuple[_Arm, ...]


class _Divided(msgspec.Struct, frozen=True, kw_only=True):
    """As `GET /api/v1/prompts/{name}` answers; the rest of it is a `Prompt`."""

    split: _Split | None = None


class Served(msgspec.Struct, frozen=True):
    """What an environment serves for one prompt: the same for all, or to each user one of several."""

    prompts: tuple[Prompt, ...]
    arms: tuple[Arm, ...] = ()
    """Of a split, one for each prompt."""
    salt: str = ""

    def choose(self, user: str) -> Prompt:
        """The one for a user, chosen as the server does it; drawn anew each time when there is no user."""
        if not self.arms:
            return self.prompts[0]
        index = choose(self.arms, self.salt, user) if user else arm_at(self.arms, random.random())
        return self.prompts[index]

    def aged(self, *, stale: bool) -> "Served":
        """The same, marked stale or not."""
        return replace(self, prompts=tuple(replace(prompt, stale=stale) for prompt in self.prompts))


class _Entry(msgspec.Struct):
    served: Served
    etag: str
    expires: float
    """By the monotonic clock."""


class PromptCache:
    """Prompts of one environment: from memory for `ttl` seconds, then from the server, at worst as last known.

    One thread asks the server for a prompt; meanwhile the others get what is in memory, or wait when there is
    nothing. A refusal (401, 403, 404) is an answer and is raised; an outage is bridged by the last known good
    prompt, from memory or from `disk`, marked stale.
    """

    def __init__(self, server: Server, environment: str, ttl: float, disk: LastGood) -> None:
        self._server = server
        self._environment = environment
        self._ttl = ttl
        self._disk = disk
        self._entries: dict[str, _Entry] = {}
        self._flights: dict[str, Future[Served]] = {}
        self._lock = threading.Lock()

    def fresh(self, name: str) -> Served | None:
        """What memory holds and need not be asked for; no I/O."""
        entry = self._entries.get(name)
        return entry.served if entry is not None and time.monotonic() < entry.expires else None

    def get(self, name: str) -> Served:
        """What is served. Raises `NotFound`, `AccessError`, or `Unavailable` when none was ever fetched."""
        with self._lock:
            if served := self.fresh(name):
                return served
            known = self._entries.get(name)
            flight = self._flights.get(name)
            if flight is None:
                own = self._flights[name] = Future()
        if flight is not None:
            return known.served if known is not None else flight.result()
        try:
            served = self._refresh(name, known)
            own.set_result(served)
            return served
        except MoatError as error:
            own.set_exception(error)
            raise
        finally:
            own.cancel()  # does nothing when it is settled; else whoever waits would do so for ever
            with self._lock:
                del self._flights[name]

    def _refresh(self, name: str, known: _Entry | None) -> Served:
        try:
            entry = self._fetch(name, known)
        except NotFound:
            self._entries.pop(name, None)
            self._disk.forget(name)
            raise
        except Unavailable:
            served = known.served if known is not None else self._recall(name)
            if served is None:
                raise
            pause = min(self._ttl, RETRY_SECONDS)
            etag = known.etag if known is not None else ""
            entry = _Entry(served.aged(stale=True), etag, time.monotonic() + pause)
        self._entries[name] = entry
        return entry.served

    def _fetch(self, name: str, known: _Entry | None) -> _Entry:
        path = f"/api/v1/prompts/{quote(name)}?{urlencode({'environment': self._environment})}"
        answer = self._server.get(path, etag=known.etag if known is not None else "")
        expires = time.monotonic() + self._ttl
        if answer.status == 304 and known is not None:
            return _Entry(known.served.aged(stale=False), known.etag, expires)
        try:
            served = _read(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable(f"not a prompt: {error}", where=self._server.url + path) from None
        self._disk.keep(name, answer.body)
        return _Entry(served, answer.etag, expires)

    def _recall(self, name: str) -> Served | None:
        body = self._disk.recall(name)
        try:
            return _read(body) if body is not None else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


def _read(body: bytes) -> Served:
    """Raises `msgspec.DecodeError` or `UnicodeDecodeError`."""
    answer = msgspec.json.decode(body, type=Prompt)
    split = msgspec.json.decode(body, type=_Divided).split
    if split is None or not split.arms:
        return Served((answer,))
    prompts = tuple(
        Prompt(
            definition=arm.prompt,
            environment=answer.environment,
            digest=arm.digest,
            release=arm.release,
            arm=arm.name,
            experiment=split.experiment,
        )
        for arm in split.arms
    )
    return Served(prompts, tuple(Arm(arm.release, arm.weight, arm.name) for arm in split.arms), split.salt)
