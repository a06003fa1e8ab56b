"""The cache stage: what goes out, what is given again, and what the record says of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace as with_fields

import pytest
from msgspec.structs import replace

from moat.adapters.system import SystemClock
from moat.caching.exact import ExactCache, Memory
from moat.domain.calls import Call, Delta, Event, Finished, Journal
from moat.domain.config import CacheConfig
from moat.domain.errors import AccessError, DeadlinePassed, MoatError, ProviderDown, ProviderRefused
from moat.domain.usage import Usage
from moat.pipeline.compose import Next
from moat.pipeline.recipe import build
from moat.testing.fakes import FixedModels, ListSpool, fake_ports, new_call
from moat.testing.scripted import ScriptedProvider, says

ANSWERS = {"assistant": CacheConfig(ttl=600)}


class Slow:
    """Answers when it is let; `error` instead, if there is one."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = asyncio.Event()
        self.calls = 0
        self.error: MoatError | None = None

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        self.calls += 1
        self.asked.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error
        yield Delta(text=f"answer {self.calls}")
        yield Finished(reason="stop", usage=Usage(input=10, output=5))

    async def aclose(self) -> None:
        pass


def pipeline(provider: object, spool: ListSpool | None = None, *, deadline: float = 60.0) -> Next:
    clock = SystemClock()
    cache = ExactCache(ANSWERS, Memory(2**20), clock)
    models = FixedModels(
        {"assistant": ["fake/large"], "other": ["fake/large"]},
        {"fake": provider},  # type: ignore[dict-item]
        deadline=deadline,
    )
    ports = fake_ports(provider, spool=spool)  # type: ignore[arg-type]
    return build(with_fields(ports, cache=cache, models=models, clock=clock))


def again(call: Call, **changes: object) -> Call:
    return replace(call, journal=Journal(), **changes)


async def said(run: Next, call: Call) -> str:
    async with aclosing(run(call)) as events:
        return "".join([event.text async for event in events if isinstance(event, Delta)])


@pytest.mark.anyio
async def test_the_second_of_two_equal_calls_is_free_and_says_so() -> None:
    provider, spool = ScriptedProvider("first", "second"), ListSpool()
    run = pipeline(provider, spool)
    call = new_call("Hello")
    assert await said(run, call) == "first"
    assert (call.journal.cache, call.journal.saved) == ("miss", 0)
    twin = again(call, stream=True)
    assert await said(run, twin) == "first"
    assert (twin.journal.cache, twin.journal.saved, twin.journal.attempts) == ("hit", 15, [])
    assert len(provider.calls) == 1
    paid, free = spool.calls
    assert (paid.cache, paid.cost, paid.saved) == ("miss", 15, 0)
    assert (free.cache, free.cost, free.saved, free.attempts, free.input_tokens) == ("hit", 0, 15, 0, 0)
    assert (free.model, free.finish_reason, free.output) == ("assistant", "stop", {"text": "first"})


@pytest.mark.anyio
async def test_a_caller_may_want_a_fresh_answer_or_none_that_is_kept() -> None:
    provider = ScriptedProvider("1", "2", "3", "4")
    run = pipeline(provider)
    call = new_call("Hello")
    assert await said(run, call) == "1"
    fresh = again(call, cache="refresh")
    assert await said(run, fresh) == "2"
    assert fresh.journal.cache == "miss"
    assert await said(run, again(call)) == "2", "the fresh one is kept"
    beside = again(call, cache="off")
    assert await said(run, beside) == "3"
    assert beside.journal.cache == ""
    assert await said(run, again(call)) == "2"


@pytest.mark.anyio
async def test_aliases_without_a_cache_are_not_asked() -> None:
    provider = ScriptedProvider("1", "2")
    run = pipeline(provider)
    call = new_call("Hello", model="other")
    assert [await said(run, call), await said(run, again(call))] == ["1", "2"]
    assert call.journal.cache == ""


@pytest.mark.anyio
async def test_a_key_that_may_not_use_the_model_gets_no_answer_of_it() -> None:
    run = pipeline(ScriptedProvider("secret"))
    call = new_call("Hello")
    await said(run, call)
    with pytest.raises(AccessError):
        await said(run, again(call, caller=replace(call.caller, models=("other",))))


@pytest.mark.anyio
async def test_errors_and_abandoned_answers_are_not_kept() -> None:
    script = [
        [Delta(text="half"), ProviderDown("cut")],
        says("whole answer"),
        says("third"),
        says("kept"),
    ]
    provider = ScriptedProvider(ProviderRefused("no"), *script)
    run = pipeline(provider)
    call = new_call("Hello")
    with pytest.raises(ProviderRefused):
        await said(run, again(call))
    with pytest.raises(ProviderDown):
        await said(run, again(call))
    async with aclosing(run(again(call))) as events:
        await anext(events)
    assert await said(run, again(call)) == "third"
    assert await said(run, again(call)) == "third"
    assert len(provider.calls) == 4


@pytest.mark.anyio
async def test_an_answer_that_came_with_a_notice_is_not_kept() -> None:
    class Telling(ScriptedProvider):
        async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
            call.journal.notices.append("the conversation was shortened")
            async for event in super().answer(call):
                yield event

    run = pipeline(Telling("1", "2"))
    call = new_call("Hello")
    assert [await said(run, call), await said(run, again(call))] == ["1", "2"]


@pytest.mark.anyio
async def test_a_huge_answer_is_not_kept() -> None:
    huge = [Delta(text="x" * 2**20) for _ in range(5)]
    provider = ScriptedProvider([*huge, Finished(reason="stop")])
    run = pipeline(provider)
    call = new_call("Hello")
    assert len(await said(run, call)) == 5 * 2**20
    await said(run, again(call))
    assert len(provider.calls) == 2


@pytest.mark.anyio
async def test_equal_calls_at_one_time_are_one_call() -> None:
    provider, spool = Slow(), ListSpool()
    run = pipeline(provider, spool)
    calls = [new_call("Hello") for _ in range(8)]
    tasks = [asyncio.create_task(said(run, call)) for call in calls]
    await provider.asked.wait()
    provider.go.set()
    assert await asyncio.gather(*tasks) == ["answer 1"] * 8
    assert provider.calls == 1
    assert sorted(call.journal.cache for call in calls) == ["hit"] * 7 + ["miss"]
    assert sum(span.cost or 0 for span in spool.calls) == 15
    assert sum(span.saved for span in spool.calls) == 7 * 15


@pytest.mark.anyio
async def test_an_error_is_shared_with_nobody() -> None:
    provider = Slow()
    provider.error = ProviderRefused("no")
    run = pipeline(provider)
    tasks = [asyncio.create_task(said(run, new_call("Hello"))) for _ in range(4)]
    await provider.asked.wait()
    await asyncio.sleep(0)
    assert provider.calls == 1
    provider.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [ProviderRefused] * 4
    assert provider.calls == 4, "each of the others asked for itself"
    provider.error = None
    assert await said(run, new_call("Hello")) == "answer 5"


@pytest.mark.anyio
async def test_who_hangs_up_leaves_the_others_their_answer() -> None:
    provider = Slow()
    run = pipeline(provider)
    first = asyncio.create_task(said(run, new_call("Hello")))
    await provider.asked.wait()
    second = asyncio.create_task(said(run, new_call("Hello")))
    await asyncio.sleep(0.01)
    first.cancel()
    provider.go.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second == "answer 2"


@pytest.mark.anyio
async def test_whoever_waits_keeps_to_his_deadline() -> None:
    provider = Slow()
    run = pipeline(provider)
    first = asyncio.create_task(said(run, new_call("Hello")))
    await provider.asked.wait()
    with pytest.raises(DeadlinePassed):
        await said(run, again(new_call("Hello"), patience_ns=20_000_000))
    assert provider.calls == 1
    provider.go.set()
    assert await first == "answer 1"


@pytest.mark.anyio
async def test_a_stream_waits_for_nobody() -> None:
    provider = Slow()
    run = pipeline(provider)
    tasks = [asyncio.create_task(said(run, new_call("Hello", stream=True))) for _ in range(3)]
    while provider.calls < 3:  # noqa: ASYNC110 - the provider counts and tells nobody
        await asyncio.sleep(0)
    provider.go.set()
    assert len(await asyncio.gather(*tasks)) == 3
