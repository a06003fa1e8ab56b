"""Calls of other clients, for servers that speak OpenAI's format."""

from typing import Any

import msgspec
import pytest

from moat.adapters.providers.openai_foreign import in_openai_terms
from moat.domain.calls import Call
from moat.domain.errors import Unsupported
from moat.testing.fakes import new_call

TEXT = {"type": "text", "text": "x"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
MARK = {"cache_control": {"type": "ephemeral"}}


def foreign(*messages: dict[str, Any], **params: Any) -> Call:
    return msgspec.structs.replace(new_call(**params), messages=list(messages), wire="anthropic")


def test_what_says_nothing_to_others_is_left_out() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    asked = foreign(
        {"role": "user", "content": [{**TEXT, **MARK}]},
        {
            "role": "assistant",
            "content": "x",
            "thinking_blocks": [{"type": "thinking"}],
            "reasoning_content": "t",
            "tool_calls": [{**call, "extra_content": {"anthropic": {"caller": {}}}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "y", "is_error": True, **MARK},
        top_k=4,
        tools=[{"type": "function", "function": {"name": "f"}, **MARK}],
    )
    plain = in_openai_terms(asked, ())
    assert plain.messages == [
        {"role": "user", "content": [TEXT]},
        {"role": "assistant", "content": "x", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "y"},
    ]
    schema = {"type": "object", "properties": {}}
    assert plain.params == {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}
    assert asked.journal.notices == ["openai: left out top_k", "openai: left out is_error of a tool's result"]
    assert in_openai_terms(asked, ("top_k",)).params["top_k"] == 4
    kept = in_openai_terms(asked, ("cache_control", "reasoning_content"))
    assert kept.messages[0]["content"] == [{**TEXT, **MARK}]
    assert kept.messages[1]["reasoning_content"] == "t"
    assert kept.params["tools"][0].keys() == {"type", "function", "cache_control"}


def test_signatures_of_google_go_back_to_it() -> None:
    call = {"id": "c", "type": "function", "function": {}, "extra_content": {"google": {"thought_signature": "s"}}}
    found = in_openai_terms(foreign({"role": "assistant", "tool_calls": [call]}), ())
    assert found.messages[0]["tool_calls"] == [call]


@pytest.mark.parametrize("last", [True, False])
def test_images_that_tools_show_follow_all_results(last: bool) -> None:
    results = [
        {"role": "tool", "tool_call_id": "a", "content": [TEXT, IMAGE]},
        {"role": "tool", "tool_call_id": "b", "content": "y"},
    ]
    after = [] if last else [{"role": "user", "content": "z"}]
    found = in_openai_terms(foreign(*results, *after), ()).messages
    assert [message["role"] for message in found] == ["tool", "tool", "user", *(["user"] if after else [])]
    assert found[0]["content"][0] == TEXT
    assert found[2]["content"] == [{"type": "text", "text": "Result of the tool call a:"}, IMAGE]


@pytest.mark.parametrize(
    ("where", "call"),
    [
        ("messages[0].content[1]", foreign({"role": "user", "content": [TEXT, {"type": "search_result"}]})),
        ("messages[0].content[0]", foreign({"role": "user", "content": ["x"]})),
        ("messages[0].content[0]", foreign({"role": "user", "content": [{"type": "file", "file": {"file_url": "x"}}]})),
        ("tools[0]", foreign({"role": "user", "content": "x"}, tools=[{"type": "web_search_20250305"}])),
    ],
)
def test_what_is_part_of_the_question_is_refused(where: str, call: Call) -> None:
    with pytest.raises(Unsupported) as caught:
        in_openai_terms(call, ())
    assert caught.value.where == where


CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
OPEN = {"type": "object", "properties": {"b": {"type": "array", "items": {**CLOSED, "required": []}}}}


@pytest.mark.parametrize(("schema", "strict"), [(CLOSED, True), (OPEN, False), ({**CLOSED, "required": []}, False)])
def test_schemas_that_openai_would_refuse_are_not_enforced(schema: dict[str, Any], strict: bool) -> None:
    call = foreign(
        {"role": "user", "content": "x"},
        response_format={"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}},
        tools=[{"type": "function", "function": {"name": "f", "strict": True, "parameters": schema}}],
    )
    params = in_openai_terms(call, ()).params
    assert params["response_format"]["json_schema"]["strict"] is strict
    assert params["tools"][0]["function"]["strict"] is strict
    assert bool(call.journal.notices) is not strict
    assert call.params["response_format"]["json_schema"]["strict"] is True


def test_a_long_name_of_a_user_is_hashed() -> None:
    assert len(in_openai_terms(foreign(user="u" * 65), ()).params["user"]) == 64
    assert in_openai_terms(foreign(user="u" * 64), ()).params["user"] == "u" * 64
