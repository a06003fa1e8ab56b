"""Between Google and others in the middle of a conversation: whoever answers, the client notices nothing."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from moat.adapters.providers.gemini import ApiKey, GeminiConfig, GeminiProvider
from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.domain.calls import Call, Event
from moat.gateway.format import Format, Incoming
from moat.gateway.formats.gemini import GenerateContent
from moat.gateway.formats.openai_chat import OpenAIChat
from moat.pipeline.compose import Next
from moat.pipeline.recipe import build
from moat.ports.models import Provider
from moat.testing.fakes import FixedModels, fake_ports, new_call
from tests.gateway import openai_peer
from tests.gateway.openai_peer import Answer, OpenAIPeer
from tests.providers.gemini_server import KEY, GeminiServer, Reply, gemini_server, says

pytestmark = pytest.mark.anyio

BUSY = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}


@asynccontextmanager
async def both(order: list[str], google: GeminiServer, openai: str) -> AsyncIterator[Next]:
    """A pipeline that asks one and then the other."""
    config = GeminiConfig(base_url=f"{google.url}/v1beta", api_key=KEY)
    providers: dict[str, Provider] = {
        "google": GeminiProvider(ApiKey(config), config),
        "openai": OpenAIProvider(OpenAIConfig(preset="openai", base_url=openai)),
    }
    models = FixedModels({"assistant": [f"{name}/large" for name in order]}, providers)
    yield build(replace(fake_ports(providers["google"]), models=models))
    for provider in providers.values():
        await provider.aclose()


def call_of(format: Format, body: Any) -> Call:
    asked = format.parse(Incoming(body=json.dumps(body).encode(), path="assistant:x", query="", content_type=""))
    return msgspec.structs.replace(
        new_call(stream=asked.stream, **asked.params), messages=asked.messages, wire=format.wire
    )


async def events_of(run: Next, call: Call) -> list[Event]:
    return [event async for event in run(call)]


async def test_a_gemini_client_moves_on_to_openai_with_its_tools() -> None:
    signed = {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "AAAA"}
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "Let me see.", "thought": True}, signed]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": 2}}}]},
        ],
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    }
    peer = OpenAIPeer(chat__completions=openai_peer.chat("Two."))
    with gemini_server(Reply(BUSY, 503)) as google, peer.running() as url:
        async with both(["google", "openai"], google, url) as run:
            call = call_of(GenerateContent(), body)
            answer = json.loads(GenerateContent().body(call, await events_of(run, call))[0])
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "Two."}]
    assert google.asked[0].body["contents"][1]["parts"][1]["thoughtSignature"] == "AAAA"
    _, said, result = peer.asked[0].json["messages"]
    function = {"name": "f", "arguments": '{"a":1}'}
    assert said["tool_calls"] == [{"id": "call_1", "type": "function", "function": function}]
    assert result["tool_call_id"] == "call_1"
    assert "AAAA" not in peer.asked[0].body.decode()
    assert "google" not in peer.asked[0].json
    assert [attempt.error for attempt in call.journal.attempts] == ["provider_down", ""]


async def test_an_openai_client_moves_on_to_gemini_with_calls_that_openai_made() -> None:
    call_made = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = {
        "model": "assistant",
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": None, "tool_calls": [call_made]},
            {"role": "tool", "tool_call_id": "c1", "content": "two"},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    peer = OpenAIPeer(chat__completions=Answer({"error": {"message": "busy"}}, 503))
    with gemini_server(says("Two.")) as google, peer.running() as url:
        async with both(["openai", "google"], google, url) as run:
            call = call_of(OpenAIChat(), body)
            answer = json.loads(OpenAIChat().body(call, await events_of(run, call))[0])
    assert answer["choices"][0]["message"]["content"] == "Two."
    made = google.asked[0].body["contents"][1]["parts"][0]
    assert made["thoughtSignature"] == "skip_thought_signature_validator"


async def test_what_gemini_cannot_do_goes_to_one_that_can() -> None:
    body = {"model": "assistant", "messages": [{"role": "user", "content": "Hi"}], "logit_bias": {"5": 1}}
    peer = OpenAIPeer(chat__completions=openai_peer.chat("Hello"))
    with gemini_server(says("never")) as google, peer.running() as url:
        async with both(["google", "openai"], google, url) as run:
            await events_of(run, call_of(OpenAIChat(), body))
    assert google.asked == []
    assert peer.asked[0].json["logit_bias"] == {"5": 1}
