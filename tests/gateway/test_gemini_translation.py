"""Gemini's contents <-> canonical messages: the provider's way there and the client format's way back."""

import base64
import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.adapters.providers.gemini_contents import UNSIGNED, conversation
from moat.adapters.providers.gemini_request import request_body
from moat.domain.calls import Delta, Deployment, Event, Finished, Message, ToolCallDelta
from moat.domain.errors import ProviderDown, RequestError, Unsupported
from moat.domain.usage import Usage
from moat.gateway.format import Incoming
from moat.gateway.formats.gemini import GenerateContent, named_model, request
from moat.gateway.formats.gemini_answer import ResponseEncoder, response_body
from moat.gateway.formats.gemini_shape import camel, json_schema
from moat.testing.fakes import new_call

TEXT = st.text(min_size=1, max_size=12)
NAME = st.sampled_from(["get_weather", "look_up", "f"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
BASE64 = st.binary(max_size=9).map(lambda data: base64.b64encode(data).decode())


def part(*, pictures: bool) -> st.SearchStrategy[dict[str, Any]]:
    texts = st.builds(lambda text: {"type": "text", "text": text}, TEXT)
    if not pictures:
        return texts
    urls = BASE64.map(lambda data: f"data:image/png;base64,{data}") | st.just("https://example.org/a.png")
    files = BASE64.map(lambda data: {"filename": "file.pdf", "file_data": f"data:application/pdf;base64,{data}"})
    return (
        texts
        | urls.map(lambda url: {"type": "image_url", "image_url": {"url": url}})
        | BASE64.map(lambda data: {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
        | files.map(lambda file: {"type": "file", "file": file})
    )


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """Turns as chat clients send them: a user's, an answer, perhaps with calls and all their results."""
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(TEXT)})
    for turn in range(draw(st.integers(1, 3))):
        content = draw(TEXT | st.lists(part(pictures=True), min_size=2, max_size=3))
        messages.append({"role": "user", "content": content})
        said: Message = {"role": "assistant", "content": draw(TEXT | st.none())}
        if draw(st.booleans()):
            said["reasoning_content"] = draw(TEXT)
        names = draw(st.lists(NAME, min_size=0 if said["content"] else 1, max_size=3))
        calls = [
            {
                "id": f"c{turn}{at}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(draw(OBJECT))},
            }
            for at, name in enumerate(names)
        ]
        for call in calls:
            if draw(st.booleans()):
                call["extra_content"] = {"google": {"thought_signature": draw(BASE64)}}
        if calls:
            said["tool_calls"] = calls
        messages.append(said)
        for call, name in zip(calls, names, strict=True):
            result: Message = {"role": "tool", "tool_call_id": call["id"], "name": name}
            result["content"] = draw(TEXT | OBJECT.map(json.dumps))
            if draw(st.booleans()):
                result["is_error"] = True
            messages.append(result)
    return messages


def meaning(messages: list[Message]) -> list[Message]:
    """The same with arguments and results as values, one text as such, and no empty signatures."""
    made = []
    for message in messages:
        plain = dict(message)
        content = plain.get("content")
        if isinstance(content, list) and len(content) == 1 and content[0]["type"] == "text":
            plain["content"] = content[0]["text"]
        if plain["role"] == "tool":
            plain["content"] = _value(plain["content"])
        if plain.get("tool_calls"):
            plain["tool_calls"] = [
                {
                    "id": call["id"],
                    "name": call["function"]["name"],
                    "arguments": json.loads(call["function"]["arguments"]),
                    "signature": call.get("extra_content", {}).get("google", {}).get("thought_signature") or None,
                }
                for call in plain["tool_calls"]
            ]
        made.append(plain)
    return made


def _value(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, dict) else text


def back(body: dict[str, Any]) -> list[Message]:
    return request("m", None, camel(json.loads(json.dumps(body)))).messages


@settings(max_examples=40, deadline=None)
@given(conversations())
def test_a_conversation_comes_back_from_gemini_as_it_was(messages: list[Message]) -> None:
    said = conversation(messages, signed=False)
    body: dict[str, Any] = {"contents": said.turns}
    if said.system:
        body["systemInstruction"] = {"parts": said.system}
    assert meaning(back(body)) == meaning(messages)
    roles = [turn["role"] for turn in said.turns]
    assert all(one != other for one, other in itertools.pairwise(roles))


@settings(max_examples=40, deadline=None)
@given(conversations())
def test_what_google_said_goes_back_to_google_unchanged(messages: list[Message]) -> None:
    said = conversation(messages, signed=True)
    again = conversation(back({"contents": said.turns}), signed=True)
    assert again.turns == said.turns


NATIVE = [
    {"executableCode": {"language": "PYTHON", "code": "1"}},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
    {"fileData": {"fileUri": "gs://b/v.mp4", "mimeType": "video/mp4"}, "videoMetadata": {"fps": 2}},
    {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/f1", "mimeType": "image/png"}},
    {"text": "", "thought": True, "thoughtSignature": "AAAA"},
    {"text": "Hm", "thoughtSignature": "AAAA"},
    {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}},
    {"fileData": {"fileUri": "https://example.org/picture", "mimeType": "image/webp"}},
]


@pytest.mark.parametrize("native", NATIVE)
def test_parts_of_googles_own_survive(native: dict[str, Any]) -> None:
    messages = back({"contents": [{"role": "model", "parts": [native]}]})
    assert conversation(messages, signed=True).turns == [{"role": "model", "parts": [native]}]


def test_both_spellings_are_read() -> None:
    body = {
        "system_instruction": {"parts": [{"text": "Be brief."}]},
        "contents": {"parts": [{"inline_data": {"mime_type": "image/png", "data": "_-8"}}, {"text": "?"}]},
        "generation_config": {"max_output_tokens": 9, "stop_sequences": ["x"]},
        "tools": [
            {"function_declarations": [{"name": "f", "parameters_json_schema": {"properties": {"a_b": {}}}}]},
            {"google_search": {}},
        ],
    }
    made = request("m", None, camel(body))
    assert made.messages == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,/+8="}},
                {"type": "text", "text": "?"},
            ],
        },
    ]
    assert made.params == {
        "max_completion_tokens": 9,
        "stop": ["x"],
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"properties": {"a_b": {}}}}},
            {"type": "google", "google": {"googleSearch": {}}},
        ],
    }


def test_results_without_ids_belong_to_the_calls_in_order() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    results = [{"functionResponse": {"name": "f", "response": {"output": text}}} for text in ("one", "two", "three")]
    messages = back({"contents": [{"role": "model", "parts": [call, call]}, {"role": "user", "parts": results}]})
    assert [made["id"] for made in messages[0]["tool_calls"]] == ["call_1", "call_2"]
    assert [(made["tool_call_id"], made["content"]) for made in messages[1:]] == [
        ("call_1", "one"),
        ("call_2", "two"),
        ("call_3", "three"),
    ]


def test_schemas() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "a": {"type": "STRING", "enum": ["x"], "nullable": True, "maxLength": "5", "example": "x"},
            "b": {"type": "ARRAY", "items": {"type": "INTEGER", "format": "int32", "minimum": 1}, "minItems": 2},
            "c": {"anyOf": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "nullable": True},
        },
        "required": ["a"],
        "propertyOrdering": ["a", "b"],
    }
    assert json_schema(schema, "s") == {
        "type": "object",
        "properties": {
            "a": {"type": ["string", "null"], "enum": ["x", None], "maxLength": 5, "examples": ["x"]},
            "b": {"type": "array", "items": {"type": "integer", "format": "int32", "minimum": 1}, "minItems": 2},
            "c": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "null"}]},
        },
        "required": ["a"],
    }


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": name}} for name in "fg"],
                },
            },
            {"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]},
        ),
    ],
)
def test_choices_of_tools_both_ways(choice: Any, calling: dict[str, Any]) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in "fg"]
    made = request_body(new_call(tools=tools, tool_choice=choice))
    assert made["toolConfig"] == {"functionCallingConfig": calling}
    again = request("m", None, {"contents": ["Hi"], "tools": made["tools"], "toolConfig": made["toolConfig"]}).params
    assert again["tool_choice"] == choice


@pytest.mark.parametrize(
    ("model", "params", "config"),
    [
        ("gemini-2.5-flash", {"reasoning_effort": "low"}, {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-pro", {"reasoning_effort": "high"}, {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-3-pro", {"reasoning_effort": "medium"}, {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-flash-latest", {"reasoning_effort": "none"}, {"thinkingBudget": 0}),
        (
            "m",
            {"thinking": {"type": "enabled", "budget_tokens": 99}},
            {"thinkingBudget": 99, "includeThoughts": True},
        ),
        ("m", {"thinking": {"type": "disabled"}, "reasoning_effort": "high"}, {"thinkingBudget": 0}),
        ("m", {"thinking": {"type": "adaptive"}}, {"includeThoughts": True}),
        (
            "m",
            {"reasoning_effort": "low", "google": {"generationConfig": {"thinkingConfig": {"thinkingBudget": 7}}}},
            {"thinkingBudget": 7},
        ),
    ],
)
def test_thinking(model: str, params: dict[str, Any], config: dict[str, Any]) -> None:
    call = replace(new_call(**params), deployment=Deployment("g", model))
    assert request_body(call)["generationConfig"]["thinkingConfig"] == config


@pytest.mark.parametrize(
    "params",
    [
        {"n": 2},
        {"logit_bias": {"1": 1}},
        {"logprobs": True},
        {"modalities": ["text", "audio"]},
        {"functions": []},
        {"something_new": 1},
        {"response_format": {"type": "grammar"}},
        {"response_format": "json"},
        {"reasoning_effort": "extreme"},
        {"thinking": {"type": "new"}},
        {"service_tier": "scale"},
        {"tools": [{"type": "web_search"}]},
        {"tools": ["f"]},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": "custom"}},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": "function"}},
        {"tools": [{"type": "function", "function": {"name": n}} for n in "fg"], "parallel_tool_calls": False},
        {"google": []},
        {"google": {"system_instruction": {}}},
        {"google": {"generationConfig": {"candidateCount": 2}}},
        {"google": {"generation_config": {"thinking_config": 3}}},
    ],
)
def test_parameters_without_a_counterpart_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(Unsupported) as caught:
        request_body(new_call(**params))
    assert caught.value.where


@pytest.mark.parametrize(
    "message",
    [
        {"role": "critic", "content": "x"},
        {"role": "user", "content": 3},
        {"role": "user", "content": ["x"]},
        {"role": "user", "content": [{"type": "video"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png"}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": 3}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x", "format": "midi"}}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
        {"role": "tool", "tool_call_id": "c9", "content": "x"},
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "[1]"}}]},
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{"}}]},
        {"role": "assistant", "tool_calls": ["f"]},
    ],
)
def test_messages_without_a_counterpart_are_refused_with_their_place(message: Message) -> None:
    with pytest.raises(Unsupported) as caught:
        conversation([{"role": "user", "content": "Hi"}, message], signed=True)
    assert caught.value.where.startswith("messages[1]")


def test_more_of_what_can_be_said() -> None:
    call = new_call(
        logprobs=True,
        top_logprobs=2,
        modalities=["text", "image"],
        cached_content="cachedContents/c",
        service_tier="flex",
        response_format={"type": "text/x.enum", "json_schema": {"schema": {"enum": ["a"]}}},
        user="ada",
        anthropic={"container": "x"},
        top_k=None,
    )
    body = request_body(replace(call, wire="gemini"))
    assert body == {
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
        "generationConfig": {
            "responseMimeType": "text/x.enum",
            "responseJsonSchema": {"enum": ["a"]},
            "responseModalities": ["TEXT", "IMAGE"],
            "responseLogprobs": True,
            "logprobs": 2,
        },
        "cachedContent": "cachedContents/c",
        "serviceTier": "flex",
    }


def test_unsigned_calls_of_another_model_are_marked_as_google_documents() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    messages: list[Message] = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [call, {**call, "id": "d"}]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "a"}]},
        {
            "role": "tool",
            "tool_call_id": "d",
            "content": [{"type": "text", "text": "b"}, {"type": "image_url", "image_url": {"url": "data:,x"}}],
        },
    ]
    first, second = conversation(messages, signed=True).turns[1]["parts"]
    assert first["thoughtSignature"] == UNSIGNED
    assert "thoughtSignature" not in second
    assert "thoughtSignature" not in conversation(messages, signed=False).turns[1]["parts"][0]
    shown = conversation(messages, signed=True).turns[2]["parts"][1]["functionResponse"]
    assert shown["response"] == {"output": "b"}
    assert shown["parts"] == [{"inlineData": {"mimeType": "text/plain", "data": "eA=="}}]


def test_instructions_alone_are_what_the_user_says() -> None:
    assert conversation([{"role": "system", "content": "Hi"}], signed=True) == (
        [],
        [{"role": "user", "parts": [{"text": "Hi"}]}],
    )


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "contents"),
        ({"contents": 3}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": [3]}, "contents[0]"),
        ({"contents": [{"role": "system", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": "x"}]}, "contents[0]"),
        ({"contents": [{"parts": [{}]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"text": 3}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": [{"inlineData": {"data": "x"}}]}]}, "contents[0].parts[0].inlineData.mimeType"),
        ({"contents": [{"parts": [{"inlineData": 3}]}]}, "contents[0].parts[0].inlineData"),
        ({"contents": [{"parts": [{"fileData": {}}]}]}, "contents[0].parts[0].fileData"),
        (
            {"contents": [{"role": "model", "parts": [{"functionCall": {}}]}]},
            "contents[0].parts[0].functionCall",
        ),
        (
            {"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f", "args": []}}]}]},
            "contents[0].parts[0].functionCall.args",
        ),
        ({"contents": [{"parts": [{"functionResponse": 3}]}]}, "contents[0].parts[0].functionResponse"),
        (
            {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": 1}}]}]},
            "contents[0].parts[0].functionResponse.response",
        ),
        ({"contents": ["x"], "generationConfig": 3}, "generationConfig"),
        ({"contents": ["x"], "generationConfig": {"candidateCount": 2}}, "generationConfig.candidateCount"),
        ({"contents": ["x"], "generationConfig": {"maxOutputTokens": "x"}}, "generationConfig.maxOutputTokens"),
        ({"contents": ["x"], "generationConfig": {"stopSequences": "x"}}, "generationConfig.stopSequences"),
        ({"contents": ["x"], "generationConfig": {"responseModalities": 3}}, "generationConfig.responseModalities"),
        ({"contents": ["x"], "generationConfig": {"thinkingConfig": 3}}, "generationConfig.thinkingConfig"),
        ({"contents": ["x"], "generationConfig": {"responseSchema": 3}}, "generationConfig.responseSchema"),
        ({"contents": ["x"], "tools": 3}, "tools"),
        ({"contents": ["x"], "tools": [{"functionDeclarations": 3}]}, "tools[0].functionDeclarations"),
        ({"contents": ["x"], "tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0]"),
        (
            {"contents": ["x"], "toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}},
            "toolConfig.functionCallingConfig.mode",
        ),
        ({"contents": ["x"], "system_instruction": "a", "systemInstruction": "b"}, "systemInstruction"),
    ],
)
def test_bad_requests_name_their_place(body: dict[str, Any], where: str) -> None:
    with pytest.raises(RequestError) as caught:
        request("m", None, camel(body))
    assert caught.value.where == where


def test_requests_that_are_nested_too_deeply() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}
    call = {"functionCall": {"name": "f", "args": deep}}
    for body in ({"contents": deep}, {"contents": [{"role": "model", "parts": [call]}]}):
        with pytest.raises(RequestError, match="deep"):
            camel(body)


def test_more_of_what_a_request_may_say() -> None:
    schema = {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}
    asked: dict[str, Any] = {
        "contents": "Hi",
        "service_tier": "FLEX",
        "store": True,
        "cachedContent": "cachedContents/c",
        "generationConfig": {
            "seed": 7.0,
            "candidateCount": 1,
            "responseLogprobs": True,
            "logprobs": 3,
            "responseModalities": ["TEXT", "IMAGE"],
            "responseMimeType": "text/x.enum",
            "responseSchema": {"type": "STRING", "enum": ["a"]},
            "thinkingConfig": {"thinkingBudget": 9000},
            "speechConfig": {"languageCode": "de-DE"},
        },
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": schema, "behavior": "BLOCKING"}]}],
        "toolConfig": {
            "functionCallingConfig": {"mode": "validated", "allowedFunctionNames": ["f"]},
            "retrievalConfig": {"languageCode": "de"},
        },
    }
    made = request("m", None, camel(asked))
    function = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
    chosen = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}
    assert made.params == {
        "service_tier": "flex",
        "cached_content": "cachedContents/c",
        "seed": 7,
        "logprobs": True,
        "top_logprobs": 3,
        "modalities": ["text", "image"],
        "response_format": {
            "type": "text/x.enum",
            "json_schema": {"name": "response", "schema": {"type": "string", "enum": ["a"]}},
        },
        "reasoning_effort": "medium",
        "tools": [
            {"type": "function", "function": function, "extra_content": {"google": {"behavior": "BLOCKING"}}},
        ],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": chosen},
        "google": {
            "store": True,
            "generationConfig": {
                "thinkingConfig": {"thinkingBudget": 9000},
                "speechConfig": {"languageCode": "de-DE"},
            },
            "toolConfig": {
                "functionCallingConfig": {"mode": "VALIDATED"},
                "retrievalConfig": {"languageCode": "de"},
            },
        },
    }
    call = replace(new_call(**made.params), wire="gemini", messages=made.messages)
    body = request_body(call)
    assert body["toolConfig"] == {
        "functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
        "retrievalConfig": {"languageCode": "de"},
    }
    assert body["tools"][0]["functionDeclarations"][0]["behavior"] == "BLOCKING"
    assert body["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 9000}
    assert (body["store"], body["serviceTier"], body["cachedContent"]) == (True, "flex", "cachedContents/c")


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        ({"thinkingLevel": "high"}, {"reasoning_effort": "high"}),
        ({"thinkingBudget": 0}, {"reasoning_effort": "none"}),
        ({"thinkingBudget": 512}, {"reasoning_effort": "low"}),
        ({"thinkingBudget": 32768}, {"reasoning_effort": "high"}),
        ({"thinkingBudget": -1}, {}),
        ({"includeThoughts": True}, {}),
    ],
)
def test_the_nearest_effort(thinking: dict[str, Any], effort: dict[str, Any]) -> None:
    asked = {"contents": "Hi", "generationConfig": {"thinkingConfig": thinking}}
    params = request("m", None, asked).params
    assert params.pop("google") == {"generationConfig": {"thinkingConfig": thinking}}
    assert params == effort


@pytest.mark.parametrize(
    ("path", "model"),
    [("assistant:generateContent", "assistant"), ("a/b:c@d:generateContent", "a/b:c@d")],
)
def test_names_in_paths(path: str, model: str) -> None:
    assert named_model(path) == (model, None)
    name, prompt = named_model(f"prompt:support/answer@1.2.0:{path}"[: -len(path)] + "generateContent")
    assert name == ""
    assert prompt is not None
    assert (prompt.name, prompt.version) == ("support/answer", "1.2.0")
    for bad in ("generateContent", ":generateContent", "x" * 513 + ":generateContent"):
        with pytest.raises(RequestError):
            named_model(bad)


def test_an_answer_whose_arguments_are_no_object_says_so() -> None:
    call = ToolCallDelta(index=0, id="c", name="f", arguments='{"a":')
    for reason, ending in (("tool_calls", "MALFORMED_FUNCTION_CALL"), ("length", "MAX_TOKENS")):
        events: list[Event] = [
            Delta(text="Hm"),
            Delta(text="."),
            Delta(tool_calls=(call,)),
            Finished(reason=reason, model="x"),
        ]
        body = json.loads(response_body(new_call(), events))
        assert body["candidates"][0]["finishReason"] == ending
        assert body["candidates"][0]["content"]["parts"] == [{"text": "Hm."}]
        assert body["modelVersion"] == "x"
        assert "usageMetadata" not in body


def test_a_stream_goes_on_in_our_words_where_a_stage_changed_it() -> None:
    encoder = ResponseEncoder(new_call())
    raw = b'data: {"candidates": []}\r\n\r\n'
    assert encoder.encode(Delta(text="secret", raw=raw)) == raw
    changed = encoder.encode(Delta(text="***"))
    assert json.loads(changed[6:])["candidates"][0]["content"]["parts"] == [{"text": "***"}]
    usage = Usage(input=3, output=12, audio_input=1, image_output=10)
    assert encoder.encode(Finished(reason="stop", usage=usage)) == b""
    end = json.loads(encoder.end()[6:])
    assert end["candidates"][0]["finishReason"] == "STOP"
    assert end["usageMetadata"]["promptTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": 2},
        {"modality": "AUDIO", "tokenCount": 1},
    ]
    assert end["usageMetadata"]["candidatesTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": 2},
        {"modality": "IMAGE", "tokenCount": 10},
    ]


def test_an_array_is_open_until_its_end_and_stays_open_when_it_breaks() -> None:
    native = [
        b'data: {"a": 1}\r\n\r\ndata: {"b":\ndata: 2}\n\n',
        b'data: {"candidates": [{"finishReason": "STOP"}]}\r\n\r\n',
    ]
    encoder = ResponseEncoder(new_call(), array=True)
    sent = b"".join(encoder.encode(Delta(raw=raw)) for raw in native)
    assert json.loads(sent + b"]") == [{"a": 1}, {"b": 2}]
    encoder.encode(Finished(reason="stop"))
    assert json.loads(sent + encoder.end())[2:] == [{"candidates": [{"finishReason": "STOP"}]}]
    broken = ResponseEncoder(new_call(), array=True)
    cut = broken.encode(Delta(text="Hel")) + broken.fail(ProviderDown("gone"))
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut)
    assert json.loads(cut + b"]")[1]["error"]["status"] == "UNAVAILABLE"


def test_formats_say_what_they_are() -> None:
    asked = GenerateContent(stream=True).parse(
        Incoming(body=b'{"contents": "Hi", "model": "models/x"}', path="m:x", query="", content_type="")
    )
    assert (asked.model, asked.stream, asked.params) == ("m", True, {})
