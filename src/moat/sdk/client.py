"""The clients. `Moat` blocks, `AsyncMoat` awaits; all they do is the same."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, Unpack, overload

from moat import __version__
from moat.domain.errors import ConfigError
from moat.sdk import otlp
from moat.sdk.feedback import FeedbackSender, Said, Wish
from moat.sdk.lastgood import LastGood
from moat.sdk.prompts import Prompt, PromptCache
from moat.sdk.registry import AsyncRegistry, Registry
from moat.sdk.sender import Sender
from moat.sdk.server import Server
from moat.sdk.tracing import IDENTITY, Span, traced

P = ParamSpec("P")
R = TypeVar("R")


class _Client:
    """What both clients share. Making one opens no connection, file or thread."""

    def __init__(
        self,
        base_url: str = "",
        api_key: str = "",
        environment: str = "production",
        cache_dir: str | Path | None = None,
        ttl: float = 30.0,
        timeout: float = 5.0,
    ) -> None:
        """Where the server is (or the variable `MOAT_BASE_URL` says) and with which key (or `MOAT_API_KEY`).

        Prompts are those that `environment` serves. They are kept in memory for `ttl` seconds and, to outlive a
        restart while the server is away, in `cache_dir`. `timeout` is seconds per step of a request. Raises
        `ConfigError` when the address or the key is missing or malformed.
        """
        url, key = _address(base_url, api_key)
        self._server = Server(url, key, timeout)
        disk = LastGood(Path(cache_dir) if cache_dir else None, self._server.url, environment)
        self._prompts = PromptCache(self._server, environment, ttl, disk)
        self._resource = {
            "service.name": "unknown_service:python",
            "telemetry.sdk.name": "moat",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.version": __version__,
            "deployment.environment.name": environment,
        }
        self._sender = Sender(self._send)
        self._feedback = FeedbackSender(self._server)

    def trace(self, name: str, *, user: str = "", feature: str = "", session: str = "", tenant: str = "") -> Span:
        """A span around a piece of work: `with moat.trace("handle_ticket", user="u1") as span: ...`.

        Spans made inside become its children and share its identity. All are sent in the background.
        """
        span = Span(self._sender, name)
        for key, value in zip(IDENTITY, (user, session, feature, tenant), strict=True):
            if value:
                span.set(key, value)
        return span

    @overload
    def traced(self, function: Callable[P, R], /) -> Callable[P, R]: ...

    @overload
    def traced(self, /, *, name: str) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def traced(self, function: Callable[..., Any] | None = None, /, *, name: str = "") -> Any:
        """Decorate a function: each call becomes a span, named after it unless `name` is given.

        Sync or async. The span of a generator lasts from its first step to its last.
        """
        if function is None:
            return lambda decorated: traced(decorated, lambda: self.trace(name))
        return traced(function, lambda: self.trace(function.__qualname__))

    @property
    def dropped_spans(self) -> int:
        """Spans given up so far: too many at once, or the server refused them or was away for too long."""
        return self._sender.dropped

    def _send(self, spans: Sequence[bytes]) -> None:
        self._server.post("/v1/traces", otlp.request(self._resource, spans))


class Moat(_Client):
    """A Moat server for synchronous code. Thread-safe; make one and share it."""

    @property
    def registry(self) -> Registry:
        """Prompt versions by name and exact version, whatever is served."""
        return Registry(self._server)

    def prompt(self, name: str, *, user: str = "") -> Prompt:
        """The prompt that the environment serves now; when users are split, the one for this `user`, always the same.

        Raises `NotFound` or `AccessError` when the server says so, and `Unavailable` only when it is away and
        the prompt was never fetched before; otherwise the last known good one comes back, marked `stale`.
        """
        return self._prompts.get(name).choose(user)

    def render(self, name: str, /, **variables: Any) -> list[dict[str, Any]]:
        """Chat messages of a prompt: `prompt(name).render(...)`."""
        return self.prompt(name).render(**variables)

    def feedback(self, request_id: str, **said: Unpack[Said]) -> str:
        """Say what somebody thinks of an answer, by its `x-request-id`; the id of the opinion once it is kept.

        Said again by the same person (`by`) it takes the place of what was said before. Raises `RequestError` with what
        is wrong, `NotFound` for a call that is not this key's, and `Unavailable`, after which it may be sent again.
        """
        return self._feedback.give(request_id, said)

    def feedback_link(self, request_id: str, **wish: Unpack[Wish]) -> str:
        """An address where somebody without a key may say what he thinks of this one answer. Raises as `feedback`."""
        return self._feedback.link(request_id, wish)

    def flush(self, timeout: float = 5.0) -> bool:
        """Send the spans that wait. False when `timeout` seconds were not enough."""
        return self._sender.flush(timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Flush and stop sending; at exit it happens by itself."""
        self._sender.close(timeout)

    def __enter__(self) -> "Moat":
        """The client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


class AsyncMoat(_Client):
    """A Moat server for asyncio code. A prompt in memory costs no switch; the network is left to a thread."""

    @property
    def registry(self) -> AsyncRegistry:
        """As `Moat.registry`."""
        return AsyncRegistry(Registry(self._server))

    async def prompt(self, name: str, *, user: str = "") -> Prompt:
        """As `Moat.prompt`."""
        served = self._prompts.fresh(name)
        if served is None:
            served = await asyncio.to_thread(self._prompts.get, name)
        return served.choose(user)

    async def render(self, name: str, /, **variables: Any) -> list[dict[str, Any]]:
        """As `Moat.render`."""
        return (await self.prompt(name)).render(**variables)

    async def feedback(self, request_id: str, **said: Unpack[Said]) -> str:
        """As `Moat.feedback`."""
        return await asyncio.to_thread(self._feedback.give, request_id, said)

    async def feedback_link(self, request_id: str, **wish: Unpack[Wish]) -> str:
        """As `Moat.feedback_link`."""
        return await asyncio.to_thread(self._feedback.link, request_id, wish)

    async def flush(self, timeout: float = 5.0) -> bool:
        """As `Moat.flush`."""
        return await asyncio.to_thread(self._sender.flush, timeout)

    async def aclose(self, timeout: float = 5.0) -> None:
        """As `Moat.close`."""
        await asyncio.to_thread(self._sender.close, timeout)

    async def __aenter__(self) -> "AsyncMoat":
        """The client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.aclose()


def _address(base_url: str, api_key: str) -> tuple[str, str]:
    """Where and as whom: what was given, else the environment. The one place of the SDK that reads it."""
    found = base_url or os.environ.get("MOAT_BASE_URL", ""), api_key or os.environ.get("MOAT_API_KEY", "")
    for value, name in zip(found, ("base_url", "api_key"), strict=True):
        if not value:
            raise ConfigError("not given", where=name, remedy=f"Pass `{name}`, or set MOAT_{name.upper()}.")
    return found
