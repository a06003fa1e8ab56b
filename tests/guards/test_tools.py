"""What agents may not do: the wrong tool, the wrong arguments, too often, too deep."""

import json
from dataclasses import replace as with_fields
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from moat.domain.calls import Delta, Finished, ToolCallDelta
from moat.domain.errors import GuardBlocked
from moat.domain.releases import PromptRef, PromptVersion
from moat.guards.detector import Context
from moat.guards.detectors.tools import Tools
from moat.guards.text import Text
from moat.pipeline.recipe import build
from moat.testing.fakes import FixedPrompts, new_call
from moat.testing.scripted import Step, says
from tests.guards.test_engine import World, guards

pytestmark = pytest.mark.anyio


def kinds(options: dict[str, Any], tool: str, arguments: str = "{}", **context: Any) -> list[str]:
    found = msgspec.convert(options, Tools)
    seen = Context(place="tool_arguments", tool=tool, **context)
    return [hit.kind for hit in found.detect(Text(arguments), seen)]


@pytest.mark.parametrize(
    ("options", "tool", "wrong"),
    [
        ({"allow": ["orders_*", "search"]}, "orders_read", []),
        ({"allow": ["orders_*", "search"]}, "refund", ["tool"]),
        ({"allow": ["orders_*"]}, "my_orders_read", ["tool"]),
        ({"allow": []}, "search", ["tool"]),
        ({"deny": ["*refund*"]}, "refund", ["tool"]),
        ({"deny": ["*refund*"]}, "search", []),
        ({"allow": ["*"], "deny": ["refund"]}, "refund", ["tool"]),
        ({"allow": ["Search"]}, "search", ["tool"]),
        ({"allow": ["a"]}, "a\nb", ["tool"]),
        ({"allow": ["a"]}, "", ["tool"]),
        ({"allow": ["orders_*"], "deny": ["*_delete"]}, "orders_delete\n", ["tool"]),
    ],
)
def test_names(options: dict[str, Any], tool: str, wrong: list[str]) -> None:
    assert kinds(options, tool) == wrong


def test_a_tool_of_a_prompt_is_named_with_its_version() -> None:
    assert kinds({"allow": ["shop/refund@1.*"]}, "refund", tool_version="shop/refund@1.2.0") == []
    assert kinds({"allow": ["shop/refund@1.*"]}, "refund", tool_version="shop/refund@2.0.0") == ["tool"]
    assert kinds({"allow": ["shop/refund@1.*"]}, "refund") == ["tool"]


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ('{"amount": 50}', []),
        ('{"amount": 500}', ["arguments"]),
        ('{"amount": "50"}', ["arguments"]),
        ("", ["arguments"]),
        ("[]", ["arguments"]),
        ('{"amount": 1e9, "amount": 5}', ["arguments"]),
        ('{"amount": 5, "am\\u006funt": 5}', ["arguments"]),
        ('{"amount": 5, "note": [{"x": 1, "x": 2}]}', ["arguments"]),
        ('{"amount": 50', ["arguments"]),
        ("[" * 100_000, ["arguments"]),
    ],
)
def test_arguments(arguments: str, wrong: list[str]) -> None:
    schema = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number", "maximum": 100}}}
    assert kinds({"arguments": {"refund*": schema}}, "refund_order", arguments) == wrong


def asked(*turns: list[tuple[str, str]]) -> tuple[dict[str, Any], ...]:
    """A conversation: before the last message of the user, and the calls of each answer since."""
    old = {"role": "assistant", "tool_calls": [{"function": {"name": "search", "arguments": "{}"}}] * 9}
    said: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}, old, {"role": "user", "content": "Now"}]
    for turn in turns:
        calls = [{"id": "c", "function": {"name": name, "arguments": given}} for name, given in turn]
        said += [{"role": "assistant", "tool_calls": calls}, {"role": "tool", "tool_call_id": "c", "content": "ok"}]
    return tuple(said)


def test_limits_count_since_the_user_spoke() -> None:
    one = ("search", '{"q":1,"p":2}')
    assert kinds({"max_calls": 2}, "search", conversation=asked([one])) == []
    assert kinds({"max_calls": 2}, "search", conversation=asked([one, one])) == ["calls"]
    assert kinds({"max_calls": 2}, "search", conversation=asked([one]), calls=(one,)) == ["calls"]
    assert kinds({"max_depth": 2}, "search", conversation=asked([one, one, one])) == []
    assert kinds({"max_depth": 2}, "search", conversation=asked([one], [one])) == ["depth"]
    same = '{"p": 2, "q": 1}'
    assert kinds({"max_repeats": 2}, "search", same, conversation=asked([one])) == []
    assert kinds({"max_repeats": 2}, "search", same, conversation=asked([one], [one])) == ["repeats"]
    assert kinds({"max_repeats": 2}, "search", '{"q": 2}', conversation=asked([one], [one])) == []
    assert kinds({"max_repeats": 2}, "other", same, conversation=asked([one], [one])) == []


@pytest.mark.parametrize("options", [{}, {"max_calls": -1}, {"arguments": {"x": {"type": "nonsense"}}}])
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(options, Tools)


def calling(*calls: tuple[str, str]) -> list[Step]:
    """An answer that calls tools, their arguments in pieces."""
    steps: list[Step] = [Delta(text="Let me see. ")]
    for index, (name, given) in enumerate(calls):
        steps.append(Delta(tool_calls=(ToolCallDelta(index=index, id=f"c{index}", name=name),)))
        steps += [Delta(tool_calls=(ToolCallDelta(index=index, arguments=sign),)) for sign in given]
    return [*steps, Finished(reason="tool_calls")]


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
async def test_a_tool_that_is_denied_reaches_no_client_and_is_on_record(stream: bool) -> None:
    world = World(guards({"use": "tools", "with": {"deny": ["refund"]}, "action": "block"}), calling(("refund", "")))
    with pytest.raises(GuardBlocked, match="found tool in the tool arguments"):
        await world.answer(new_call(stream=stream))
    span = world.spool.calls[0]
    assert span.tools == "refund"
    assert [(use["name"], use["verdict"]) for use in span.attributes["moat.tools"]] == [("refund", "block")]


async def test_every_call_of_a_tool_is_on_record_with_its_verdict() -> None:
    given = json.dumps({"to": "x"})
    rule = {"use": "tools", "with": {"deny": ["refund"]}, "action": "flag"}
    world = World(guards(rule), calling(("search", given), ("refund", given)))
    answer = await world.answer(new_call())
    assert [made["function"]["name"] for made in answer.tool_calls] == ["search", "refund"]
    noted = world.spool.calls[0].attributes["moat.tools"]
    assert [(use["name"], use["verdict"]) for use in noted] == [("search", "pass"), ("refund", "flag")]
    assert noted[0]["digest"] == noted[1]["digest"] != ""


async def test_the_same_call_twice_in_one_answer_is_a_repeat() -> None:
    rule = {"use": "tools", "with": {"max_repeats": 1}, "action": "block"}
    with pytest.raises(GuardBlocked, match="found repeats"):
        await World(guards(rule), calling(("a", "{}"), ("a", "{ }"))).answer(new_call())
    assert (await World(guards(rule), calling(("a", "{}"), ("b", "{}"))).answer(new_call())).tool_calls


async def test_a_model_may_be_asked_again_and_told_what_it_may_not_do() -> None:
    rule = {"use": "tools", "with": {"allow": ["search"]}, "action": "retry"}
    world = World(guards(rule), calling(("refund", "{}")), says("I cannot do that."))
    assert (await world.answer(new_call())).text == "I cannot do that."
    assert "refund may not be called" in world.provider.calls[1].messages[-1]["content"]


async def test_a_prompts_tools_are_known_by_their_version() -> None:
    tool = {"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}
    version = PromptVersion(
        name="agent",
        version="1",
        model="assistant",
        messages=(),
        tools=("shop/refund@2.0.0",),
        tool_definitions=(tool,),
    )
    rule = {"use": "tools", "with": {"deny": ["shop/*@2.*"]}, "action": "block"}
    world = World(guards(rule), calling(("refund", "{}")))
    world.run = build(with_fields(world.ports, prompts=FixedPrompts(version)))
    call = replace(new_call(), model="", prompt=PromptRef(name="agent", version="1"))
    with pytest.raises(GuardBlocked):
        await world.answer(call)
