"""Canonical calls as requests of the Converse API: AWS's own description of it must find them valid."""

import base64
import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.adapters.providers.bedrock_request import request
from moat.domain.calls import Call, Deployment, Message
from moat.domain.errors import Unsupported
from moat.testing.fakes import new_call
from tests.providers.bedrock_server import validate

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PIXEL = base64.b64encode(b"\x89PNG....").decode()
USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}}}


def asked(*messages: Message, model: str = CLAUDE, structured: Any = "native", **params: Any) -> dict[str, Any]:
    return body_of(call_of(*messages, model=model, **params), structured)


def call_of(*messages: Message, model: str = CLAUDE, **params: Any) -> Call:
    call = new_call("Hi", **params)
    return msgspec.structs.replace(call, messages=list(messages) or [USER], deployment=Deployment("aws", model))


def body_of(call: Call, structured: Any = "native") -> dict[str, Any]:
    """The body, once botocore found it valid."""
    body = request(call, structured).body
    validate({"modelId": "m", **body})
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(body))
    return decoded


def test_a_whole_conversation() -> None:
    body = asked(
        {"role": "system", "content": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                {
                    "type": "file",
                    "file": {"filename": "a/b: c.pdf", "file_data": f"data:application/pdf;base64,{PIXEL}"},
                },
                {"type": "text", "text": "", "cache_control": {"type": "ephemeral"}},
            ],
        },
        {"role": "user", "content": "And?"},
        {
            "role": "assistant",
            "content": "",
            "reasoning_content": "Hm.",
            "thinking_blocks": [
                {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
                {"type": "redacted_thinking", "data": "b64="},
                {"type": "thinking", "thinking": "not theirs"},
            ],
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}},
                {"id": "call 2!", "type": "function", "function": {"name": "look", "arguments": ""}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
        {
            "role": "tool",
            "tool_call_id": "call 2!",
            "is_error": True,
            "content": [
                {"type": "text", "text": "failed", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "image_url", "image_url": f"data:image/jpeg;base64,{PIXEL}"},
            ],
        },
        {"role": "developer", "content": "In German."},
        {"role": "user", "content": "Go on."},
        tools=[TOOL, {**TOOL, "cache_control": {"type": "ephemeral"}}],
        tool_choice="required",
        max_tokens=100,
        temperature=0.5,
        top_p=0.9,
        stop=["END"],
        top_k=5,
    )
    point = {"cachePoint": {"type": "default"}}
    assert body["system"] == [{"text": "Be brief."}, point, {"text": "In German."}]
    user, assistant, results = body["messages"]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert user["content"] == [
        {"text": "What is this?"},
        {"image": {"format": "png", "source": {"bytes": PIXEL}}},
        {"document": {"format": "pdf", "name": "ab c", "source": {"bytes": PIXEL}}},
        {"text": "And?"},
    ]
    other = assistant["content"][3]["toolUse"]["toolUseId"]
    assert assistant["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "b64="}},
        {"toolUse": {"toolUseId": "call_1", "name": "look", "input": {"at": 1}}},
        {"toolUse": {"toolUseId": other, "name": "look", "input": {}}},
    ]
    assert results["content"] == [
        {"toolResult": {"toolUseId": "call_1", "content": [{"text": "42"}]}},
        {
            "toolResult": {
                "toolUseId": other,
                "content": [{"text": "failed"}, {"image": {"format": "jpeg", "source": {"bytes": PIXEL}}}],
                "status": "error",
            }
        },
        {"cachePoint": {"type": "default", "ttl": "1h"}},
        {"text": "Go on."},
    ]
    spec = {"toolSpec": {"name": "look", "description": "Look.", "inputSchema": {"json": {"type": "object"}}}}
    assert body["toolConfig"] == {"tools": [spec, spec, point], "toolChoice": {"any": {}}}
    assert body["inferenceConfig"] == {"maxTokens": 100, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]}
    assert body["additionalModelRequestFields"] == {"top_k": 5}
    assert body["additionalModelResponseFieldPaths"] == ["/stop_sequence"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", None),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "look"}}, {"tool": {"name": "look"}}),
    ],
)
def test_tool_choices(choice: Any, expected: Any) -> None:
    assert asked(tools=[TOOL], tool_choice=choice)["toolConfig"].get("toolChoice") == expected


def test_tool_choice_none_leaves_the_tools_out_where_that_can_be() -> None:
    assert "toolConfig" not in asked(tools=[TOOL], tool_choice="none")
    called = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "look", "arguments": "{}"}}]}
    result = {"role": "tool", "tool_call_id": "a", "content": "42"}
    call = call_of(USER, called, result, tools=[TOOL], tool_choice="none")
    assert len(body_of(call)["toolConfig"]["tools"]) == 1
    assert call.journal.notices == ["bedrock: tool_choice none cannot be kept in a conversation that called tools"]
    described = asked(USER, called, result)["toolConfig"]["tools"]
    assert described == [{"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}]


SCHEMA = {"type": "object", "properties": {"intent": {"type": "string"}}}


def test_structured_outputs() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "intent", "schema": SCHEMA, "strict": True}}
    form = asked(response_format=wanted)["outputConfig"]["textFormat"]
    assert (form["type"], form["structure"]["jsonSchema"]["name"]) == ("json_schema", "intent")
    assert msgspec.json.decode(form["structure"]["jsonSchema"]["schema"]) == SCHEMA
    tool = asked(response_format=wanted, structured="tool")["toolConfig"]
    assert tool["toolChoice"] == {"tool": {"name": "json_answer"}}
    assert tool["tools"][0]["toolSpec"]["inputSchema"] == {"json": SCHEMA}
    assert "toolChoice" in asked(response_format={"type": "json_object"})["toolConfig"]
    assert "toolConfig" not in asked(response_format={"type": "text"})
    with pytest.raises(Unsupported, match="beside other tools"):
        asked(response_format={"type": "json_object"}, tools=[TOOL])


@pytest.mark.parametrize(
    ("model", "params", "fields", "notices"),
    [
        (CLAUDE, {"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "budget_tokens": 2048}}, 0),
        (
            CLAUDE,
            {"reasoning_effort": "high", "max_tokens": 4000},
            {"thinking": {"type": "enabled", "budget_tokens": 3000}},
            0,
        ),
        (CLAUDE, {"reasoning_effort": "high", "max_tokens": 1000}, None, 1),
        (
            CLAUDE,
            {"reasoning_effort": "low", "temperature": 0.3},
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            1,
        ),
        (CLAUDE, {"reasoning_effort": "low", "tools": [TOOL], "tool_choice": "required"}, None, 1),
        (CLAUDE, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, 0),
        (CLAUDE, {"thinking": {"type": "adaptive"}, "reasoning_effort": "low"}, {"thinking": {"type": "adaptive"}}, 0),
        ("openai.gpt-oss-120b-1:0", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}, 0),
        (
            "amazon.nova-2-lite-v1:0",
            {"reasoning_effort": "xhigh"},
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            0,
        ),
        ("deepseek.r1-v1:0", {"reasoning_effort": "low"}, None, 1),
        (CLAUDE, {"seed": 1, "presence_penalty": 0.1}, None, 2),
        (
            CLAUDE,
            {"parallel_tool_calls": False, "tools": [TOOL]},
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
            0,
        ),
        (
            CLAUDE,
            {"parallel_tool_calls": False, "tools": [TOOL], "tool_choice": "required"},
            {"tool_choice": {"disable_parallel_tool_use": True}},
            0,
        ),
        ("amazon.nova-pro-v1:0", {"parallel_tool_calls": False, "tools": [TOOL]}, None, 1),
        (CLAUDE, {"parallel_tool_calls": False}, None, 0),
        (CLAUDE, {"service_tier": "standard_only"}, None, 1),
        (
            CLAUDE,
            {"reasoning_effort": "low", "anthropic": {"thinking": {"type": "enabled", "budget_tokens": 1500}}},
            {"thinking": {"type": "enabled", "budget_tokens": 1500}},
            0,
        ),
        ("amazon.nova-pro-v1:0", {"anthropic": {"thinking": {"type": "enabled"}}}, None, 0),
        (CLAUDE, {"user": "u", "store": False, "anthropic": {"x": 1}, "google": {}}, None, 0),
        (CLAUDE, {"min_p": 0.1}, {"min_p": 0.1}, 0),
        (
            CLAUDE,
            {"min_p": 0.1, "bedrock": {"additionalModelRequestFields": {"top_k": 3}}},
            {"min_p": 0.1, "top_k": 3},
            0,
        ),
    ],
)
def test_no_parameter_is_lost_in_silence(model: str, params: dict[str, Any], fields: Any, notices: int) -> None:
    call = call_of(model=model, **params)
    assert body_of(call).get("additionalModelRequestFields") == fields
    assert len(call.journal.notices) == notices


def test_thinking_has_room_when_no_length_is_asked_for() -> None:
    body = asked(reasoning_effort="medium")
    assert body["inferenceConfig"]["maxTokens"] > body["additionalModelRequestFields"]["thinking"]["budget_tokens"]


def test_no_thinking_where_tools_come_back_without_theirs() -> None:
    called = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "look", "arguments": "{}"}}]}
    result = {
        "role": "tool",
        "tool_call_id": "a",
        "content": "42",
        "extra_content": {"anthropic": {"cache_control": {"type": "ephemeral"}}},
    }
    call = call_of(USER, called, result, tools=[TOOL], reasoning_effort="low")
    body = body_of(call)
    assert "additionalModelRequestFields" not in body
    assert "thinking_blocks" in call.journal.notices[0]
    assert body["messages"][-1]["content"][-1] == {"cachePoint": {"type": "default"}}
    signed = {**called, "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}]}
    assert (
        "thinking" in asked(USER, signed, result, tools=[TOOL], reasoning_effort="low")["additionalModelRequestFields"]
    )


def test_what_only_converse_knows() -> None:
    guard = {"guardrailIdentifier": "g", "guardrailVersion": "1"}
    body = asked(bedrock={"guardrailConfig": guard}, service_tier="flex", metadata={"team": "x"})
    assert (body["guardrailConfig"], body["serviceTier"]) == (guard, {"type": "flex"})
    assert body["requestMetadata"] == {"team": "x"}


def test_a_temperature_above_one_is_lowered_and_said() -> None:
    call = call_of(temperature=1.7)
    assert body_of(call)["inferenceConfig"]["temperature"] == 1
    assert "lowered" in call.journal.notices[0]


@pytest.mark.parametrize(
    ("messages", "params", "where"),
    [
        ([], {"n": 2}, "n"),
        ([], {"logprobs": True}, "logprobs"),
        ([], {"logit_bias": {"1": 2}}, "logit_bias"),
        ([], {"modalities": ["text", "audio"]}, "modalities"),
        ([], {"reasoning_effort": "huge"}, "reasoning_effort"),
        ([], {"response_format": {"type": "grammar"}}, "response_format.type"),
        ([], {"tools": [{"type": "web_search"}]}, "tools"),
        ([], {"tools": [TOOL], "tool_choice": {"type": "x"}}, "tool_choice"),
        ([], {"bedrock": {"messages": []}}, "bedrock"),
        ([], {"bedrock": []}, "bedrock"),
        (
            [],
            {"bedrock": {"additionalModelRequestFields": {"max_tokens": 10**6}}},
            "bedrock.additionalModelRequestFields",
        ),
        ([{"role": "system", "content": "x"}], {}, "messages"),
        ([{"role": "function", "content": "x"}], {}, "messages[0].role"),
        ([{"role": "user", "content": [{"type": "video"}]}], {}, "messages[0].content[0]"),
        ([{"role": "user", "content": ["x"]}], {}, "messages[0].content[0]"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.org/a.png"}}]}],
            {},
            "messages[0].content[0].image_url.url",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/bmp;base64,QQ=="}}]}],
            {},
            "messages[0].content[0].image_url.url",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,***"}}]}],
            {},
            "messages[0].content[0].image_url.url",
        ),
        (
            [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}],
            {},
            "messages[0].content[0].file",
        ),
        (
            [USER, {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "[1"}}]}],
            {},
            "messages[1].tool_calls[0].function.arguments",
        ),
        ([USER, {"role": "assistant", "function_call": {"name": "f"}}], {}, "messages[1].function_call"),
        ([USER, {"role": "assistant", "tool_calls": "x"}], {}, "messages[1].tool_calls"),
        (
            [
                {
                    "role": "system",
                    "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}],
                }
            ],
            {},
            "messages[0]",
        ),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_place(
    messages: list[Message], params: dict[str, Any], where: str
) -> None:
    with pytest.raises(Unsupported) as caught:
        asked(*messages, **params)
    assert caught.value.where == where


def test_other_parts() -> None:
    audio = {"type": "input_audio", "input_audio": {"format": "wav", "data": PIXEL}}
    bucket = {"type": "image_url", "image_url": {"url": "s3://bucket/a.webp"}}
    native = {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    plain = {"type": "file", "file": {"file_data": "data:text/plain,a%20b"}}
    content = asked({"role": "user", "content": [audio, bucket, native, plain]})["messages"][0]["content"]
    assert content == [
        {"audio": {"format": "wav", "source": {"bytes": PIXEL}}},
        {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}},
        {"document": {"format": "txt", "name": "T", "source": {"bytes": "eA=="}}},
        {"document": {"format": "txt", "name": "document 2", "source": {"bytes": "YSBi"}}},
    ]


TEXT = st.text(max_size=12)
PARTS = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, TEXT),
        st.builds(lambda text: {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}, TEXT),
        st.just({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}),
        st.builds(
            lambda name: {"type": "file", "file": {"filename": name, "file_data": "data:text/csv;base64,QQ=="}}, TEXT
        ),
    ),
    max_size=3,
)
CALLS = st.lists(
    st.builds(
        lambda number, at: {
            "id": number,
            "type": "function",
            "function": {"name": "look", "arguments": msgspec.json.encode({"at": at}).decode()},
        },
        TEXT,
        TEXT,
    ),
    max_size=2,
)
MESSAGE = st.one_of(
    st.builds(lambda content: {"role": "user", "content": content}, st.one_of(TEXT, PARTS)),
    st.builds(lambda content: {"role": "system", "content": content}, TEXT),
    st.builds(
        lambda content, calls: {"role": "assistant", "content": content, "tool_calls": calls}, st.none() | TEXT, CALLS
    ),
    st.builds(lambda content, number: {"role": "tool", "content": content, "tool_call_id": number}, TEXT, TEXT),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(MESSAGE, max_size=6))
def test_any_conversation_is_a_valid_request_that_keeps_its_texts(messages: list[Message]) -> None:
    body = asked({"role": "user", "content": "begin"}, *messages)
    roles = [turn["role"] for turn in body["messages"]]
    assert all(first != second for first, second in itertools.pairwise(roles))
    sent = msgspec.json.encode(body).decode()
    for message in messages:
        content = message.get("content")
        texts = [content] if isinstance(content, str) else [part.get("text") for part in content or ()]
        for text in texts:
            if text and text.strip():
                assert msgspec.json.encode(text).decode() in sent
