"""What requests leave to the collector, which stops all others while it looks for it."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

import msgspec
import pytest

from moat.domain.calls import Call, Event
from moat.domain.config import LimitConfig
from moat.domain.errors import MoatError, ProviderDown, ProviderRefused, ProviderTimeout
from moat.domain.keys import Key, hash_secret
from moat.gateway.admission import KeyRing
from moat.gateway.app import Gateway
from moat.gateway.http import Message, Scope
from moat.gateway.serving import Live, Serving
from moat.pipeline.recipe import build
from moat.ports.models import Provider
from moat.spend.ledger import LimitLedger, Rules
from moat.spend.limits import Limit, compiled
from moat.testing.fakes import FakeClock, FixedModels, ListSpool, fake_ports
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import SECRET, no_management

REQUESTS = 20


class Failing:
    """Every try fails in its own way."""

    def __init__(self, error: Callable[[], MoatError]) -> None:
        self._error = error

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        raise self._error()
        yield

    async def aclose(self) -> None: ...


async def statuses(provider: Provider, *limits: Limit, stream: bool = False) -> set[int]:
    """Ask as often as `REQUESTS`, and see that nothing is left."""
    ledger = LimitLedger(FakeClock())
    ledger.adopt(Rules(limits, frozenset(), {}, lambda alias, usage: None), lambda limit, since_ns: {})
    spool, models = ListSpool(), FixedModels({"assistant": ["fake/large", "fake/small"]}, {"fake": provider})
    ports = replace(fake_ports(provider, spool=spool), models=models, ledger=ledger)
    ring = KeyRing([Key(id="key_1", hash=hash_secret(SECRET), tenant="acme")], FakeClock())
    live = Live(Serving(build(ports), ring, ports.prompts, ("assistant",)))
    gateway = Gateway(live, spool, max_body=2**20, management=no_management)
    asked = {"model": "assistant", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    body, found = msgspec.json.encode(asked), set[int]()

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            found.add(message["status"])

    async def request() -> None:
        headers = [(b"authorization", f"Bearer {SECRET}".encode()), (b"content-type", b"application/json")]
        scope: Scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions"}
        await gateway({**scope, "query_string": b"", "headers": headers}, receive, send)

    await asyncio.create_task(request())
    gc.collect()
    gc.disable()
    try:
        for _ in range(REQUESTS):
            await asyncio.create_task(request())
        assert gc.collect() < REQUESTS, "not one object for each request"
    finally:
        gc.enable()
    return found


@pytest.mark.anyio
@pytest.mark.promise("up-4")
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_leaves_none(stream: bool) -> None:
    assert await statuses(ScriptedProvider("Hello."), stream=stream) == {200}


@pytest.mark.anyio
@pytest.mark.promise("up-4")
async def test_a_limit_that_refuses_leaves_none() -> None:
    limits = compiled([LimitConfig(name="none", requests=0)])
    assert await statuses(ScriptedProvider("Hello."), *limits) == {429}


@pytest.mark.anyio
@pytest.mark.promise("up-4")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (lambda: ProviderRefused("no", status=400), 400),
        (lambda: ProviderDown("down"), 502),
        (lambda: ProviderTimeout("late"), 504),
    ],
)
async def test_a_provider_that_fails_leaves_none(error: Callable[[], MoatError], status: int, stream: bool) -> None:
    assert await statuses(Failing(error), stream=stream) == {status}
