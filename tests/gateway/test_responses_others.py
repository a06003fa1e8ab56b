"""The official OpenAI SDK's responses over servers that answer like Anthropic and like Gemini, tools and thinking back
and forth: what a provider signed must come back to it.
"""

from typing import Any

import pytest
from openai import OpenAI
from pydantic import BaseModel

from moat.adapters.providers.gemini import ApiKey, GeminiConfig, GeminiProvider
from moat.domain.calls import Delta, Finished
from moat.testing.scripted import ScriptedProvider
from tests.gateway.anthropic_world import SECRET, World, behind_anthropic, gateway
from tests.providers.anthropic_server import AnthropicServer
from tests.providers.gemini_server import KEY, fixture, gemini_server, says

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Place(BaseModel):
    """What a structured answer holds."""

    city: str


def client_of(world: World) -> OpenAI:
    return OpenAI(base_url=f"{world.url}/v1", api_key=SECRET, max_retries=0)


def final_of(client: OpenAI, stream: bool, **asked: Any) -> Any:
    """The whole response, streamed or not."""
    answer = client.responses.create(model="assistant", stream=stream, **asked)
    return list(answer)[-1].response if stream else answer


@pytest.mark.parametrize("stream", [False, True])
def test_anthropics_thinking_comes_back_signed(stream: bool) -> None:
    server = AnthropicServer("thinking", "text")
    with behind_anthropic(server) as world, client_of(world) as client:
        asked: list[Any] = [{"role": "user", "content": "27 * 453?"}]
        first = final_of(
            client, stream, input=asked, instructions="Be exact.", reasoning={"effort": "high"}, metadata={"order": "7"}
        )
        items = [item.to_dict() for item in first.output]
        second = final_of(client, stream, input=[*asked, *items, {"role": "user", "content": "Sure?"}])

    assert [item.type for item in first.output] == ["reasoning", "reasoning", "message"]
    assert first.output_text == "12231"
    assert first.usage.output_tokens == 120
    assert second.output_text
    turn = server.bodies[1]["messages"][1]
    assert [block["type"] for block in turn["content"]] == ["thinking", "redacted_thinking", "text"]
    assert turn["content"][0]["signature"]
    assert turn["content"][1]["data"]
    assert server.bodies[0]["system"]


@pytest.mark.parametrize("stream", [False, True])
def test_anthropics_tools_go_round(stream: bool) -> None:
    server = AnthropicServer("tools", "text")
    with behind_anthropic(server) as world, client_of(world) as client:
        asked: list[Any] = [{"role": "user", "content": "Weather?"}]
        first = final_of(client, stream, input=asked, tools=[WEATHER], tool_choice="required")
        calls = [item for item in first.output if item.type == "function_call"]
        results = [{"type": "function_call_output", "call_id": call.call_id, "output": "sun"} for call in calls]
        items = [item.to_dict() for item in first.output]
        final_of(client, stream, input=[*asked, *items, *results], tools=[WEATHER])

    assert calls
    sent = server.bodies[1]["messages"]
    used = [block["id"] for block in sent[1]["content"] if block["type"] == "tool_use"]
    answered = [block["tool_use_id"] for block in sent[2]["content"] if block["type"] == "tool_result"]
    assert used == answered == [call.call_id for call in calls]


@pytest.mark.parametrize(("name", "reason"), [("max_tokens", "max_output_tokens"), ("refusal", "content_filter")])
def test_anthropics_early_ends_are_incomplete(name: str, reason: str) -> None:
    with behind_anthropic(AnthropicServer(name)) as world, client_of(world) as client:
        final = final_of(client, True, input="Hi")

    assert (final.status, final.incomplete_details.reason) == ("incomplete", reason)


def test_an_overload_in_the_middle_fails_the_response() -> None:
    with behind_anthropic(AnthropicServer("overloaded")) as world, client_of(world) as client:
        last = list(client.responses.create(model="assistant", input="Hi", stream=True))[-1]

    assert last.type == "response.failed"
    assert last.response.error.code == "rate_limit_exceeded"


@pytest.mark.parametrize("stream", [False, True])
def test_geminis_signatures_come_back_with_their_calls(stream: bool) -> None:
    called = fixture("stream_tools.sse") if stream else _tools_whole()
    with gemini_server(called, says("Sunny.")) as server:
        config = GeminiConfig(base_url=f"{server.url}/v1beta", api_key=KEY)
        with gateway(GeminiProvider(ApiKey(config), config)) as world, client_of(world) as client:
            asked: list[Any] = [{"role": "user", "content": "Weather in Paris and Zurich?"}]
            first = final_of(client, stream, input=asked, tools=[WEATHER])
            calls = [item for item in first.output if item.type == "function_call"]
            results = [{"type": "function_call_output", "call_id": call.call_id, "output": "sun"} for call in calls]
            items = [item.to_dict() for item in first.output]
            second = client.responses.create(model="assistant", input=[*asked, *items, *results], tools=[WEATHER])

    assert second.output_text == "Sunny."
    parts = server.asked[1].body["contents"][1]["parts"]
    signed = [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
    assert signed == ["CiQB0e2Kb0p2YXJpcw=="]
    assert len([part for part in parts if "functionCall" in part]) == len(calls)


def _tools_whole() -> dict[str, Any]:
    call = {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}, "id": "c1"}}
    return says({**call, "thoughtSignature": "CiQB0e2Kb0p2YXJpcw=="})


def test_structured_answers_over_gemini() -> None:
    with gemini_server(says('{"city": "Bern"}')) as server:
        config = GeminiConfig(base_url=f"{server.url}/v1beta", api_key=KEY)
        with gateway(GeminiProvider(ApiKey(config), config)) as world, client_of(world) as client:
            answer = client.responses.parse(model="assistant", input="Where?", text_format=Place)

    assert answer.output_parsed == Place(city="Bern")
    assert server.asked[0].body["generationConfig"]["responseMimeType"] == "application/json"


def test_tokens_are_counted_by_the_provider_or_estimated() -> None:
    with behind_anthropic(AnthropicServer()) as world, client_of(world) as client:
        counted = client.responses.input_tokens.with_raw_response.count(model="assistant", input="twelve chars")
    with gateway(ScriptedProvider()) as world, client_of(world) as client:
        estimated = client.responses.input_tokens.with_raw_response.count(model="assistant", input="twelve chars")

    assert (counted.parse().input_tokens, "x-moat-estimated" in counted.headers) == (2095, False)
    assert (estimated.parse().input_tokens, estimated.headers["x-moat-estimated"]) == (3, "true")


def test_an_answer_without_usage_shows_the_estimate() -> None:
    said = [Delta(text="twelve chars"), Finished(reason="stop", usage=None)]
    with gateway(ScriptedProvider(said)) as world, client_of(world) as client:
        for stream in (False, True):
            usage = final_of(client, stream, input="eight ch").usage
            assert (usage.input_tokens, usage.output_tokens) == (2, 3)
