"""A gateway on a real socket, over scripted providers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import pytest
from openai import OpenAI

from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.domain.keys import Key, hash_secret
from moat.domain.releases import PromptVersion, Release
from moat.gateway.admission import KeyRing
from moat.gateway.app import Gateway
from moat.gateway.serving import Live, Serving
from moat.pipeline.counting import build_counter
from moat.pipeline.recipe import build
from moat.ports.ledger import Ledger
from moat.testing.fakes import FakeClock, FixedModels, FixedPrompts, ListSpool, fake_ports
from moat.testing.loopback import on_loopback
from moat.testing.scripted import ScriptedProvider
from tests.gateway.openai_peer import OpenAIPeer

SECRET = "mk-test"


async def no_management(scope, receive, send):  # type: ignore[no-untyped-def]
    await send({"type": "http.response.start", "status": 418, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@dataclass
class Running:
    """A gateway under test."""

    url: str
    live: Live
    spool: ListSpool
    provider: ScriptedProvider
    clients: list[OpenAI] = field(default_factory=list)

    def client(self, secret: str = SECRET, **options: object) -> OpenAI:
        """The official SDK, pointed at this gateway; it does not retry."""
        client = OpenAI(base_url=f"{self.url}/v1", api_key=secret, max_retries=0, **options)  # type: ignore[arg-type]
        self.clients.append(client)
        return client


Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts gateways; stops them at the end."""
    with ExitStack() as stack:

        def run(
            provider: ScriptedProvider,
            *prompts: PromptVersion,
            released: Mapping[tuple[str, str], Release] | None = None,
            keys: Mapping[str, Key] | None = None,
            max_body: int = 2**20,
            ledger: Ledger | None = None,
        ) -> Running:
            spool = ListSpool()
            models = FixedModels({"assistant": ["fake/large"], "spare": ["fake/small"]}, {"fake": provider})
            ports = replace(
                fake_ports(provider, spool=spool),
                models=models,
                prompts=FixedPrompts(*prompts, released=released),
                ledger=ledger,
            )
            known = keys or {SECRET: Key(id="key_1", hash="", tenant="acme")}
            ring = KeyRing(
                [replace_hash(key, secret) for secret, key in known.items()],
                FakeClock(),
            )
            released_ids = tuple(f"{name}@{place}" for name, place in released or {})
            serving = Serving(build(ports), ring, ports.prompts, ("assistant", "spare"), released_ids)
            live = Live(replace(serving, count=build_counter(ports)))
            app = Gateway(live, spool, max_body=max_body, management=no_management)
            url = stack.enter_context(on_loopback(app))
            running = Running(url, live, spool, provider)
            stack.callback(lambda: [client.close() for client in running.clients])
            return running

        yield run


Over = Callable[[OpenAIPeer], Running]


@pytest.fixture
def over(start: Start) -> Iterator[Over]:
    """Starts gateways over servers that answer like OpenAI."""
    with ExitStack() as stack:
        yield lambda peer: start(OpenAIProvider(OpenAIConfig(base_url=stack.enter_context(peer.running()))))


def replace_hash(key: Key, secret: str) -> Key:
    import msgspec

    return msgspec.structs.replace(key, hash=hash_secret(secret))
