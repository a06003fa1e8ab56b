"""What providers send around an answer: names, ids, members that nobody knows, answers that nobody asked for."""

import sys
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from moat.adapters.providers.openai_stream import ChatStream, chat_answer
from moat.domain.calls import Call, Delta, Event, Finished, ToolCallDelta
from moat.domain.errors import GuardBlocked
from moat.gateway.formats.openai_chat import ChunkEncoder, completion_body
from moat.guards.engine.answering import Answering
from moat.guards.engine.margins import Margins
from moat.guards.pseudonyms import Vault
from moat.testing.fakes import new_call
from moat.testing.scripted import says
from tests.guards.test_engine import World, guards

pytestmark = pytest.mark.anyio

REDACT = {"use": "digits", "action": "redact", "on": ["output", "tool_arguments"]}
HEAD = {"id": "chatcmpl-A1b2", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "large-2"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}


def sent(call: Call, *choices: dict[str, Any], head: dict[str, Any] | None = None, before: bytes = b"") -> list[Event]:
    """What the adapter makes of an answer whose message, or whose chunks, are these."""
    head = {**HEAD, **(head or {})}
    if not call.stream:
        whole = [{"index": at, "finish_reason": "stop", **choice} for at, choice in enumerate(choices)]
        return list(chat_answer(call, msgspec.json.encode({**head, "choices": whole, "usage": USAGE}), where="x"))
    stream, events = ChatStream(call, "x"), list[Event]()
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    for choice in [*choices, last]:
        data = msgspec.json.encode({**head, "choices": [{"index": 0, **choice}]})
        if (delta := stream.feed(before + b"data: " + data + b"\n\n")) is not None:
            events.append(delta)
    stream.feed(b"data: [DONE]\n\n")
    return [*events, stream.finish()]


async def told(rule: dict[str, Any], call: Call, steps: list[Event]) -> bytes:
    """What the client gets."""
    events = await World(guards(rule), steps).events(call)
    encoder = ChunkEncoder(call)
    return b"".join(map(encoder.encode, events)) if call.stream else completion_body(call, events)


def says_what(call: Call, **message: Any) -> dict[str, Any]:
    return {"delta" if call.stream else "message": message}


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "member",
    [
        {"zzz": "no 1234567"},
        {"zzz": {"1234567": 1}},
        {"role": "1234567"},
        {"annotations": [{"id": "1234567"}]},
        {"zzz": 123456789},
        {"zzz": 123456789.0},
    ],
)
async def test_a_member_that_nobody_knows_is_looked_at(member: dict[str, Any], stream: bool) -> None:
    call = new_call(stream=stream)
    steps = sent(call, says_what(call, content="all is fine", **member))
    assert b"1234567" in steps[0].raw  # type: ignore[union-attr,operator]
    client = await told(REDACT, call, steps)
    assert b"1234567" not in client
    assert b"all is fine" in client


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("head", [{"model": "1234567"}, {"system_fingerprint": "1234567"}, {"provider": "1234567"}])
async def test_so_is_what_stands_around_all_of_it(head: dict[str, Any], stream: bool) -> None:
    call = new_call(stream=stream)
    steps = sent(call, says_what(call, content="all is fine"), {"x": 1} if stream else {}, head=head)[:]
    world = World(guards(REDACT), steps)
    events = await world.events(call)
    encoder = ChunkEncoder(call)
    client = b"".join(map(encoder.encode, events)) if stream else completion_body(call, events)
    assert b"1234567" not in client
    assert b"all is fine" in client
    assert [event.model for event in events if isinstance(event, Finished)] != ["1234567"]


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("line", [b": 1234567\n", b"event: 1234567\n", b"id: 1234567\n", b"1234567\n"])
async def test_so_are_lines_of_a_stream_that_hold_no_answer(line: bytes) -> None:
    call = new_call(stream=True)
    assert b"1234567" not in await told(REDACT, call, sent(call, says_what(call, content="fine"), before=line))


async def test_what_comes_piece_by_piece_and_nobody_knows_is_left_out() -> None:
    call = new_call(stream=True)
    client = await told(REDACT, call, sent(call, *(says_what(call, zzz=text) for text in ("no 123", "4567"))))
    assert b"4567" not in client
    call = new_call(stream=True)
    client = await told(REDACT, call, sent(call, *(says_what(call, **{f"k{at}": "no"}) for at in range(100))))
    assert b"k99" not in client


@pytest.mark.parametrize("stream", [True, False])
async def test_what_providers_send_each_day_goes_on_as_they_sent_it(stream: bool) -> None:
    call = new_call(stream=stream, logprobs=True)
    probable = [{"token": "all", "logprob": -0.1, "bytes": [97], "top_logprobs": [{"token": "All", "logprob": -1.5}]}]
    texts = ("all is ", "fine, ", "really ") if stream else ("all is fine",)
    choices: list[dict[str, Any]] = [
        {**says_what(call, role="assistant", content=text, refusal=None), "logprobs": {"content": probable}}
        for text in texts
    ]
    head = {"provider": "House", "service_tier": "default", "system_fingerprint": "fp_44709d6fcb", "obfuscation": "x9"}
    steps = sent(call, *choices, head=head, before=b": PROCESSING\n" if stream else b"")
    raw = b"".join(step.raw or b"" for step in steps if isinstance(step, Delta))
    assert raw in await told(REDACT, call, steps)


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_nobody_asked_for_is_left_out(stream: bool) -> None:
    call = new_call(stream=stream)
    first, second = says_what(call, content="fine"), {**says_what(call, content="no 1234567"), "index": 1}
    steps = sent(call, first, second)
    assert b"1234567" in b"".join(step.raw or b"" for step in steps if isinstance(step, Delta))
    client = await told(REDACT, call, steps)
    assert b"1234567" not in client
    assert b"fine" in client


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
async def test_names_and_ids_of_tool_calls_are_looked_at(stream: bool) -> None:
    call = new_call(stream=stream)
    made = {"index": 0, "id": "call 7654321", "type": "function", "function": {"name": "1234567", "arguments": "{}"}}
    client = await told(REDACT, call, sent(call, says_what(call, tool_calls=[made])))
    assert b"1234567" not in client
    assert b"7654321" not in client
    assert b'"name":"<NUMBER_' in client
    with pytest.raises(GuardBlocked, match="in the tool arguments"):
        await told(
            {**REDACT, "action": "block"}, new_call(stream=stream), sent(call, says_what(call, tool_calls=[made]))
        )


async def test_a_name_that_comes_in_pieces_is_one() -> None:
    pieces = [ToolCallDelta(name="pay 123"), ToolCallDelta(name="4567"), ToolCallDelta(arguments="{}")]
    steps = [*(Delta(tool_calls=(piece,)) for piece in pieces), Finished(reason="tool_calls")]
    with pytest.raises(GuardBlocked):
        await World(guards({**REDACT, "action": "block"}), steps).events(new_call(stream=True))


async def test_a_tool_that_is_named_by_a_placeholder_is_called_by_its_name() -> None:
    steps = [Delta(tool_calls=(ToolCallDelta(id="c", name="<NUMBER_1>", arguments="{}"),)), Finished(reason="stop")]
    world = World(guards({"use": "digits", "action": "redact", "on": ["input"]}), steps)
    tools = [{"type": "function", "function": {"name": "1234567"}}]
    answer = await world.answer(new_call(tools=tools))
    assert world.provider.calls[0].params["tools"][0]["function"]["name"] == "<NUMBER_1>"
    assert answer.tool_calls[0]["function"]["name"] == "1234567"


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "made",
    [
        {"function_call": {"name": "pay", "arguments": "{}"}},
        {"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "pay", "input": "1"}}]},
        {
            "tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "ok", "arguments": "{}"}}],
            "function_call": {"name": "pay", "arguments": "{}"},
        },
    ],
)
async def test_every_way_to_call_a_tool_is_one(made: dict[str, Any], stream: bool) -> None:
    call = new_call(stream=stream)
    steps = sent(call, says_what(call, content=None, **made))
    rule = {"use": "tools", "action": "block", "with": {"deny": ["pay"]}}
    with pytest.raises(GuardBlocked, match="tool"):
        await told(rule, call, steps)


async def test_each_guard_may_fall_back_once() -> None:
    first = {"use": "swears", "action": "fallback", "on": ["output"], "fallback": {"model": "internal"}}
    second = {"use": "shouts", "action": "fallback", "on": ["output"], "fallback": {"answer": "Sorry."}}
    world = World(guards(first, second), says("darn"), says("NO"))
    assert (await world.answer(new_call())).text == "Sorry."
    world = World(guards(first), says("darn"), says("darn"))
    with pytest.raises(GuardBlocked):
        await world.answer(new_call())


async def test_the_notice_says_what_was_not_accepted() -> None:
    rule = {"use": "swears", "action": "fallback", "fallback": {"answer": "Sorry."}}
    call = new_call("darn")
    await World(guards({**rule, "on": ["input"]})).answer(call)
    assert call.journal.notices == ["a fixed answer: the guard swears did not accept the question"]
    call = new_call()
    await World(guards({**rule, "on": ["output"]}), says("darn")).answer(call)
    assert call.journal.notices == ["a fixed answer: the guard swears did not accept the answer"]


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
async def test_bodies_have_no_member_that_nobody_looks_at(stream: bool) -> None:
    said = {"id": "c", "zzz": {"1234567": "no 7654321"}, "choices": [{"index": 0, "text": "fine", "q": "7654321"}]}
    raw = msgspec.json.encode(said)
    raw = b"data: " + raw + b"\n\ndata: [DONE]\n\n" if stream else raw
    call = replace(new_call(stream=stream), operation="completions", messages=[], params={"prompt": "hi"})
    events = await World(guards(REDACT), [Delta(raw=raw), Finished(reason="stop")]).events(call)
    client = b"".join(event.raw or b"" for event in events if isinstance(event, Delta))
    assert b'{"id":"c","zzz":{"<NUMBER_1>":"no <NUMBER_2>"}' in client
    assert b'"text":"fine","q":"<NUMBER_2>"' in client


def test_a_chunk_costs_little_where_no_guard_looks_beside_the_text() -> None:
    call, vault = new_call(stream=True), Vault(b"secret")
    vault.replacement("number", "1234567")
    margins = Margins(Answering(call, (), vault, {}, ()), lambda: None)
    chunks = sent(call, *(says_what(call, content=f" word {at}") for at in range(9)), head={"obfuscation": "aZ3kQ9"})
    seen = list[str]()
    sys.setprofile(lambda frame, event, argument: seen.append(event))
    try:
        for chunk in chunks[:-1]:
            assert isinstance(chunk, Delta)
            assert margins.guarded(chunk) is chunk
    finally:
        sys.setprofile(None)
    assert len([event for event in seen if event in ("call", "c_call")]) / len(chunks) < 80
