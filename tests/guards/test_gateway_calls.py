"""Guards together with what else happens to a call: caches, deadlines, hedges, tries, budgets, hang-ups."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace as with_fields
from typing import Any

import pytest
from msgspec.structs import replace

from moat.caching.exact import ExactCache, Memory
from moat.domain.calls import Call, Delta, Deployment, Event, Finished, Plan
from moat.domain.config import CacheConfig
from moat.domain.errors import DeadlinePassed, GuardBlocked, ProviderDown
from moat.pipeline.recipe import build
from moat.testing.fakes import FakeClock, new_call
from moat.testing.scripted import Step, says
from tests.guards.test_engine import World, guards
from tests.guards.test_remote import JUDGE, Judged

pytestmark = pytest.mark.anyio

REDACT = {"use": "digits", "action": "redact", "on": ["input"]}
LONG = 10_000_000_000


def cached(world: World) -> World:
    cache = ExactCache({"assistant": CacheConfig(ttl=60)}, Memory(2**20), FakeClock())
    world.ports = with_fields(world.ports, cache=cache)
    world.run = build(world.ports)
    return world


async def test_a_cached_answer_has_everybodys_own_values() -> None:
    world = cached(World(guards(REDACT), says("It is <NUMBER_1>.")))
    for number in ("1234567", "7654321"):
        assert (await world.answer(new_call(f"I am {number}"))).text == f"It is {number}."
    assert len(world.provider.calls) == 1


@pytest.mark.parametrize("stream", [True, False])
async def test_what_a_cache_answers_is_guarded_by_the_policy_of_today(stream: bool) -> None:
    world = cached(World(guards({"use": "swears", "action": "flag"}), says("darn it")))
    assert (await world.answer(new_call(stream=stream))).text == "darn it"
    world.ports = with_fields(world.ports, guards=guards({"use": "swears", "action": "block"}))
    world.run = build(world.ports)
    with pytest.raises(GuardBlocked):
        await world.answer(new_call(stream=stream))
    assert len(world.provider.calls) == 1


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("use", ["swears", "shouts"])
async def test_no_cache_keeps_what_a_guard_did_not_accept(use: str, stream: bool) -> None:
    rule = {"use": use, "action": "block", "on": ["output"]}
    bad = "DARN" if use == "shouts" else "darn"
    world = cached(World(guards(rule), says(bad), says("fine")))
    with pytest.raises(GuardBlocked):
        await world.answer(new_call(stream=stream))
    assert (await world.answer(new_call(stream=stream))).text == "fine"
    assert (await world.answer(new_call(stream=stream))).text == "fine"
    assert len(world.provider.calls) == 2


async def test_an_answer_that_is_asked_for_again_or_replaced_is_not_kept() -> None:
    rule = {"use": "shouts", "action": "retry", "on": ["output"], "fallback": {"answer": "No."}}
    world = cached(World(guards(rule), says("NO"), says("NEVER"), says("fine")))
    assert (await world.answer(new_call())).text == "No."
    assert (await world.answer(new_call())).text == "fine"


class Slow(Judged):
    """Its judge takes ten seconds."""

    def __init__(self, on: str) -> None:
        super().__init__([{**JUDGE, "on": [on], "timeout": 9}], [], says("never seen"))
        self.asked = asyncio.Event()
        self.let_go = False

        async def slow(call: Call) -> AsyncGenerator[Event, None]:
            self.asked.set()
            try:
                await asyncio.sleep(10)
                yield Finished(reason="stop")
            finally:
                self.let_go = True

        self.judge.answer = slow  # type: ignore[method-assign]


@pytest.mark.parametrize("on", ["input", "output"])
async def test_the_time_of_guards_counts(on: str) -> None:
    world = Slow(on)
    with pytest.raises(DeadlinePassed):
        await world.answer(replace(new_call(), patience_ns=50_000_000))
    assert len(world.provider.calls) == (0 if on == "input" else 1)
    assert world.spool.calls[-1].error == "deadline_passed"


async def test_the_time_of_guards_is_taken_from_what_follows() -> None:
    world, clock = Judged([JUDGE], [], says("fine")), FakeClock()
    world.ports = with_fields(world.ports, clock=clock)
    world.run = build(world.ports)

    async def look(call: Call) -> AsyncGenerator[Event, None]:
        clock.advance(3)
        yield Delta(text='{"violation": false}')
        yield Finished(reason="stop")

    world.judge.answer = look  # type: ignore[method-assign]
    await world.answer(replace(new_call(), patience_ns=LONG))
    assert world.provider.calls[0].patience_ns == LONG - 3_000_000_000


@pytest.mark.parametrize("on", ["input", "output"])
async def test_a_client_that_hangs_up_stops_the_guards_too(on: str) -> None:
    world = Slow(on)

    async def ask() -> None:
        await world.answer(new_call())

    asking = asyncio.ensure_future(ask())
    await asyncio.wait_for(world.asked.wait(), 5)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert world.let_go
    assert {span.feature for span in world.spool.calls} == {"", "guard"}, "both are on record"


@pytest.mark.promise("guard-1")
async def test_a_detector_that_fails_in_the_middle_of_a_stream_ends_it() -> None:
    text = "all is well " * 60 + "x" + " and so on" * 60
    steps: list[Step] = [*(Delta(text=piece + " ") for piece in text.split(" ")), Finished(reason="stop")]
    world = World(guards({"use": "breaks", "action": "redact", "on": ["output"]}), steps)
    seen: list[Event] = []

    async def follow() -> None:
        async with aclosing(world.run(new_call(stream=True))) as events:
            async for event in events:
                seen.append(event)

    with pytest.raises(GuardBlocked, match=r"could not look at it.*; \d+ characters of the answer had been sent"):
        await follow()
    told = "".join(event.text for event in seen if isinstance(event, Delta))
    assert told
    assert "x" not in told
    assert world.provider.closed == 1, "the rest is not paid for"


@pytest.mark.promise("guard-1")
async def test_every_try_is_sent_what_is_left_after_redaction() -> None:
    world = World(guards(REDACT), [ProviderDown("away", where="x")], says("It is <NUMBER_1>."))
    plan_of = world.ports.models.plan
    world.ports.models.plan = lambda call: replace(plan_of(call), retries=1)  # type: ignore[method-assign]
    assert (await world.answer(new_call("I am 1234567"))).text == "It is 1234567."
    assert len(world.provider.calls) == 2
    assert not any("1234567" in str(call.messages) for call in world.provider.calls)


@pytest.mark.promise("guard-1")
async def test_both_sides_of_a_hedge_are_sent_what_is_left_after_redaction() -> None:
    world = World(guards(REDACT), says("It is <NUMBER_1>."))
    asked: list[Call] = []
    first = asyncio.Event()

    async def answer(call: Call) -> AsyncGenerator[Event, None]:
        asked.append(call)
        if len(asked) == 1:
            await first.wait()
        yield Delta(text="It is <NUMBER_1>.")
        yield Finished(reason="stop")

    world.provider.answer = answer  # type: ignore[method-assign]
    both = (Deployment("fake", "one"), Deployment("fake", "two"))
    world.ports.models.plan = lambda call: Plan(  # type: ignore[method-assign]
        alias="assistant", deployments=both, hedge_ns=1_000_000
    )
    assert (await world.answer(new_call("I am 1234567"))).text == "It is 1234567."
    assert [call.deployment for call in asked] == list(both)
    assert not any("1234567" in str(call.messages) for call in asked)


async def test_where_a_guard_only_notes_things_several_answers_pass_and_it_says_that_it_did_not_look() -> None:
    rule: dict[str, Any] = {"use": "swears", "action": "flag", "on": ["output"], "on_error": "allow"}
    world, call = World(guards(rule), says("darn")), new_call(n=2)
    assert (await world.answer(call)).text == "darn"
    assert [each.not_run for each in call.journal.verdicts] == ["it would see one answer of several"]


async def test_thinking_keeps_its_signature_unless_something_of_it_is_gone() -> None:
    thought = [Delta(reasoning="They are <NUMBER_1>."), Delta(signature="sig"), Delta(text="Yes.")]
    steps: list[Step] = [*thought, Finished(reason="stop")]
    answer = await World(guards(REDACT), steps).answer(new_call("I am 1234567"))
    assert answer.thinking_blocks == [{"type": "thinking", "thinking": "They are 1234567.", "signature": "sig"}]
    rule = {**REDACT, "on": ["output"]}
    told: list[Step] = [Delta(reasoning="They are 7654321."), *thought[1:], Finished(reason="stop")]
    for steps in (told, [Delta(reasoning="They are 7654321.", signature="sig", text="Yes."), told[-1]]):
        answer = await World(guards(rule), steps).answer(new_call("Who?"))
        assert (answer.reasoning, answer.thinking_blocks) == ("They are <NUMBER_1>.", [])


async def test_what_is_data_in_one_message_is_so_in_all() -> None:
    world = World(guards({"use": "pii", "action": "redact", "on": ["input"]}), says("ok"))
    call = new_call("I was born on 04.07.1987.")
    call.messages.append({"role": "tool", "tool_call_id": "c1", "content": "no. 04.07.1987 of all"})
    await world.answer(call)
    told = [message["content"] for message in world.provider.calls[0].messages]
    assert told == ["I was born on <BIRTH_DATE_1>.", "no. <BIRTH_DATE_1> of all"]


async def test_a_model_that_answers_because_of_the_data_gets_it() -> None:
    rule = {"use": "digits", "action": "fallback", "on": ["input"], "fallback": {"model": "internal"}}
    world = World(guards(rule, {"use": "swears", "action": "redact"}), says("ok"))
    await world.answer(new_call("darn, I am 1234567"))
    asked = world.provider.calls[0]
    assert (str(asked.deployment), asked.messages[0]["content"]) == ("fake/own", "[swearing removed], I am 1234567")
    assert "1234567" not in world.kept
