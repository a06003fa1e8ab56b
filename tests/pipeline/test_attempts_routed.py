"""Tries with everything on: health, longer models, shorter conversations. Nothing here waits for real time."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace as with_fields
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from moat.domain.calls import Call, Delta, Deployment, Event, Finished
from moat.domain.config import BreakerConfig, ModelConfig
from moat.domain.errors import (
    CircuitOpen,
    ContextOverflow,
    DeadlinePassed,
    LimitExceeded,
    MoatError,
    ProviderDown,
    ProviderOverloaded,
    StreamCut,
    Unsupported,
)
from moat.domain.quotas import Quota, Window
from moat.pipeline import course
from moat.pipeline.compose import Next
from moat.pipeline.recipe import build
from moat.ports.models import Capacity, Provider
from moat.routing import breaker
from moat.routing.health import DeploymentHealth
from moat.routing.router import Knowledge, Router
from moat.testing.fakes import FakeClock, FlatPrices, ListSpool, fake_ports, new_call
from moat.testing.scripted import ScriptedProvider
from tests.pipeline.test_compose import drain

MAIN, SPARE = Deployment("main", "large"), Deployment("spare", "small")
TINY = Deployment("main", "tiny")
DARK = ProviderDown("refused")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "BACKOFF_BASE", 0.0)


class World:
    """A pipeline on a router, its health and its providers."""

    def __init__(
        self, models: dict[str, Any] | None = None, *, clock: FakeClock | None = None, **providers: Provider
    ) -> None:
        config = models or {"assistant": {"use": ["main/large", "spare/small"], "retries": 0}}
        self.clock, self.spool = clock or FakeClock(), ListSpool()
        self.health = DeploymentHealth(self.clock, BreakerConfig(failures=3))
        aliases = {alias: msgspec.convert(model, ModelConfig) for alias, model in config.items()}
        router = Router(aliases, providers, Knowledge(prices=FlatPrices(), capacities={TINY: Capacity(context=50)}))
        ports = fake_ports(next(iter(providers.values())), spool=self.spool)
        self.run: Next = build(with_fields(ports, models=router, health=self.health, clock=self.clock))

    async def ask(self, call: Call | None = None) -> str:
        events = await drain(self.run(call or new_call()))
        return "".join(event.text for event in events if isinstance(event, Delta))

    async def error(self, call: Call | None = None) -> MoatError:
        with pytest.raises(MoatError) as raised:
            await self.ask(call)
        return raised.value


@pytest.mark.anyio
@pytest.mark.promise("up-7")
async def test_a_dark_provider_is_left_alone_probed_and_taken_back() -> None:
    dark = ScriptedProvider(*[DARK] * 4, "back again")
    world = World(main=dark, spare=ScriptedProvider("fallback"))
    assert [await world.ask() for _ in range(6)] == ["fallback"] * 6
    assert len(dark.calls) == 3, "three failures opened it; later calls did not go there"
    world.clock.advance(10)
    assert [await world.ask(), await world.ask()] == ["fallback", "fallback"], "one probe, and it failed"
    assert len(dark.calls) == 4
    world.clock.advance(10)
    await world.ask()
    assert len(dark.calls) == 4, "the cooldown doubled"
    world.clock.advance(10)
    assert [await world.ask(), await world.ask()] == ["back again", "back again"]
    assert all(span.error == "" for span in world.spool.calls), "no caller saw an error"


@pytest.mark.anyio
async def test_a_call_tells_who_was_left_alone_for_failing_and_not_who_has_no_room() -> None:
    world = World(main=ScriptedProvider(*[DARK] * 3), spare=ScriptedProvider("fallback"))
    for _ in range(4):
        await world.ask()
    assert [span.left_alone for span in world.spool.calls] == ["", "", "", "main"]
    world.health.report(SPARE, Quota(requests=Window(0, 4)))
    assert isinstance(await world.error(), CircuitOpen)
    assert (world.spool.calls[-1].left_alone, world.spool.calls[-1].provider) == ("main", "")


@pytest.mark.anyio
async def test_a_circuit_that_opens_between_two_tries_ends_the_retries() -> None:
    models = {"assistant": {"use": ["main/large", "spare/small"], "retries": 9}}
    main = ScriptedProvider(DARK)
    world = World(models, main=main, spare=ScriptedProvider("fallback"))
    assert await world.ask() == "fallback"
    assert len(main.calls) == 3
    alone = World({"assistant": {"use": ["main/large"], "retries": 9}}, main=ScriptedProvider(DARK))
    assert isinstance(await alone.error(), ProviderDown), "why it is left alone tells more than that it is"
    assert isinstance(await alone.error(), CircuitOpen)


@pytest.mark.anyio
@pytest.mark.promise("up-7")
async def test_other_routes_do_not_notice() -> None:
    models = {"assistant": {"use": ["main/large"], "retries": 0}, "other": {"use": ["main/other"]}}
    answers = {"large": ScriptedProvider(DARK), "other": ScriptedProvider("fine")}

    class ByModel:
        def answer(self, call: Call) -> AsyncGenerator[Event, None]:
            assert call.deployment is not None
            return answers[call.deployment.model].answer(call)

        async def aclose(self) -> None: ...

    world = World(models, main=ByModel())
    for _ in range(10):
        await world.error()
        assert await world.ask(new_call(model="other")) == "fine"
    assert len(answers["large"].calls) == 3


@pytest.mark.anyio
async def test_when_all_are_left_alone_the_caller_hears_how_soon_to_come_back() -> None:
    world = World(main=ScriptedProvider(DARK), spare=ScriptedProvider(DARK))
    for _ in range(3):
        assert isinstance(await world.error(), ProviderDown)
    world.health.report(SPARE, Quota(requests=Window(0, 4)))
    world.health.report(MAIN, Quota(requests=Window(0, 400)))
    world.clock.advance(7)
    error = await world.error()
    assert isinstance(error, CircuitOpen)
    assert (error.status, error.retry_after) == (503, pytest.approx(3))
    assert world.spool.calls[-1].attempts == 0


@pytest.mark.anyio
async def test_what_a_provider_has_no_room_for_goes_elsewhere_ahead_of_time() -> None:
    main, spare = ScriptedProvider("main"), ScriptedProvider("spare")
    world = World(main=main, spare=spare)
    world.health.report(MAIN, Quota(tokens=Window(50, 60)))
    assert await world.ask(new_call("x" * 400)) == "spare"
    assert await world.ask(new_call("x" * 40)) == "main"
    world.health.report(SPARE, Quota(tokens=Window(50, 60)))
    assert await world.ask(new_call("x" * 400)) == "spare", "the last one is asked: the estimate may be wrong"
    world.health.report(SPARE, Quota(requests=Window(0, 60)))
    world.health.report(MAIN, Quota(requests=Window(0, 30)))
    assert (await world.error()).status == 503


@pytest.mark.anyio
@pytest.mark.promise("up-1")
async def test_a_pause_is_honoured_by_the_calls_after_it_too() -> None:
    main = ScriptedProvider(ProviderOverloaded("429", retry_after=30), "main")
    world = World(main=main, spare=ScriptedProvider("spare"))
    assert [await world.ask() for _ in range(3)] == ["spare"] * 3
    assert len(main.calls) == 1
    world.clock.advance(30)
    assert await world.ask() == "main"


@pytest.mark.anyio
async def test_a_retry_waits_as_long_as_asked_and_then_goes_to_the_same_one(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"assistant": {"use": ["main/large"], "retries": 2}}
    world = World(models, main=ScriptedProvider(ProviderOverloaded("429", retry_after=2), "second try"))
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        world.clock.advance(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert await world.ask() == "second try"
    assert waits == [2]


@pytest.mark.anyio
async def test_an_outage_is_not_answered_with_several_times_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "MIN_TRIES", 10**9)  # the breaker is another guard
    dark = ScriptedProvider(DARK)
    world = World({"assistant": {"use": ["main/large"], "retries": 10}}, main=dark)
    world.health.configure(BreakerConfig(failures=10**9))
    for _ in range(100):
        world.clock.advance(0.01)
        await world.error()
    assert len(dark.calls) <= 100 + 20 + 1
    (state,) = world.health.snapshot()
    assert (state.tries, state.retries) == (len(dark.calls), len(dark.calls) - 100)


@pytest.mark.anyio
async def test_what_one_provider_does_not_offer_another_may() -> None:
    world = World(main=ScriptedProvider(Unsupported("no embeddings")), spare=ScriptedProvider("spare"))
    assert [await world.ask() for _ in range(5)] == ["spare"] * 5
    assert world.health.snapshot()[0].failed == 0
    assert world.health.snapshot()[1].fallbacks == 5


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("main", "spare", "code"),
    [
        (DARK, Unsupported("x"), "provider_down"),
        (Unsupported("x"), DARK, "provider_down"),
        (Unsupported("x"), ContextOverflow("x"), "context_length_exceeded"),
        (ContextOverflow("x"), Unsupported("x"), "context_length_exceeded"),
        (ContextOverflow("x"), ProviderOverloaded("x"), "provider_overloaded"),
        (Unsupported("x"), Unsupported("x"), "unsupported_operation"),
        (DARK, ProviderOverloaded("x"), "provider_overloaded"),
    ],
)
async def test_the_caller_hears_what_tells_most(main: MoatError, spare: MoatError, code: str) -> None:
    world = World(main=ScriptedProvider(main), spare=ScriptedProvider(spare))
    assert (await world.error()).code == code


@pytest.mark.anyio
async def test_a_limit_that_is_reached_between_tries_is_the_end() -> None:
    world = World(main=ScriptedProvider(LimitExceeded("no money")), spare=ScriptedProvider("spare"))
    assert (await world.error()).code == "limit_exceeded"


@pytest.mark.anyio
async def test_too_long_for_one_goes_to_the_next_then_to_a_longer_model() -> None:
    models = {
        "assistant": {"use": ["main/large", "spare/small"], "longer": "long"},
        "long": {"use": ["spare/long"]},
    }
    overflow = ContextOverflow("too long")
    main, spare = ScriptedProvider(overflow), ScriptedProvider(overflow, "long answer")
    world = World(models, main=main, spare=spare)
    call = new_call()
    assert await world.ask(call) == "long answer"
    assert (len(main.calls), len(spare.calls)) == (1, 2)
    assert call.journal.notices == ["the conversation is too long for assistant: long answers"]
    assert call.journal.sent is not None
    assert call.journal.sent.plan is not None
    assert call.journal.sent.plan.alias == "long"
    assert [state.failed for state in world.health.snapshot()] == [0, 0, 0]


@pytest.mark.anyio
async def test_what_is_known_to_be_too_long_is_never_sent() -> None:
    models = {"assistant": {"use": ["main/tiny"], "longer": "long"}, "long": {"use": ["spare/small"]}}
    main = ScriptedProvider("tiny")
    world = World(models, main=main, spare=ScriptedProvider("long answer"))
    call = new_call("x" * 400)
    assert await world.ask(call) == "long answer"
    assert (main.calls, len(call.journal.notices)) == ([], 1)
    assert await world.ask() == "tiny"


@pytest.mark.anyio
async def test_a_refused_conversation_is_shortened_until_it_fits() -> None:
    class Small(ScriptedProvider):
        async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
            self.calls.append(call)
            if len(call.messages) > 3:
                raise ContextOverflow("at most 3 messages")
            yield Delta(text="short enough")
            yield Finished(reason="stop")

    world = World({"assistant": {"use": ["main/large"], "overflow": "truncate"}}, main=Small())
    talk = [{"role": role, "content": "x" * 400} for _ in range(6) for role in ("user", "assistant")][:-1]
    call = replace(new_call(), messages=[{"role": "system", "content": "Be kind."}, *talk])
    assert await world.ask(call) == "short enough"
    assert call.journal.sent is not None
    assert call.journal.sent.messages == [call.messages[0], call.messages[-1]] or len(call.journal.sent.messages) == 3
    assert all("left out" in notice for notice in call.journal.notices)
    assert call.journal.notices
    assert len(world.spool.calls[0].input["messages"]) <= 3, "the record says what was sent"


@pytest.mark.anyio
async def test_a_hedge_that_finds_nobody_left_leaves_the_first_alone() -> None:
    class Patient(ScriptedProvider):
        async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
            if call.deployment == SPARE:
                raise ContextOverflow("too long")
            await asyncio.sleep(0.05)
            yield Delta(text="long answer")
            yield Finished(reason="stop")

    models = {
        "assistant": {"use": ["main/large", "spare/small"], "longer": "long", "hedge_after": 0.01},
        "long": {"use": ["spare/long"]},
    }
    world = World(models, main=ScriptedProvider(ContextOverflow("too long")), spare=Patient())
    assert await world.ask() == "long answer"


@pytest.mark.anyio
async def test_a_failure_in_the_middle_of_an_answer_counts() -> None:
    world = World(main=ScriptedProvider([Delta(text="half"), StreamCut("cut")]), spare=ScriptedProvider("spare"))
    for _ in range(3):
        assert (await world.error()).code == "stream_cut"
    assert await world.ask() == "spare"


class Slow(ScriptedProvider):
    """Lets time pass, then fails for want of it."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        self.calls.append(call)
        self.clock.advance(self.seconds)
        yield Delta(text="late")
        yield Finished(reason="stop")


@pytest.mark.anyio
@pytest.mark.parametrize(("patience", "opens"), [(0.0, True), (1.0, False)], ids=["our deadline", "the caller's"])
async def test_silence_up_to_the_deadline_counts_when_the_deadline_is_ours(patience: float, opens: bool) -> None:
    clock = FakeClock()
    world = World({"assistant": {"use": ["main/large"], "deadline": 5}}, clock=clock, main=Slow(clock, 6))
    for _ in range(3):
        error = await world.error(replace(new_call(), patience_ns=round(patience * 1e9)))
        assert isinstance(error, DeadlinePassed)
    assert isinstance(await world.error(), CircuitOpen if opens else DeadlinePassed)
    assert world.spool.spans[0].error == "deadline_passed"


@pytest.mark.anyio
@pytest.mark.promise("up-1")
async def test_the_callers_patience_is_a_deadline_too() -> None:
    clock = FakeClock()
    world = World(clock=clock, main=Slow(clock, 2), spare=ScriptedProvider("spare"))
    assert isinstance(await world.error(replace(new_call(), patience_ns=10**9)), DeadlinePassed)
    assert await world.ask(replace(new_call(), patience_ns=3 * 10**9)) == "late"
