"""Every prompt version the server knows, by name and exact version, from Python."""

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from moat.domain.errors import Unavailable
from moat.domain.releases import Registration
from moat.sdk.prompts import Prompt
from moat.sdk.server import Server

T = TypeVar("T")


class _Rendered(msgspec.Struct):
    messages: list[dict[str, Any]]


class Registry:
    """The server's registry. What an environment serves is `Moat.prompt`, which outlives an outage; this does not."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def register(self, name: str, version: str, prompt: Mapping[str, Any]) -> Registration:
        """Register a version whose file would hold `prompt`; the same content again is no change.

        Needs an admin key. Raises `RequestError` with all that lint finds wrong, and `ConflictError` for a version that
        is there with another content.
        """
        body = msgspec.json.encode({"name": name, "version": version, "prompt": dict(prompt)})
        return _decode(self._server.post("/api/v1/prompts", body).body, Registration, self._server)

    def get(self, name: str, version: str) -> Prompt:
        """One exact version. Raises `NotFound` with the versions there are; `latest` is refused the same way."""
        path = f"/api/v1/prompts/{quote(name)}?{urlencode({'version': version})}"
        return _decode(self._server.get(path).body, Prompt, self._server)

    def render(self, name: str, version: str, /, **variables: Any) -> list[dict[str, Any]]:
        """Chat messages of one exact version, rendered by the server. Raises `RequestError` for wrong variables."""
        body = msgspec.json.encode({"version": version, "variables": variables})
        return _decode(self._server.post(f"/api/v1/render/{quote(name)}", body).body, _Rendered, self._server).messages

    def list(self, name: str) -> list[Registration]:
        """All versions of a prompt in ascending order, with commits, authors and branches. Needs a viewer's key."""
        return _decode(self._server.get(f"/api/v1/versions/{quote(name)}").body, list[Registration], self._server)


class AsyncRegistry:
    """The same for asyncio: the network is left to a thread."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def register(self, name: str, version: str, prompt: Mapping[str, Any]) -> Registration:
        """As `Registry.register`."""
        return await asyncio.to_thread(self._registry.register, name, version, prompt)

    async def get(self, name: str, version: str) -> Prompt:
        """As `Registry.get`."""
        return await asyncio.to_thread(self._registry.get, name, version)

    async def render(self, name: str, version: str, /, **variables: Any) -> list[dict[str, Any]]:
        """As `Registry.render`."""
        return await asyncio.to_thread(self._registry.render, name, version, **variables)

    async def list(self, name: str) -> list[Registration]:
        """As `Registry.list`."""
        return await asyncio.to_thread(self._registry.list, name)


def _decode(body: bytes, kind: type[T], server: Server) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable(f"not what a Moat server answers: {error}", where=server.url) from None
