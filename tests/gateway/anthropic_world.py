"""A gateway in front of a model server, both on real sockets."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from moat.adapters.providers.anthropic import AnthropicConfig, AnthropicProvider
from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.domain.errors import ConfigError
from moat.domain.keys import Key, hash_secret
from moat.domain.releases import PromptVersion
from moat.gateway.admission import KeyRing
from moat.gateway.app import Gateway
from moat.gateway.serving import Live, Serving
from moat.pipeline.counting import build_counter
from moat.pipeline.recipe import build
from moat.ports.kinds import Surroundings
from moat.ports.models import Provider
from moat.testing.fakes import FakeClock, FixedModels, FixedPrompts, ListSpool, fake_ports
from moat.testing.loopback import on_loopback

SECRET = "mk-test"


@dataclass
class World:
    """What a test sees of it."""

    url: str
    spool: ListSpool
    provider: Any


def around(name: str = "main") -> Surroundings:
    """Of a provider that needs nobody else."""

    def no_other(name: str) -> Provider:
        raise ConfigError(f"there is no provider {name!r}")

    return Surroundings(name=name, root=Path("."), provider=no_other)


@contextmanager
def behind_anthropic(server: Any, *prompts: PromptVersion, retries: int = 0, **options: Any) -> Iterator[World]:
    """The alias `assistant` is a model of this server, through a provider of kind `anthropic`."""
    with on_loopback(server) as url:
        config = AnthropicConfig(base_url=url, api_key="sk-ant-secret-1", **options)
        with gateway(AnthropicProvider(config, around()), *prompts, retries=retries) as world:
            yield world


@contextmanager
def behind_openai(server: Any, *prompts: PromptVersion) -> Iterator[World]:
    """The same through a provider of kind `openai`."""
    with on_loopback(server) as url, gateway(OpenAIProvider(OpenAIConfig(base_url=f"{url}/v1")), *prompts) as world:
        yield world


@contextmanager
def gateway(provider: Any, *prompts: PromptVersion, retries: int = 0) -> Iterator[World]:
    """On this provider."""
    spool = ListSpool()
    models = FixedModels({"assistant": ["main/claude"]}, {"main": provider}, retries=retries)
    ports = replace(fake_ports(provider, spool=spool), models=models, prompts=FixedPrompts(*prompts))
    keys = KeyRing([Key(id="key_1", hash=hash_secret(SECRET), tenant="acme")], FakeClock())
    live = Live(Serving(build(ports), keys, ports.prompts, ("assistant",), count=build_counter(ports)))

    async def no_management(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("not asked for")

    app = Gateway(live, spool, max_body=2**20, management=no_management)

    async def closing(scope: Any, receive: Any, send: Any) -> None:
        """The provider's connections belong to the server's loop: it must close them."""
        if scope["path"] != "/close":
            await app(scope, receive, send)
            return
        await provider.aclose()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    with on_loopback(closing) as url:
        try:
            yield World(url, spool, provider)
        finally:
            urllib.request.urlopen(f"{url}/close").close()
