"""Anthropic's request and answer formats: translation there and back, bad input, and order in streams."""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.adapters.providers.anthropic_answer import Stream, whole
from moat.adapters.providers.anthropic_request import Style, ask
from moat.domain.calls import Call, Delta, Event, Finished, Message, ToolCallDelta
from moat.domain.errors import LimitExceeded, MoatError, ProviderDown, RequestError, StorageError
from moat.domain.usage import Usage
from moat.gateway.formats.anthropic_answer import MessageEncoder, error_body, message_body
from moat.gateway.formats.anthropic_request import parse_messages
from moat.pipeline.answers import Answer
from moat.testing.fakes import new_call

STYLE = Style(max_tokens=4096, structured_outputs="native", thinking="budget")

texts = st.text(min_size=1, max_size=12).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))
names = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
cache = st.sampled_from([{}, {"cache_control": {"type": "ephemeral"}}])
data = st.binary(max_size=8).map(lambda raw: base64.b64encode(raw).decode())


def part(kind: str, held: Any) -> Any:
    return st.builds(lambda value, more: {"type": kind, kind: value, **more}, held, cache)


images = part(
    "image_url",
    st.one_of(
        data.map(lambda text: {"url": f"data:image/png;base64,{text}"}),
        st.just({"url": "https://example.org/a.png"}),
    ),
)
files = part(
    "file",
    st.one_of(
        st.builds(
            lambda text, name: {"file_data": f"data:application/pdf;base64,{text}", "filename": name}, data, names
        ),
        texts.map(lambda text: {"file_data": "data:text/plain;base64," + base64.b64encode(text.encode()).decode()}),
        st.just({"file_url": "https://example.org/a.pdf"}),
    ),
)
contents = texts | st.lists(part("text", texts) | images | files, min_size=1, max_size=3)
thoughts = st.lists(
    st.one_of(
        st.builds(lambda text, sig: {"type": "thinking", "thinking": text, "signature": sig}, texts, names),
        names.map(lambda text: {"type": "redacted_thinking", "data": text}),
    ),
    max_size=2,
)


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    """A question, an answer that may think and call tools, and the results of all of them."""
    calls = draw(
        st.lists(
            st.tuples(names, names, st.dictionaries(texts, values, max_size=2)), max_size=3, unique_by=lambda c: c[0]
        )
    )
    answer: Message = {"role": "assistant", "content": draw(texts if not calls else st.none() | texts)}
    if blocks := draw(thoughts):
        answer["thinking_blocks"] = blocks
    if calls:
        answer["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
            for id, name, given in calls
        ]
    results = [
        {
            "role": "tool",
            "tool_call_id": id,
            "content": draw(contents),
            **draw(st.sampled_from([{}, {"is_error": True}])),
        }
        for id, _, _ in calls
    ]
    return [{"role": "user", "content": draw(contents)}, answer, *results]


conversations = st.builds(
    lambda system, rounds, last: [
        *({"role": "system", "content": text} for text in system),
        *(message for turn in rounds for message in turn),
        {"role": "user", "content": last},
    ],
    st.lists(texts, max_size=2),
    st.lists(turns(), max_size=3),
    contents,
)


def meaning(messages: list[Message]) -> list[tuple[str, Any]]:
    """What is said, by whom, in order; how it is cut into messages does not matter."""
    found: list[tuple[str, Any]] = []
    for message in messages:
        role, content = message["role"], message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        found += [(role, block) for block in message.get("thinking_blocks", ())]
        if role == "tool":
            found.append((role, [message["tool_call_id"], parts, message.get("is_error", False)]))
        else:
            found += [(role, part) for part in parts]
        for call in message.get("tool_calls", ()):
            function = call["function"]
            found.append((role, [call["id"], function["name"], json.loads(function["arguments"])]))
    return found


@settings(max_examples=150, deadline=None)
@given(conversations)
def test_any_conversation_goes_there_and_back(messages: list[Message]) -> None:
    body = ask(msgspec.structs.replace(new_call(), messages=messages), STYLE).body
    back = parse_messages(json.dumps(body).encode(), {})
    assert meaning(back.messages) == meaning(messages)
    again = ask(
        msgspec.structs.replace(new_call(), messages=back.messages, params=back.params, wire="anthropic"), STYLE
    )
    assert again.body == body


@settings(max_examples=100, deadline=None)
@given(
    params=st.fixed_dictionaries(
        {},
        optional={
            "max_tokens": st.integers(1, 10**6),
            "temperature": st.floats(0, 1),
            "top_p": st.floats(0, 0.99),
            "stop": st.lists(texts, min_size=1, max_size=3),
            "tools": st.lists(
                st.builds(
                    lambda name: {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}},
                    names,
                ),
                min_size=1,
            ),
            "user": names,
        },
    )
)
def test_any_parameters_go_there_and_back(params: dict[str, Any]) -> None:
    params = {"max_tokens": 4096, **params}
    body = ask(new_call(**params), STYLE).body
    back = parse_messages(json.dumps(body).encode(), {}).params
    back.pop("anthropic", None)
    assert back == params


CALL: Call = msgspec.structs.replace(new_call(stream=True), wire="anthropic")

pieces = st.lists(
    st.one_of(
        texts.map(lambda text: Delta(text=text)),
        texts.map(lambda text: Delta(reasoning=text)),
        names.map(lambda text: Delta(signature=text)),
        names.map(lambda text: Delta(redacted=text)),
        texts.map(lambda text: Delta(refusal=text)),
        st.builds(
            lambda index, arguments: Delta(
                tool_calls=(ToolCallDelta(index=index, id=f"c{index}", name=f"f{index}", arguments=arguments),)
            ),
            st.integers(0, 2),
            texts,
        ),
    ),
    max_size=10,
)


@settings(max_examples=200, deadline=None)
@given(pieces)
def test_any_answer_is_a_stream_in_order_and_says_the_same(deltas: list[Delta]) -> None:
    finished = Finished(reason="stop", usage=Usage(input=9, output=4, cached=3))
    encoder = MessageEncoder(CALL)
    body = b"".join(encoder.encode(event) for event in [*deltas, finished]) + encoder.end()
    events = [json.loads(event.partition(b"data: ")[2]) for event in body.split(b"\n\n") if event]

    assert [event["type"] for event in events[:1] + events[-2:]] == ["message_start", "message_delta", "message_stop"]
    running, begun = -1, 0
    for event in events[1:-2]:
        if event["type"] == "content_block_start":
            assert (running, event["index"]) == (-1, begun)
            running, begun = begun, begun + 1
        assert event["index"] == running
        if event["type"] == "content_block_stop":
            running = -1
    assert running == -1

    stream = Stream(new_call(stream=True), "", where="x")
    read = answer([*stream.feed(body), *stream.finish()])
    sent = answer([*deltas, finished])
    assert (read.text, read.reasoning) == (sent.text + sent.refusal, sent.reasoning) or sent.refusal
    called = {call["function"]["name"]: call["function"]["arguments"] for call in read.tool_calls}
    assert called == {call["function"]["name"]: call["function"]["arguments"] for call in sent.tool_calls}
    assert read.finished
    assert read.finished.usage
    assert (read.finished.usage.input, read.finished.usage.cached) == (9, 3)

    content = json.loads(message_body(CALL, [*deltas, finished]))["content"]
    starts = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert [block["type"] for block in content] == starts


def answer(events: list[Event]) -> Answer:
    found = Answer()
    for event in events:
        found.add(event)
    return found


def test_a_changed_piece_goes_on_where_the_providers_bytes_ended() -> None:
    def event(kind: str, **members: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()

    text = {"type": "text_delta", "text": "a"}
    start = event("message_start", message={})
    start += event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    said: list[Event] = [
        Delta(text="a", raw=start + event("content_block_delta", index=0, delta=text)),
        Delta(raw=event("content_block_stop", index=0)),
        Delta(
            tool_calls=(ToolCallDelta(id="c", name="f"),), raw=event("content_block_start", index=1, content_block={})
        ),
        Delta(tool_calls=(ToolCallDelta(arguments="{}"),)),
        Finished(reason="tool_calls"),
    ]
    encoder = MessageEncoder(CALL)
    kinds = [
        (
            json.loads(piece.partition(b"data: ")[2]).get("index"),
            piece.partition(b"\n")[0].decode().removeprefix("event: "),
        )
        for piece in b"".join(encoder.encode(event) for event in said).split(b"\n\n")
        if piece
    ]
    assert kinds == [
        (None, "message_start"),
        (0, "content_block_start"),
        (0, "content_block_delta"),
        (0, "content_block_stop"),
        (1, "content_block_start"),
        (1, "content_block_delta"),
        (1, "content_block_stop"),
        (None, "message_delta"),
    ]


def test_arguments_that_are_no_object_are_kept_for_the_client_to_see() -> None:
    deltas: list[Event] = [
        Delta(tool_calls=(ToolCallDelta(name="f", arguments='{"a": '),)),
        Finished(reason="stop"),
    ]
    body = json.loads(message_body(CALL, deltas))
    assert body["content"][0]["input"] == {"invalid_json": '{"a": '}
    assert body["content"][0]["id"].startswith("toolu_")
    assert body["stop_reason"] == "tool_use"


def test_usage_that_nobody_reported_is_estimated() -> None:
    events: list[Event] = [Delta(text="12345"), Finished(reason="stop")]
    usage = json.loads(message_body(new_call("12345678"), events))["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (2, 2)
    encoder = MessageEncoder(new_call("12345678"))
    last = [encoder.encode(event) for event in events][-1]
    assert json.loads(last.rpartition(b"data: ")[2])["usage"] == usage


def test_a_whole_answer_through_both_formats() -> None:
    sent = json.dumps(
        {
            "type": "message",
            "content": [
                {"type": "thinking", "thinking": "a", "signature": "s"},
                {"type": "thinking", "thinking": "b", "signature": "t"},
                {"type": "text", "text": "x"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
            ],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 1, "output_tokens": 2},
        }
    ).encode()
    events = whole(new_call(), sent, "", where="x")
    assert json.loads(message_body(CALL, events))["content"] == json.loads(sent)["content"]


BAD: list[tuple[str, Any]] = [
    ("", b"{"),
    ("", b"[]"),
    ("model", {"model": ""}),
    ("model", {"model": 5}),
    ("model", {"model": "prompt:"}),
    ("stream", {"stream": "yes"}),
    ("max_tokens", {"max_tokens": None}),
    ("max_tokens", {"max_tokens": "5"}),
    ("max_tokens", {"max_tokens": True}),
    ("max_tokens", {"max_tokens": -1}),
    ("temperature", {"temperature": "hot"}),
    ("messages", {"messages": []}),
    ("messages", {"messages": "x"}),
    ("messages[0].role", {"messages": ["x"]}),
    ("messages[0].role", {"messages": [{"role": "tool", "content": "x"}]}),
    ("messages[0].content", {"messages": [{"role": "user", "content": 5}]}),
    ("messages[0].content[0]", {"messages": [{"role": "user", "content": ["x"]}]}),
    ("messages[0].content[0]", {"messages": [{"role": "user", "content": [{"type": 5}]}]}),
    ("messages[0].content[0].text", {"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
    ("messages[0].content[0].source", {"messages": [{"role": "user", "content": [{"type": "image"}]}]}),
    (
        "messages[0].content[0].source.data",
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png"}}],
                }
            ]
        },
    ),
    ("messages[0].content[0].tool_use_id", {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}),
    (
        "messages[0].content[0].content",
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": 5}]}]},
    ),
    (
        "messages[0].content[0].input",
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "b", "input": "x"}]}]},
    ),
    ("system", {"system": 5}),
    ("system[0].text", {"system": [{"type": "text", "text": 5}]}),
    ("stop_sequences", {"stop_sequences": "END"}),
    ("tools", {"tools": {"a": 1}}),
    ("tools[0].name", {"tools": [{"input_schema": {}}]}),
    ("tools[0].input_schema", {"tools": [{"name": "x"}]}),
    ("tool_choice", {"tool_choice": "auto"}),
    ("tool_choice", {"tool_choice": {"type": "tool"}}),
    ("thinking", {"thinking": "yes"}),
    ("thinking.budget_tokens", {"thinking": {"type": "enabled"}}),
    ("output_config", {"output_config": 5}),
    ("output_config.format", {"output_config": {"format": {"type": "grammar"}}}),
    ("metadata", {"metadata": "x"}),
]


@pytest.mark.parametrize(("where", "wrong"), BAD)
def test_a_bad_request_names_its_parameter(where: str, wrong: Any) -> None:
    good = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    body = wrong if isinstance(wrong, bytes) else json.dumps({**good, **wrong}).encode()
    with pytest.raises(RequestError) as caught:
        parse_messages(body, {})
    assert caught.value.where == where


@pytest.mark.parametrize(
    "headers", [{"anthropic-beta": "a b"}, {"anthropic-beta": ",".join("a" * 65)}, {"anthropic-version": "x" * 200}]
)
def test_bad_headers_are_refused(headers: dict[str, str]) -> None:
    body = json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}).encode()
    with pytest.raises(RequestError):
        parse_messages(body, headers)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["model", "messages", "system", "tools", "max_tokens", "thinking", "x"]), values)
)
def test_any_json_is_taken_or_refused(body: dict[str, Any]) -> None:
    try:
        request = parse_messages(json.dumps(body).encode(), {})
    except RequestError:
        return
    assert request.messages


def test_an_assistants_blocks_in_unusual_order_survive() -> None:
    content = [
        {"type": "text", "text": "a"},
        {"type": "thinking", "thinking": "b", "signature": "s"},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {}, "caller": {"type": "direct"}},
        {"type": "server_tool_use", "id": "srv1", "name": "web_search", "input": {"query": "x"}},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "tool_use", "id": "c2", "name": "f", "input": {"a": 1}, "cache_control": {"type": "ephemeral"}},
    ]
    body = {
        "model": "m",
        "max_tokens": 5,
        "messages": [
            {"role": "user", "content": [{"type": "search_result", "source": "s", "title": "t", "content": []}]},
            {"role": "assistant", "content": content},
            {"role": "user", "content": [{"type": "text", "text": "b", "citations": [{"x": 1}]}]},
            {"role": "system", "content": [{"type": "text", "text": "Now in German."}]},
        ],
        "container": "c",
        "top_k": 4,
    }
    request = parse_messages(json.dumps(body).encode(), {"anthropic-beta": "a, b"})
    call = msgspec.structs.replace(new_call(), messages=request.messages, params=request.params, wire="anthropic")
    asked = ask(call, STYLE)
    assert asked.body == {**body, "model": "large"}
    assert asked.betas == ("a", "b")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RequestError("x", where="messages"), "invalid_request_error"),
        (LimitExceeded("x"), "rate_limit_error"),
        (StorageError("x"), "overloaded_error"),
        (ProviderDown("x"), "api_error"),
        (MoatError("x"), "api_error"),
    ],
)
def test_errors_have_anthropics_types(error: MoatError, kind: str) -> None:
    error.request_id = "req_1"
    body = json.loads(error_body(error))
    assert (body["type"], body["request_id"], body["error"]["type"]) == ("error", "req_1", kind)
    assert body["error"]["details"] == {"error_code": error.code}
