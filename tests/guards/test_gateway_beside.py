"""What providers answer beside the text: thinking, citations, their own tools, sound, functions of old."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from moat.adapters.providers.anthropic_answer import Stream as AnthropicStream
from moat.adapters.providers.anthropic_answer import whole as anthropic_whole
from moat.adapters.providers.gemini_answer import Reader
from moat.adapters.providers.openai_stream import ChatStream, chat_answer
from moat.domain.calls import Call, Delta, Event, Finished, Wire
from moat.domain.errors import GuardBlocked
from moat.gateway.formats.openai_chat import ChunkEncoder, completion_body
from moat.testing.fakes import new_call
from tests.guards.test_engine import World, guards

pytestmark = pytest.mark.anyio


REDACT = {"use": "digits", "action": "redact", "on": ["output", "tool_arguments"]}
BLOCK = {"use": "digits", "action": "block", "on": ["output", "tool_arguments"]}


def asking(wire: Wire = "openai", *, stream: bool = False, **params: Any) -> Call:
    return replace(new_call(stream=stream, **params), wire=wire)


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)


def openai(call: Call, *messages: dict[str, Any]) -> list[Event]:
    """What the adapter makes of an answer, or of its chunks."""
    if not call.stream:
        body = {"choices": [{"index": 0, "message": messages[0], "finish_reason": "stop"}]}
        return list(chat_answer(call, msgspec.json.encode(body), where="x"))
    stream = ChatStream(call, "x")
    read = [stream.feed(sse({"choices": [{"index": 0, "delta": message}]})) for message in messages]
    stream.feed(sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n")
    return [*(delta for delta in read if delta is not None), stream.finish()]


def claude(call: Call, *blocks: dict[str, Any]) -> list[Event]:
    if not call.stream:
        body = {"type": "message", "content": list(blocks), "stop_reason": "end_turn"}
        return anthropic_whole(call, msgspec.json.encode(body), "", where="x")
    stream, events = AnthropicStream(call, "", where="x"), list[Event]()
    events += stream.feed(sse({"type": "message_start", "message": {"model": "m"}}))
    for index, block in enumerate(blocks):
        events += stream.feed(sse({"type": "content_block_start", "index": index, "content_block": block}))
        events += stream.feed(sse({"type": "content_block_stop", "index": index}))
    events += stream.feed(
        sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"})
    )
    return [*events, *stream.finish()]


def gemini(call: Call, candidate: dict[str, Any]) -> list[Event]:
    raw = msgspec.json.encode({"candidates": [{"index": 0, "finishReason": "STOP", **candidate}]})
    reader = Reader(replace(call, deployment=None), where="x")
    delta = reader.take(raw, raw)
    return [*([delta] if delta else []), reader.finish()]


ANNOTATIONS = [{"type": "url_citation", "url_citation": {"url": "https://x.test/1234567", "title": "T"}}]
SEARCHED = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "who is 1234567"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "s1",
    "content": [{"type": "web_search_result", "title": "It is 1234567", "url": "u", "encrypted_content": "1234567"}],
}
CITED = {"type": "text", "text": "It is", "citations": [{"type": "char_location", "cited_text": "is 1234567 so"}]}
RAN = {"content": {"parts": [{"executableCode": {"language": "PYTHON", "code": "print( 1234567 )"}}]}}
PRINTED = {"content": {"parts": [{"text": "so"}, {"codeExecutionResult": {"output": "1234567"}}]}}
GROUNDED = {
    "content": {"parts": [{"text": "so"}]},
    "groundingMetadata": {"groundingChunks": [{"web": {"title": "of 1234567", "uri": "u"}}]},
}


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("wire", "answered"),
    [
        ("openai", lambda call: openai(call, {"content": "See ", "annotations": ANNOTATIONS})),
        ("openai", lambda call: openai(call, {"content": [{"type": "reference", "text": "no. 1234567 "}]})),
        ("openai", lambda call: openai(call, {"reasoning_details": [{"type": "reasoning.text", "text": " 1234567 "}]})),
        ("anthropic", lambda call: claude(call, SEARCHED, {"type": "text", "text": "So."})),
        ("anthropic", lambda call: claude(call, FOUND, {"type": "text", "text": "So."})),
        ("anthropic", lambda call: claude(call, CITED)),
        ("gemini", lambda call: gemini(call, RAN)),
        ("gemini", lambda call: gemini(call, PRINTED)),
        ("gemini", lambda call: gemini(call, GROUNDED)),
    ],
)
async def test_no_text_passes_in_the_providers_bytes(wire: Wire, answered: Any, stream: bool) -> None:
    call = asking(wire, stream=stream)
    steps = answered(call)
    assert any(isinstance(step, Delta) and b"1234567" in (step.raw or b"") for step in steps)
    with pytest.raises(GuardBlocked, match="found number in the output"):
        await World(guards(BLOCK), steps).answer(asking(wire, stream=stream))
    events = await World(guards(REDACT), steps).events(asking(wire, stream=stream))
    assert not any(b"1234567" in (event.raw or b"") for event in events if isinstance(event, Delta))
    untouched = await World(guards({**REDACT, "use": "swears"}), steps).events(asking(wire, stream=stream))
    assert [event.raw for event in untouched if isinstance(event, Delta)] == [
        step.raw for step in steps if isinstance(step, Delta)
    ]


@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_said_aloud_is_text_and_the_sound_goes_with_what_is_changed(stream: bool) -> None:
    spoken = [
        {"audio": {"data": "UklGRg=="}},
        {"audio": {"transcript": "It is 123"}},
        {"audio": {"transcript": "4567."}},
    ]
    messages = spoken if stream else [{"content": None, "audio": {"data": "UklGRg==", "transcript": "It is 1234567."}}]
    asked: dict[str, Any] = {"stream": stream, "modalities": ["text", "audio"]}
    world = World(guards(REDACT), openai(asking(**asked), *messages))
    events = await world.events(asking(**asked))
    deltas = [event for event in events if isinstance(event, Delta)]
    assert "".join(delta.text for delta in deltas) == "It is <NUMBER_1>."
    assert [delta.raw for delta in deltas] == [None] * len(deltas)


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
async def test_a_function_of_old_is_a_tool(stream: bool) -> None:
    called = {"content": None, "function_call": {"name": "pay", "arguments": '{"to": "1234567"}'}}
    asked: dict[str, Any] = {"stream": stream, "functions": [{"name": "pay"}]}
    steps = openai(asking(**asked), called)
    with pytest.raises(GuardBlocked):
        await World(guards({"use": "tools", "action": "block", "with": {"deny": ["pay"]}}), steps).answer(
            asking(**asked)
        )
    call = asking(**asked)
    events = await World(guards(REDACT), steps).events(call)
    encoder = ChunkEncoder(call)
    told = b"".join(map(encoder.encode, events)) if stream else completion_body(call, events)
    assert b'"function_call":{"arguments":"{\\"to\\": \\"<NUMBER_1>\\"}","name":"pay"}' in told or (
        b'"function_call":{"name":"pay","arguments":"{\\"to\\": \\"<NUMBER_1>\\"}"}' in told
    )
    assert b"tool_calls" not in told


@pytest.mark.parametrize(
    "rule",
    [
        {"use": "schema", "on": ["output"], "with": {"schema": {"type": "object"}}},
        {"use": "schema"},
        {"use": "length", "on": ["output"], "with": {"max": 30}},
        {"use": "language", "on": ["output"], "with": {"allow": ["de"]}},
        {"use": "refusal", "on": ["output"]},
    ],
)
async def test_the_form_of_an_answer_is_not_that_of_the_thinking_before_it(rule: dict[str, Any]) -> None:
    thought = Delta(reasoning="I cannot help with this before I have thought about all of it for a while, in English.")
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    steps = [thought, Delta(text='{"ja": "gut"}'), Finished(reason="stop")]
    world = World(guards({**rule, "action": "block"}), steps)
    assert (await world.answer(new_call(response_format=wanted))).text == '{"ja": "gut"}'


@pytest.mark.promise("guard-1")
@pytest.mark.parametrize("stream", [True, False])
async def test_probabilities_of_tokens_do_not_spell_out_what_was_redacted(stream: bool) -> None:
    def spelled(*tokens: str) -> dict[str, Any]:
        said = {"content": "".join(tokens)}
        probable = {"content": [{"token": token, "logprob": -0.1, "top_logprobs": []} for token in tokens]}
        return {"index": 0, "delta" if stream else "message": said, "logprobs": probable}

    call = asking(stream=stream, logprobs=True)
    if stream:
        reader = ChatStream(call, "x")
        choices = [spelled("all ", "is ") for _ in range(80)] + [spelled("123"), spelled("4567"), spelled(" so")]
        read = [reader.feed(sse({"choices": [choice]})) for choice in choices]
        reader.feed(sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n")
        steps: list[Any] = [*read, reader.finish()]
    else:
        body = {"choices": [spelled("It is ", "1234567") | {"finish_reason": "stop"}]}
        steps = list(chat_answer(call, msgspec.json.encode(body), where="x"))
    events = await World(guards(REDACT), steps).events(call)
    encoder = ChunkEncoder(call)
    told = b"".join(map(encoder.encode, events)) if stream else completion_body(call, events)
    assert b"<NUMBER_1>" in told
    assert not [token for token in (b'"123"', b'"4567"', b'"1234567"') if token in told]
    assert (b'"logprob":-0.1' in told) == stream, "those of what came before are the client's"
