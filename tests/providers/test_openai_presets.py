"""Servers that are almost OpenAI: what they are sent, and what is read from their answers."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.adapters.providers.openai_presets import PRESETS, chat_body, preset
from moat.domain.calls import Call, Delta, Event, Finished
from moat.domain.errors import (
    ContextOverflow,
    ProviderDown,
    ProviderError,
    ProviderOverloaded,
    ProviderRefused,
)
from moat.domain.quotas import Quota, Window
from moat.domain.usage import Usage
from moat.testing.fakes import new_call
from tests.providers.peer import answering, chunked, peer, whole

pytestmark = pytest.mark.anyio

EVENTS = b"content-type: text/event-stream"


def event(data: Any) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"


def piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def conversation(**params: Any) -> Call:
    call = new_call("Hi", stream=True, **params)
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Hm.",
            "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}],
            "tool_calls": [
                {
                    "id": "call_0123456789",
                    "type": "function",
                    "function": {"name": "look", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "x"}},
                },
                {"id": "abcDEF123", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_0123456789", "content": "42"},
    ]
    return msgspec.structs.replace(call, messages=messages)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_whole(name: str) -> None:
    config = msgspec.convert({"kind": "openai", "preset": name}, OpenAIConfig)
    assert config.base_url == PRESETS[name].base_url
    assert config.base_url.startswith("https://") or config.base_url.startswith("http://127.0.0.1:")
    assert not config.base_url.endswith("/")
    assert PRESETS[name].length in ("", "max_tokens", "max_completion_tokens")
    OpenAIProvider(config)
    body = chat_body(conversation(max_tokens=5, max_completion_tokens=7, seed=1, user="u"), "m", PRESETS[name])
    assert body["model"] == "m"
    assert len(body["messages"]) == 4
    assert all("thinking_blocks" not in message for message in body["messages"])


def test_the_table_in_the_docs_is_this_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "providers.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([a-z]+)` \| `(https?://[^`]+)` \|", page, flags=re.MULTILINE))
    assert rows == {name: known.base_url for name, known in PRESETS.items()}


def test_without_anything_it_is_openai_and_elsewhere_nothing_is_changed() -> None:
    assert OpenAIConfig().preset == "openai"
    elsewhere = OpenAIConfig(base_url="http://127.0.0.1:9/v1")
    assert elsewhere.preset == ""
    call = conversation(max_tokens=5)
    assert chat_body(call, "m", None)["messages"] is call.messages
    proxied = OpenAIConfig(preset="mistral", base_url="http://127.0.0.1:9/v1")
    assert (proxied.preset, proxied.base_url) == ("mistral", "http://127.0.0.1:9/v1")


def test_an_unknown_preset_is_told_with_the_nearest() -> None:
    with pytest.raises(msgspec.ValidationError, match="did you mean 'mistral'"):
        msgspec.convert({"preset": "mistrall"}, OpenAIConfig)
    with pytest.raises(msgspec.ValidationError, match=r"presets: openai, cerebras"):
        msgspec.convert({"preset": "zzz", "base_url": "http://127.0.0.1/v1"}, OpenAIConfig)


def test_openai_is_sent_no_member_that_it_refuses() -> None:
    system, user, assistant, tool = chat_body(conversation(), "m", preset("openai"))["messages"]
    assert system["role"] == "developer"
    assert user["content"] == [{"type": "text", "text": "Hi"}]
    assert assistant.keys() == {"role", "content", "tool_calls"}
    assert assistant["tool_calls"][0].keys() == {"id", "type", "function"}
    assert tool == {"role": "tool", "tool_call_id": "call_0123456789", "content": "42"}


def test_mistral_gets_what_it_takes() -> None:
    tools = [{"type": "function", "function": {"name": "look"}, "cache_control": {"type": "ephemeral"}}]
    call = conversation(max_completion_tokens=9, seed=4, user="u", store=False, tools=tools)
    body = chat_body(call, "m", preset("mistral"))
    assert body.keys() == {"model", "messages", "stream", "max_tokens", "random_seed", "tools"}
    assert (body["max_tokens"], body["random_seed"]) == (9, 4)
    assert body["tools"] == [{"type": "function", "function": {"name": "look"}}]
    system, _, assistant, tool = body["messages"]
    assert system["role"] == "system"
    ids = [each["id"] for each in assistant["tool_calls"]]
    assert ids[0] == tool["tool_call_id"]
    assert [len(each) for each in ids] == [9, 9]
    assert ids[1] == "abcDEF123"
    assert call.messages[0]["role"] == "developer", "the call itself stays as it was"


def test_what_a_server_knows_is_kept() -> None:
    messages = chat_body(conversation(max_tokens=3), "m", preset("openrouter"))["messages"]
    assert messages[1]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert chat_body(conversation(), "m", preset("deepseek"))["messages"][2]["reasoning_content"] == "Hm."
    assert chat_body(conversation(max_tokens=3), "m", preset("groq"))["max_completion_tokens"] == 3


async def ask(*chunks: bytes, wire: str = "openai", **config: Any) -> list[Event]:
    """A streamed answer from a server that sends these events."""
    async with peer(answering(chunked(*chunks, b"data: [DONE]\n\n", headers=(EVENTS,)))) as server:
        provider = OpenAIProvider(OpenAIConfig(base_url=server.url + "/v1", **config), name="x")
        call = msgspec.structs.replace(new_call("Hi", stream=True), wire=wire)
        try:
            return [found async for found in provider.answer(call)]
        finally:
            await provider.aclose()


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm."},
        {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
        {"reasoning_content": None, "reasoning": "Hm.", "content": ""},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
    ],
)
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_reasoning_is_found_wherever_it_stands(delta: dict[str, Any], wire: str) -> None:
    events = await ask(
        event({"choices": [piece(**delta)]}), event({"choices": [piece("stop", content="42")]}), wire=wire
    )
    deltas = [found for found in events if isinstance(found, Delta)]
    assert "".join(found.reasoning for found in deltas) == "Hm."
    assert "".join(found.text for found in deltas) == "42"
    assert all((found.raw is not None) == (wire == "openai") for found in deltas)


@pytest.mark.parametrize("junk", [7, {"text": "x"}, ["x"], True])
async def test_reasoning_of_another_type_is_passed_over(junk: Any) -> None:
    events = await ask(event({"choices": [piece("stop", content="42", reasoning=junk)]}))
    assert [found.reasoning for found in events if isinstance(found, Delta)] == [""]


@pytest.mark.promise("money-11")
@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (  # Groq
            {"choices": [piece("stop")], "x_groq": {"id": "r", "usage": {"prompt_tokens": 5, "completion_tokens": 2}}},
            Usage(input=5, output=2),
        ),
        (  # Moonshot
            {"choices": [{**piece("stop"), "usage": {"prompt_tokens": 5, "completion_tokens": 2, "cached_tokens": 4}}]},
            Usage(input=5, output=2, cached=4),
        ),
        (  # DeepSeek
            {
                "choices": [piece("stop")],
                "usage": {
                    "prompt_tokens": 5,
                    "completion_tokens": 9,
                    "total_tokens": 14,
                    "prompt_cache_hit_tokens": 3,
                    "prompt_cache_miss_tokens": 2,
                    "completion_tokens_details": {"reasoning_tokens": 6},
                },
            },
            Usage(input=5, output=9, cached=3, reasoning=6),
        ),
        (  # xAI: reasoning beside the answer
            {
                "choices": [piece("stop")],
                "usage": {
                    "prompt_tokens": 5,
                    "completion_tokens": 9,
                    "total_tokens": 20,
                    "completion_tokens_details": {"reasoning_tokens": 6},
                },
            },
            Usage(input=5, output=15, reasoning=6),
        ),
        (  # OpenAI with audio, OpenRouter with writes to a cache
            {
                "choices": [piece("stop")],
                "usage": {
                    "prompt_tokens": 50,
                    "completion_tokens": 9,
                    "prompt_tokens_details": {"audio_tokens": 20, "cached_tokens": 10, "cache_write_tokens": 8},
                    "completion_tokens_details": {"audio_tokens": 4},
                },
            },
            Usage(input=50, output=9, cached=10, cache_write=8, audio_input=20, audio_output=4),
        ),
    ],
)
async def test_usage_is_found_wherever_it_stands(last: dict[str, Any], expected: Usage) -> None:
    events = await ask(event({"choices": [piece(content="42")]}), event(last))
    assert events[-1] == Finished(reason="stop", usage=expected)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("stop", "stop"), ("eos", "stop"), ("model_length", "length"), ("function_call", "tool_calls")],
)
async def test_reasons_are_in_one_language(theirs: str, ours: str) -> None:
    events = await ask(event({"choices": [piece(theirs, content="42")]}))
    assert events[-1] == Finished(reason=ours)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 429, "message": "slow down"}, ProviderOverloaded),
        ({"code": "rate_limit_exceeded", "message": "slow down"}, ProviderOverloaded),
        ({"type": "overloaded_error", "message": "busy"}, ProviderOverloaded),
        ({"code": 502, "message": "slow down"}, ProviderDown),
        ("slow down", ProviderDown),
    ],
)
async def test_an_error_inside_a_stream_is_what_its_code_says(error: Any, kind: type[ProviderError]) -> None:
    with pytest.raises(kind, match=r"slow down|busy"):
        await ask(event({"choices": [piece(content="4")]}), event({"error": error, "choices": []}))


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        "prompt is too long: 208310 tokens > 200000 maximum",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Input is too long for requested model.",
        "the request exceeds the available context size. try increasing the context size",
        "Please reduce the length of the messages or completion.",
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        "`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000",
    ],
)
async def test_too_long_is_told_from_other_refusals(words: str) -> None:
    body = msgspec.json.encode({"error": {"message": words}})
    async with peer(answering(whole(body, status=b"400 Bad Request"))) as server:
        provider = OpenAIProvider(OpenAIConfig(base_url=server.url), name="x")
        with pytest.raises(ContextOverflow):
            _ = [found async for found in provider.answer(new_call("Hi"))]


@pytest.mark.parametrize(
    "words",
    [
        "max_tokens is too large: 99999. This model supports at most 16384 completion tokens.",
        "Invalid value for 'content': expected a string",
        "temperature: must be at most 1",
    ],
)
async def test_other_refusals_are_not_taken_for_it(words: str) -> None:
    body = msgspec.json.encode({"error": {"message": words}})
    async with peer(answering(whole(body, status=b"400 Bad Request"))) as server:
        provider = OpenAIProvider(OpenAIConfig(base_url=server.url), name="x")
        with pytest.raises(ProviderRefused) as caught:
            _ = [found async for found in provider.answer(new_call("Hi"))]
        assert not isinstance(caught.value, ContextOverflow)


@pytest.mark.parametrize("status", [b"200 OK", b"429 Too Many Requests"])
async def test_rate_limit_headers_are_told(status: bytes) -> None:
    told: list[tuple[str, Quota]] = []
    body = msgspec.json.encode({"choices": [{"message": {"content": "42"}}]})
    limits = (b"x-ratelimit-remaining-requests: 0", b"x-ratelimit-reset-requests: 20ms")
    async with peer(answering(whole(body, *limits, status=status))) as server:
        provider = OpenAIProvider(
            OpenAIConfig(base_url=server.url), name="x", quota=lambda model, quota: told.append((model, quota))
        )
        try:
            _ = [found async for found in provider.answer(new_call("Hi"))]
        except ProviderOverloaded:
            assert status.startswith(b"429")
        assert told == [("large", Quota(requests=Window(0, 0.02)))]
        await provider.aclose()
