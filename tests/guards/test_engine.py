"""Policies on calls through the pipeline: what is asked, what goes on, what is kept."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace as with_fields
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.calls import Call, Delta, Event, Finished, ToolCallDelta
from moat.domain.errors import ConfigError, GuardBlocked, RequestError
from moat.domain.policies import PolicyConfig
from moat.guards.engine.policing import PolicyGuards
from moat.guards.engine.rules import compiled
from moat.pipeline.answers import Answer
from moat.pipeline.recipe import build
from moat.testing.fakes import FixedModels, ListSpool, fake_ports, new_call
from moat.testing.scripted import ScriptedProvider, Step, says

pytestmark = pytest.mark.anyio


def guards(*rules: dict[str, Any], **policy: Any) -> PolicyGuards:
    config = msgspec.convert({"name": "test", "guards": list(rules), **policy}, PolicyConfig)
    return PolicyGuards([compiled(config)])


class World:
    """A pipeline under guard, and what went through it."""

    def __init__(self, policy: PolicyGuards, *script: Any) -> None:
        self.provider = ScriptedProvider(*script)
        self.spool = ListSpool()
        models = FixedModels({"assistant": ["fake/large"], "internal": ["fake/own"]}, {"fake": self.provider})
        self.ports = with_fields(fake_ports(self.provider, spool=self.spool), models=models, guards=policy)
        self.run = build(self.ports)

    async def events(self, call: Call) -> list[Event]:
        async with aclosing(self.run(call)) as events:
            return [event async for event in events]

    async def answer(self, call: Call) -> Answer:
        answer = Answer()
        for event in await self.events(call):
            answer.add(event)
        return answer

    @property
    def kept(self) -> str:
        """Everything that was recorded."""
        return msgspec.json.encode(self.spool.spans).decode()


async def test_what_is_redacted_of_a_question_reaches_neither_model_nor_record_and_comes_back_in_the_answer() -> None:
    world = World(guards({"use": "digits", "action": "redact", "on": ["input"]}), says("Account <NUMBER_1> is fine."))
    call = new_call("Is account 1234567 fine? And 7654321? I mean 1234567.")

    answer = await world.answer(call)

    asked = world.provider.calls[0].messages[-1]["content"]
    assert asked == "Is account <NUMBER_1> fine? And <NUMBER_2>? I mean <NUMBER_1>."
    assert answer.text == "Account 1234567 is fine."
    assert "1234567" not in world.kept
    assert "7654321" not in world.kept
    assert "Account <NUMBER_1> is fine." in world.kept
    assert world.spool.spans[0].guard == "redact"


async def test_a_question_that_is_blocked_is_not_asked_and_its_data_is_kept_nowhere() -> None:
    world = World(guards({"use": "digits", "action": "block"}))
    with pytest.raises(GuardBlocked, match="found number in the input") as caught:
        await world.answer(new_call("My number is 1234567"))
    assert (caught.value.status, caught.value.code) == (400, "content_filter")
    assert world.provider.calls == []
    assert "1234567" not in world.kept + str(caught.value)
    assert world.spool.spans[0].guard == "block"
    assert world.spool.spans[0].attributes["moat.guards"][0]["findings"][0]["start"] == 13


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_is_blocked_stops(stream: bool) -> None:
    world = World(guards({"use": "swears", "action": "block"}), says("well, darn it all"))
    with pytest.raises(GuardBlocked, match="found swearing in the output"):
        await world.answer(new_call(stream=stream))
    assert "swears" in world.kept


@pytest.mark.promise("guard-1")
async def test_arguments_of_tools_are_guarded_and_results_of_tools_too() -> None:
    piece = ToolCallDelta(id="c1", name="pay", arguments='{"to": "1234567"}')
    steps: list[Step] = [Delta(tool_calls=(piece,)), Finished(reason="tool_calls")]
    world = World(guards({"use": "digits", "action": "redact"}), steps)
    call = new_call()
    call.messages.append({"role": "tool", "tool_call_id": "c0", "content": "it is 7654321"})

    answer = await world.answer(call)

    assert answer.tool_calls[0]["function"]["arguments"] == '{"to": "<NUMBER_2>"}'
    assert world.provider.calls[0].messages[-1]["content"] == "it is <NUMBER_1>"


async def test_a_value_that_comes_back_fits_into_the_arguments_of_a_tool() -> None:
    piece = ToolCallDelta(id="c1", name="pay", arguments='{"to": "<NUMBER_1>"}')
    world = World(
        guards({"use": "digits", "action": "redact", "on": ["input"]}),
        [Delta(tool_calls=(piece,)), Finished(reason="stop")],
    )
    answer = await world.answer(new_call("Pay 1234567"))
    assert answer.tool_calls[0]["function"]["arguments"] == '{"to": "1234567"}'


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("on_error", ["block", "allow"])
async def test_a_detector_that_fails_closes_unless_the_policy_says_otherwise(on_error: str) -> None:
    world = World(guards({"use": "breaks", "action": "flag", "on_error": on_error, "on": ["input"]}), says("fine"))
    if on_error == "block":
        with pytest.raises(GuardBlocked, match="could not look at it"):
            await world.answer(new_call("an x"))
        assert world.provider.calls == []
    else:
        assert (await world.answer(new_call("an x"))).text == "fine"
    assert "RecursionError" in world.spool.spans[0].attributes["moat.guards"][0]["not_run"]


async def test_a_model_is_asked_again_with_what_was_wrong() -> None:
    world = World(guards({"use": "shouts", "action": "retry", "on": ["output"]}), says("NO WAY"), says("no way"))
    answer = await world.answer(new_call("May I?", stream=True))
    assert answer.text == "no way"
    again = world.provider.calls[1].messages
    assert again[-2:][0] == {"role": "assistant", "content": "NO WAY"}
    assert "it shouts" in again[-1]["content"]
    assert [span.kind for span in world.spool.spans] == ["call", "attempt", "attempt"]


async def test_a_fallback_answers_when_asking_again_did_not_help() -> None:
    fallback = {"answer": "Content not allowed"}
    rule = {"use": "shouts", "action": "retry", "on": ["output"], "retries": 2, "fallback": fallback}
    world = World(guards(rule), says("NO WAY"))
    answer = await world.answer(new_call())
    assert (answer.text, len(world.provider.calls)) == ("Content not allowed", 3)
    assert answer.finished is not None
    assert answer.finished.reason == "content_filter"


async def test_a_question_can_be_answered_by_another_model() -> None:
    rule = {"use": "digits", "action": "fallback", "on": ["input"], "fallback": {"model": "internal"}}
    world = World(guards(rule), says("ok"))
    await world.answer(new_call("about 1234567"))
    assert str(world.provider.calls[0].deployment) == "fake/own"


async def test_bytes_of_the_provider_are_forwarded_until_something_changes() -> None:
    steps: list[Step] = [
        Delta(text="all fine " * 40, raw=b"one"),
        Delta(text="until 1234567 comes ", raw=b"two"),
        Delta(text="and on", raw=b"three"),
        Finished(reason="stop"),
    ]
    world = World(guards({"use": "digits", "action": "redact", "on": ["output"]}), steps)
    events = await world.events(new_call(stream=True))
    deltas = [event for event in events if isinstance(event, Delta)]
    assert [event.raw for event in deltas] == [b"one", None, None]
    assert deltas[1].text == "until <NUMBER_1> comes "


async def test_what_was_sent_before_a_block_is_said() -> None:
    world = World(guards({"use": "swears", "action": "block", "on": ["output"]}), says("fine " * 100 + "darn"))
    seen: list[Event] = []

    async def read() -> None:
        async with aclosing(world.run(new_call(stream=True))) as events:
            async for event in events:
                seen.append(event)

    with pytest.raises(GuardBlocked, match=r"\d+ characters of the answer had been sent") as caught:
        await read()
    sent = sum(len(event.text) for event in seen if isinstance(event, Delta))
    assert f"; {sent} characters" in caught.value.what
    assert sent >= 200


async def test_several_answers_at_once_cannot_be_guarded() -> None:
    world = World(guards({"use": "swears", "action": "block"}))
    with pytest.raises(RequestError, match="one at a time"):
        await world.answer(new_call(n=2))


async def test_policies_are_about_the_calls_they_name() -> None:
    policy = guards({"use": "digits", "action": "block"}, when={"model": ["other"]})
    world = World(policy, says("ok"))
    assert (await world.answer(new_call("1234567"))).text == "ok"
    with pytest.raises(GuardBlocked):
        await world.answer(new_call("1234567", model="other"))


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        ({"use": "nothing", "action": "flag"}, "guards.0.use"),
        ({"use": "digits", "action": "flag", "with": {"size": 3}}, "guards.0.with.size"),
        ({"use": "digits", "action": "fallback"}, "guards.0"),
        ({"use": "digits", "action": "retry", "on": ["input"]}, "guards.0.on"),
        ({"use": "digits", "action": "fallback", "fallback": {"model": "a", "answer": "b"}}, "guards.0.fallback"),
    ],
)
async def test_a_policy_that_makes_no_sense_says_where(rule: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        guards(rule)
    assert caught.value.where == where


WORDS = st.sampled_from(["hello ", "darn ", "123456", "12345678", "\n", "a", "<NUMBER_1>", "x" * 300, "1", " "])


def cut(text: str, sizes: Sequence[int]) -> list[str]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    return [piece for piece in (*pieces, text[at:]) if piece]


@pytest.mark.promise("guard-1")
@given(
    st.lists(WORDS, max_size=120).map("".join),
    st.lists(st.integers(1, 400), max_size=60),
    st.sampled_from(["redact", "block", "flag"]),
)
async def test_guarding_a_stream_in_any_chunking_equals_guarding_the_whole(
    text: str, sizes: list[int], action: str
) -> None:
    rules = ({"use": "digits", "action": "redact"}, {"use": "swears", "action": action, "on": ["output"]})

    async def outcome(pieces: list[str]) -> tuple[str, Any]:
        steps: list[Step] = [*(Delta(text=piece) for piece in pieces), Finished(reason="stop")]
        world = World(guards(*rules), steps)
        call = new_call("I am 999999", stream=True)
        try:
            told = (await world.answer(call)).text
        except GuardBlocked:
            told = "blocked"
        verdicts = [(each.guard, each.action, each.findings) for each in call.journal.verdicts]
        return told, verdicts if told != "blocked" else [guard for guard, _, _ in verdicts]

    assert await outcome(cut(text, sizes)) == await outcome([text] if text else [])
