"""Hedging: who wins, what becomes of the other, and that nothing is left behind."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace as with_fields

import msgspec
import pytest
from msgspec.structs import replace

from moat.adapters.system import SystemClock
from moat.domain.calls import Call, Delta, Event, Finished
from moat.domain.config import ModelConfig
from moat.domain.errors import DeadlinePassed, MoatError, ProviderDown, StreamCut
from moat.pipeline import course
from moat.pipeline.compose import Next
from moat.pipeline.endings import HUNG_UP, OVERTAKEN
from moat.pipeline.recipe import build
from moat.routing.health import DeploymentHealth, DeploymentState
from moat.routing.router import Knowledge, Router
from moat.testing.fakes import FlatPrices, ListSpool, fake_ports, new_call
from tests.pipeline.test_compose import drain

Step = Event | MoatError | Callable[[], Awaitable[object]]


class Played:
    """Plays steps; a function is awaited. Notes how it ended."""

    def __init__(self, *steps: Step) -> None:
        self.steps = steps
        self.asked = asyncio.Event()
        self.ended: list[str] = []

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        self.asked.set()
        try:
            for step in self.steps:
                if isinstance(step, MoatError):
                    raise step
                if isinstance(step, Delta | Finished):
                    yield step
                else:
                    await step()
            self.ended.append("whole")
        except BaseException as error:
            self.ended.append(type(error).__name__ + "".join(f": {arg}" for arg in error.args))
            raise

    async def aclose(self) -> None: ...


def says(*texts: str) -> tuple[Event, ...]:
    return (*(Delta(text=text) for text in texts), Finished(reason="stop"))


async def forever() -> None:
    await asyncio.Event().wait()


class World:
    def __init__(self, *providers: Played, hedge_after: float = 0.01, deadline: float = 60.0, retries: int = 0) -> None:
        names = "abc"[: len(providers)]
        config = {"use": [f"{name}/m" for name in names], "hedge_after": hedge_after, "deadline": deadline}
        models = {"assistant": msgspec.convert({**config, "retries": retries}, ModelConfig)}
        router = Router(models, dict(zip(names, providers, strict=True)), Knowledge(prices=FlatPrices()))
        self.spool, clock = ListSpool(), SystemClock()
        self.health = DeploymentHealth(clock)
        ports = fake_ports(providers[0], spool=self.spool)
        self.run: Next = build(with_fields(ports, models=router, health=self.health, clock=clock))

    async def ask(self, call: Call | None = None) -> str:
        events = await asyncio.wait_for(drain(self.run(call or new_call())), 30)
        assert isinstance(events[-1], Finished)
        return "".join(event.text for event in events if isinstance(event, Delta))

    @property
    def attempts(self) -> list[tuple[str, str]]:
        """Provider and error of each, as recorded."""
        found = [span for span in self.spool.spans if span.kind == "attempt"]
        return [(span.provider, span.error) for span in found]

    @property
    def states(self) -> dict[str, DeploymentState]:
        return {state.deployment: state for state in self.health.snapshot()}


@pytest.fixture(autouse=True)
def _nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "BACKOFF_BASE", 0.0)


def tasks() -> int:
    return len(asyncio.all_tasks())


@pytest.mark.anyio
async def test_one_that_answers_in_time_is_not_hedged() -> None:
    first, second = Played(*says("one ", "answer")), Played(*says("other"))
    world, before = World(first, second, hedge_after=30), tasks()
    assert await world.ask() == "one answer"
    assert not second.asked.is_set()
    assert (first.ended, world.attempts, tasks()) == (["whole"], [("a", "")], before)


@pytest.mark.anyio
async def test_the_second_wins_and_the_first_is_ended_recorded_and_billed() -> None:
    first, second = Played(forever, *says("late")), Played(*says("in ", "time"))
    world, before = World(first, second), tasks()
    assert await world.ask() == "in time"
    assert first.ended == [f"CancelledError: {OVERTAKEN}"]
    assert sorted(world.attempts) == [("a", "stopped"), ("b", "")]
    (call,) = world.spool.calls
    assert (call.provider, call.attempts) == ("b", 2), "the record names the one that answered"
    (lost,) = [span for span in world.spool.spans if span.kind == "attempt" and span.provider == "a"]
    assert (lost.error_message, lost.usage_estimated, lost.input_tokens > 0) == (OVERTAKEN, True, True)
    assert (world.states["b/m"].hedges, world.states["a/m"].failed) == (1, 0)
    assert tasks() == before


@pytest.mark.anyio
async def test_the_first_may_still_win() -> None:
    go = asyncio.Event()
    first, second = Played(go.wait, *says("slow ", "but first")), Played(forever)
    world, before = World(first, second), tasks()
    asking = asyncio.create_task(world.ask())
    await asyncio.wait_for(second.asked.wait(), 30)
    go.set()
    assert await asking == "slow but first"
    assert second.ended == [f"CancelledError: {OVERTAKEN}"]
    assert world.spool.calls[0].provider == "a"
    assert tasks() == before


@pytest.mark.anyio
async def test_one_that_fails_leaves_the_field_to_the_other() -> None:
    second = Played(forever)
    first = Played(second.asked.wait, ProviderDown("dark"))
    go = asyncio.Event()
    second.steps = (go.wait, *says("other"))
    world = World(first, second)
    asking = asyncio.create_task(world.ask())
    async with asyncio.timeout(30):
        while not first.ended:  # noqa: ASYNC110 - the first must have failed before the second answers
            await asyncio.sleep(0.001)
    go.set()
    assert await asking == "other"
    assert sorted(world.attempts) == [("a", "provider_down"), ("b", "")]


@pytest.mark.anyio
async def test_a_third_takes_the_place_of_one_that_failed() -> None:
    second, third = Played(forever), Played(*says("third"))
    first = Played(second.asked.wait, ProviderDown("dark"))
    world, before = World(first, second, third), tasks()
    assert await world.ask() == "third"
    assert sorted(world.attempts) == [("a", "provider_down"), ("b", "stopped"), ("c", "")]
    assert (world.states["b/m"].hedges, world.states["c/m"].fallbacks) == (1, 1)
    assert tasks() == before


@pytest.mark.anyio
async def test_when_both_fail_the_caller_hears_of_it_once() -> None:
    second = Played(ProviderDown("second"))
    first = Played(second.asked.wait, ProviderDown("first"))
    world, before = World(first, second), tasks()
    with pytest.raises(ProviderDown):
        await world.ask()
    assert sorted(world.attempts) == [("a", "provider_down"), ("b", "provider_down")]
    assert tasks() == before
    gc.collect()  # an exception that nobody fetched would be reported here


@pytest.mark.anyio
async def test_a_failure_before_the_time_is_a_fallback_not_a_hedge() -> None:
    world = World(Played(ProviderDown("dark")), Played(*says("spare")), hedge_after=30)
    assert await world.ask() == "spare"
    assert (world.states["b/m"].hedges, world.states["b/m"].fallbacks) == (0, 1)


@pytest.mark.anyio
@pytest.mark.promise("up-1")
async def test_nothing_is_hedged_after_the_first_byte() -> None:
    go = asyncio.Event()
    second = Played(*says("other"))
    world = World(Played(Delta(text="half "), go.wait, StreamCut("cut")), second, hedge_after=0.05)
    async with aclosing(world.run(new_call())) as events:
        assert (await anext(events)) == Delta(text="half ")
        await asyncio.sleep(0.1)
        go.set()
        with pytest.raises(StreamCut):
            await anext(events)
    assert not second.asked.is_set()


@pytest.mark.anyio
async def test_a_hang_up_reaches_both() -> None:
    first, second = Played(forever), Played(forever)
    world, before = World(first, second), tasks()
    asking = asyncio.create_task(drain(world.run(new_call())))
    await asyncio.wait_for(second.asked.wait(), 30)
    asking.cancel(HUNG_UP)
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert first.ended == second.ended == [f"CancelledError: {HUNG_UP}"]
    assert sorted(world.attempts) == [("a", "client_closed"), ("b", "client_closed")]
    assert tasks() == before


@pytest.mark.anyio
async def test_an_answer_that_is_closed_ends_its_provider_now() -> None:
    first, second = Played(forever), Played(Delta(text="half"), forever)
    world, before = World(first, second), tasks()
    events = world.run(new_call())
    assert await anext(events) == Delta(text="half")
    await events.aclose()
    assert second.ended == ["GeneratorExit"]
    assert sorted(world.attempts) == [("a", "stopped"), ("b", "client_closed")]
    assert tasks() == before


@pytest.mark.anyio
@pytest.mark.promise("up-1")
async def test_the_deadline_ends_both() -> None:
    first, second = Played(forever), Played(forever)
    world, before = World(first, second, deadline=1.0), tasks()
    with pytest.raises(DeadlinePassed):
        await world.ask()
    assert sorted(world.attempts) == [("a", "deadline_passed"), ("b", "deadline_passed")]
    assert tasks() == before


@pytest.mark.anyio
async def test_a_slow_client_slows_the_provider() -> None:
    given = 0

    async def count() -> None:
        nonlocal given
        given += 1

    steps = [step for index in range(50) for step in (count, Delta(text=str(index)))]
    world = World(Played(*steps, Finished(reason="stop")), Played(forever))
    async with aclosing(world.run(new_call())) as events:
        for taken in range(1, 10):
            await anext(events)
            await asyncio.sleep(0)
            assert given <= taken + 2


@pytest.mark.anyio
@pytest.mark.promise("up-1")
async def test_silence_in_the_middle_of_an_answer_ends_at_the_deadline() -> None:
    for hedge_after in (0.0, 0.1):
        first = Played(Delta(text="half"), forever)
        world, before = World(first, Played(*says("no")), hedge_after=hedge_after, deadline=0.3), tasks()
        with pytest.raises(DeadlinePassed):
            await world.ask(replace(new_call(), stream=True))
        assert world.attempts == [("a", "deadline_passed")]
        assert world.spool.calls[0].output == {"text": "half"}
        assert tasks() == before


@pytest.mark.anyio
async def test_of_two_that_answer_at_the_same_moment_one_wins() -> None:
    go = asyncio.Event()
    second = Played(go.wait, *says("b", "b"))
    world, before = World(Played(go.wait, *says("a", "a")), second), tasks()
    asking = asyncio.create_task(world.ask())
    await asyncio.wait_for(second.asked.wait(), 30)
    go.set()
    text = await asking
    assert text in ("aa", "bb")
    assert sorted(error for _, error in world.attempts) == ["", "stopped"]
    assert (world.spool.calls[0].provider, "") in world.attempts
    assert world.spool.calls[0].provider == text[0]
    assert tasks() == before
