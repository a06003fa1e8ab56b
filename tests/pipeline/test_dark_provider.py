"""A provider on a real socket that takes requests and then says nothing, contained before any timeout strikes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace as with_fields
from time import monotonic
from typing import Any

import msgspec
import pytest

from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.adapters.system import SystemClock
from moat.domain.calls import Delta
from moat.domain.config import BreakerConfig, ModelConfig
from moat.domain.errors import CircuitOpen
from moat.pipeline.recipe import build
from moat.ports.clock import Clock
from moat.routing.health import DeploymentHealth
from moat.routing.router import Knowledge, Router
from moat.testing.fakes import FakeClock, FlatPrices, fake_ports, new_call
from moat.testing.faults import Script
from moat.testing.faults_choice import parse_fault
from moat.testing.faults_server import FaultServer, serving_faults
from moat.testing.scripted import ScriptedProvider
from tests.pipeline.test_compose import drain

MODELS = {
    "assistant": {"use": ["main/large", "spare/small"], "retries": 0},
    "alone": {"use": ["main/large"], "retries": 0},
    "other": {"use": ["main/other"], "retries": 0},
}
HEALTHY, SILENT = 6, 5


class World:
    """A pipeline whose provider `main` goes dark: its model `large` answers at first, falls silent, answers again."""

    def __init__(self, server: FaultServer, clock: Clock) -> None:
        self.server, self.clock = server, clock
        self.health = DeploymentHealth(clock, BreakerConfig())
        main = OpenAIProvider(OpenAIConfig(base_url=f"{server.url}/v1", api_key="sk-simulated"), name="main")
        providers: dict[str, Any] = {"main": main, "spare": ScriptedProvider("fallback")}
        aliases = {alias: msgspec.convert(model, ModelConfig) for alias, model in MODELS.items()}
        router = Router(aliases, providers, Knowledge(prices=FlatPrices()))
        ports = fake_ports(providers["spare"])
        self.run = build(with_fields(ports, models=router, health=self.health, clock=clock))
        self.close = main.aclose
        self.waiting: list[asyncio.Task[str]] = []

    async def ask(self, model: str = "assistant") -> str:
        """Who answered: the words of the fault server, or `fallback`."""
        call = new_call("Hello", model=model, stream=True)
        return "".join(event.text for event in await drain(self.run(call)) if isinstance(event, Delta))

    def start(self, model: str = "assistant") -> None:
        self.waiting.append(asyncio.create_task(self.ask(model)))

    def state(self) -> str:
        return next(at.state for at in self.health.snapshot() if at.deployment == "main/large")


@asynccontextmanager
async def world(clock: Clock, silent: int = SILENT) -> AsyncIterator[World]:
    fault = parse_fault(f"hang,model=large,skip={HEALTHY},first={silent}")
    async with serving_faults(FaultServer(Script(faults=(fault,)))) as server:
        here = World(server, clock)
        try:
            yield here
        finally:
            for task in here.waiting:
                task.cancel()
            await asyncio.gather(*here.waiting, return_exceptions=True)
            await here.close()


async def arrived(server: FaultServer, requests: int) -> None:
    """Wait until the provider has taken so many requests."""
    async with asyncio.timeout(30):
        while len(server.books.bills) < requests:  # noqa: ASYNC110 - the server offers no event for it
            await asyncio.sleep(0.005)


@pytest.mark.anyio
@pytest.mark.promise("up-7")
async def test_new_calls_go_elsewhere_and_silent_ones_keep_their_time() -> None:
    clock = FakeClock()
    async with world(clock) as here:
        healthy = [await here.ask() for _ in range(HEALTHY)]
        assert "fallback" not in healthy
        for _ in range(SILENT):
            here.start()
        await arrived(here.server, HEALTHY + SILENT)
        clock.advance(4.9)
        assert here.state() == "closed"
        clock.advance(0.1)
        assert [await here.ask() for _ in range(20)] == ["fallback"] * 20
        with pytest.raises(CircuitOpen, match="said nothing for a while, with 5 calls waiting"):
            await here.ask("alone")
        assert await here.ask("other") == healthy[0], "another model there answers"
        assert not any(task.done() for task in here.waiting), "they may be slow rightly"
        assert here.state() == "open"
        clock.advance(10)
        assert [await here.ask() for _ in range(3)] == healthy[:3], "one probe, and calls flow again"
        assert here.state() == "closed"


@pytest.mark.anyio
@pytest.mark.promise("up-7")
async def test_a_dark_provider_is_left_alone_within_ten_seconds_of_real_time() -> None:
    async with world(SystemClock(), silent=10_000) as here:
        for _ in range(HEALTHY):
            await here.ask()
        dark = monotonic()
        others = []
        async with asyncio.timeout(30):
            while here.state() != "open":
                here.start()
                others.append(await here.ask("other"))
                await asyncio.sleep(0.1)
        assert monotonic() - dark <= 10
        assert await here.ask() == "fallback"
        assert "" not in others
