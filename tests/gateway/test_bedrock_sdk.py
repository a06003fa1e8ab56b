"""The official OpenAI and Anthropic SDKs against the gateway, in front of Bedrock's wire, over real sockets."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import openai
import pydantic
import pytest

from moat.adapters.providers.bedrock import BedrockConfig, BedrockProvider
from moat.domain.usage import Usage
from moat.testing.loopback import on_loopback
from tests.gateway.anthropic_world import SECRET, World, gateway
from tests.providers.bedrock_server import THINKING, TOOLS, BedrockServer

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
USED = Usage(input=12, output=3, cached=5)


@contextmanager
def behind(server: BedrockServer) -> Iterator[World]:
    with on_loopback(server) as url:
        config = BedrockConfig(region="eu-west-1", base_url=url, access_key_id="AKID", secret_access_key="secret")
        with gateway(BedrockProvider(config, name="main")) as world:
            yield world


@contextmanager
def openai_at(world: World) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{world.url}/v1", api_key=SECRET, max_retries=0) as client:
        yield client


@contextmanager
def anthropic_at(world: World) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=world.url, api_key=SECRET, max_retries=0) as client:
        yield client


def usage(world: World) -> Usage:
    """Of the call that was recorded last."""
    span = world.spool.calls[-1]
    return Usage(input=span.input_tokens, output=span.output_tokens, cached=span.cached_tokens)


def test_openai_chat_whole_and_streamed() -> None:
    with behind(BedrockServer()) as world, openai_at(world) as client:
        whole = client.chat.completions.create(model="assistant", messages=HELLO)
        assert whole.choices[0].message.content == "Hello there"
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage is not None
        assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (12, 3)
        assert usage(world) == USED
        chunks = list(client.chat.completions.create(model="assistant", messages=HELLO, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello there"
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert usage(world) == USED


def test_openai_tools_and_their_results() -> None:
    tool: Any = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
    server = BedrockServer(TOOLS)
    with behind(server) as world, openai_at(world) as client:
        for stream in (False, True):
            if stream:
                with client.chat.completions.stream(model="assistant", messages=HELLO, tools=[tool]) as events:
                    message = events.get_final_completion().choices[0].message
            else:
                created = client.chat.completions.create(model="assistant", messages=HELLO, tools=[tool])
                message = created.choices[0].message  # type: ignore[assignment]
            calls = [(call.id, call.function.arguments) for call in message.tool_calls or ()]  # type: ignore[union-attr]
            assert calls == [("tooluse_1", '{"city":"Bern"}'), ("tooluse_2", '{"city":"Rome"}')]
            assert message.content == "Let me look."
        results: list[Any] = [{"role": "tool", "tool_call_id": number, "content": "sunny"} for number, _ in calls]
        server.blocks = [{"text": "Sunny in both."}]
        asked: Any = [*HELLO, message.model_dump(exclude_none=True, exclude={"parsed"}), *results]
        final = client.chat.completions.create(model="assistant", messages=asked, tools=[tool])
        assert final.choices[0].message.content == "Sunny in both."
        turns = server.asked[-1][1]["messages"]
        assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
        assert [block["toolResult"]["toolUseId"] for block in turns[2]["content"]] == ["tooluse_1", "tooluse_2"]


def test_openai_structured_outputs() -> None:
    class Weather(pydantic.BaseModel):
        city: str

    server = BedrockServer([{"text": '{"city": "Bern"}'}])
    with behind(server) as world, openai_at(world) as client:
        parsed = client.chat.completions.parse(model="assistant", messages=HELLO, response_format=Weather)
        assert parsed.choices[0].message.parsed == Weather(city="Bern")
        assert "jsonSchema" in server.asked[0][1]["outputConfig"]["textFormat"]["structure"]


def test_anthropic_messages_with_thinking_and_tools() -> None:
    server = BedrockServer(THINKING)
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    asked: dict[str, Any] = {"model": "assistant", "max_tokens": 2048, "messages": HELLO, "thinking": thinking}
    with behind(server) as world, anthropic_at(world) as client:
        whole = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
        for message in (whole, streamed):
            assert [block.type for block in message.content] == ["thinking", "text"]
            assert message.content[0].signature == "c2ln"  # type: ignore[union-attr]
            assert message.stop_reason == "end_turn"
            assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (7, 5)
        turns: Any = [*HELLO, {"role": "assistant", "content": whole.content}, {"role": "user", "content": "And?"}]
        client.messages.create(**{**asked, "messages": turns})
        assert server.asked[-1][1]["messages"][1]["content"] == THINKING
        server.blocks = TOOLS
        tools: Any = [{"name": "get_weather", "input_schema": SCHEMA}]
        called = client.messages.create(model="assistant", max_tokens=99, messages=HELLO, tools=tools)
        assert called.stop_reason == "tool_use"
        assert [block.input for block in called.content if block.type == "tool_use"] == [
            {"city": "Bern"},
            {"city": "Rome"},
        ]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ((429, "ThrottlingException", "slow down"), openai.RateLimitError),
        ((400, "ValidationException", "bad"), openai.BadRequestError),
        ((404, "ResourceNotFoundException", "no such model"), openai.NotFoundError),
        ((403, "AccessDeniedException", "not yours"), openai.InternalServerError),
        ((500, "InternalServerException", "oops"), openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_sdks_own(error: tuple[int, str, str], kind: type[Exception], stream: bool) -> None:
    with behind(BedrockServer(error=error)) as world, openai_at(world) as client:
        with pytest.raises(kind):
            client.chat.completions.create(model="assistant", messages=HELLO, stream=stream)
