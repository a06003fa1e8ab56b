"""The official Anthropic SDK against the gateway, over real sockets, in front of Anthropic's wire and of OpenAI's."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import pydantic
import pytest

from moat.domain.calls import Delta, Finished, ToolCallDelta
from moat.domain.errors import ProviderOverloaded, StreamCut
from moat.domain.releases import MessageTemplate, PromptVersion, Variable
from moat.domain.usage import Usage
from moat.testing.scripted import ScriptedProvider
from moat.testing.server import ProviderServer
from tests.gateway.anthropic_world import SECRET, World, behind_anthropic, behind_openai, gateway
from tests.providers.anthropic_server import FIXTURES, AnthropicServer, error_of

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather somewhere",
    "input_schema": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
}
ASK: dict[str, Any] = {"model": "assistant", "max_tokens": 100, "messages": HELLO}


@contextmanager
def client(world: World, **options: Any) -> Iterator[anthropic.Anthropic]:
    """The SDK as it comes, without retries of its own unless asked for."""
    with anthropic.Anthropic(base_url=world.url, **{"api_key": SECRET, "max_retries": 0, **options}) as made:
        yield made


def openai_server(*script: Any) -> tuple[ProviderServer, ScriptedProvider]:
    provider = ScriptedProvider(*script)
    return ProviderServer(provider), provider


def test_a_message_of_anthropic_arrives_untouched() -> None:
    with behind_anthropic(AnthropicServer("web_search")) as world, client(world) as asked:
        raw = asked.messages.with_raw_response.create(**ASK)
        message = raw.parse()

    assert json.loads(raw.read()) == json.loads((FIXTURES / "web_search.json").read_bytes())
    assert [block.type for block in message.content] == ["text", "server_tool_use", "web_search_tool_result", "text"]
    assert message._request_id == raw.headers["x-request-id"] == world.spool.calls[0].request_id
    assert raw.headers["x-moat-deployment"] == "main/claude"


@pytest.mark.parametrize("name", ["text", "tools", "thinking", "cached", "web_search", "refusal"])
def test_a_stream_of_anthropic_arrives_untouched(name: str) -> None:
    with behind_anthropic(AnthropicServer(name)) as world, client(world) as asked:
        with asked.messages.stream(**ASK) as stream:
            final = stream.get_final_message()
        with asked.messages.with_streaming_response.create(**ASK, stream=True) as raw:
            body = raw.read()

    sent = json.loads((FIXTURES / f"{name}.json").read_bytes())
    assert body == (FIXTURES / f"{name}.sse").read_bytes()
    assert [block.model_dump(exclude_none=True) for block in final.content] == sent["content"]
    assert (final.stop_reason, final.usage.output_tokens) == (sent["stop_reason"], sent["usage"]["output_tokens"])


def test_what_the_client_asks_arrives_unchanged_in_meaning() -> None:
    server = AnthropicServer("tools")
    cache = {"type": "ephemeral", "ttl": "1h"}
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"location": "Bern"}}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    cited = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "It rains."},
        "citations": {"enabled": True},
        "title": "Rain",
    }
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [{"type": "text", "text": "No network"}, image],
        "is_error": True,
        "cache_control": cache,
    }
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Weather?", "cache_control": cache}, image, cited]},
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "I look."}, call]},
        {"role": "user", "content": [result, {"type": "text", "text": "And?"}]},
    ]
    request: dict[str, Any] = {
        "max_tokens": 4000,
        "messages": messages,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": cache}],
        "tools": [
            {**WEATHER, "cache_control": cache, "strict": True},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-17"},
        "service_tier": "standard_only",
        "output_config": {"effort": "max", "format": {"type": "json_schema", "schema": {"type": "string"}}},
    }
    with behind_anthropic(server, version="2023-06-01", betas=["ours-1"]) as world, client(world) as asked:
        asked.messages.create(model="assistant", **request, extra_headers={"anthropic-beta": "theirs-1,theirs-2"})

    assert server.bodies[0] == {**request, "model": "claude"}
    assert server.heads[0]["anthropic-beta"] == "ours-1,theirs-1,theirs-2"
    assert server.heads[0]["anthropic-version"] == anthropic.Anthropic(api_key="x").default_headers["anthropic-version"]
    assert server.heads[0]["x-api-key"] == "sk-ant-secret-1"
    assert world.spool.calls[0].user == "u-17"


def test_another_provider_is_asked_in_its_own_words() -> None:
    server, provider = openai_server("It rains.")
    messages: list[Any] = [
        {"role": "user", "content": [{"type": "text", "text": "Look", "cache_control": {"type": "ephemeral"}},
                                     {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"location": "Bern"}},
            {"type": "tool_use", "id": "toolu_2", "name": "get_weather", "input": {"location": "Genf"}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Rain"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "Sun"}],
             "is_error": True},
            {"type": "text", "text": "Well?"},
        ]},
    ]  # fmt: skip
    with behind_openai(server) as world, client(world) as asked:
        message = asked.messages.create(
            model="assistant",
            max_tokens=100,
            system="Be brief.",
            messages=messages,
            tools=[{**WEATHER, "cache_control": {"type": "ephemeral"}}],
            tool_choice={"type": "any", "disable_parallel_tool_use": True},
            stop_sequences=["END"],
            thinking={"type": "enabled", "budget_tokens": 2048},
            metadata={"user_id": "u-17" * 20},
            extra_body={"temperature": 0.5, "top_p": 0.9},
        )

    assert [block.model_dump(exclude_none=True) for block in message.content] == [{"type": "text", "text": "It rains."}]
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("end_turn", 10, 5)
    sent = provider.calls[0]
    call = {"type": "function", "function": {"name": "get_weather", "arguments": '{"location":"Bern"}'}}
    other = {"type": "function", "function": {"name": "get_weather", "arguments": '{"location":"Genf"}'}}
    assert sent.messages == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [{"id": "toolu_1", **call}, {"id": "toolu_2", **other}]},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "Rain"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "Sun"},
        {"role": "user", "content": "Well?"},
    ]
    function = {"name": WEATHER["name"], "description": WEATHER["description"], "parameters": WEATHER["input_schema"]}
    assert sent.params == {
        "max_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "tools": [{"type": "function", "function": function}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "user": hashlib.sha256(b"u-17" * 20).hexdigest(),
    }


TOOLS = [
    Delta(text="I look."),
    Delta(tool_calls=(ToolCallDelta(index=0, id="call_1", name="get_weather", arguments='{"location"'),)),
    Delta(tool_calls=(ToolCallDelta(index=1, id="call_2", name="get_time"),)),
    Delta(tool_calls=(ToolCallDelta(index=0, arguments=': "Bern"}'),)),
    Delta(tool_calls=(ToolCallDelta(index=1, arguments="{}"),)),
    Finished(reason="tool_calls", usage=Usage(input=30, output=9, cached=20)),
]


def test_tools_of_another_provider_streamed_and_not() -> None:
    server, _ = openai_server(TOOLS)
    with behind_openai(server) as world, client(world) as asked:
        whole = asked.messages.create(**ASK, tools=[WEATHER])
        with asked.messages.stream(**ASK, tools=[WEATHER]) as stream:
            kinds = [
                (event.type, getattr(event, "index", None)) for event in stream if event.type.startswith("content")
            ]
            final = stream.get_final_message()

    expected = [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"location": "Bern"}},
        {"type": "tool_use", "id": "call_2", "name": "get_time", "input": {}},
    ]
    for message in (whole, final):
        assert [block.model_dump(exclude_none=True) for block in message.content] == expected
        assert message.stop_reason == "tool_use"
        assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (10, 20)
    order = [index for kind, index in kinds]
    assert order == sorted(order)
    assert [kind for kind, _ in kinds if kind != "content_block_delta"] == [
        "content_block_start",
        "content_block_stop",
    ] * 3


class Person(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0)


def test_structured_output_of_either_provider() -> None:
    server, provider = openai_server('{"name": "Ada", "age": 36}')
    with behind_openai(server) as world, client(world) as asked:
        parsed = asked.messages.parse(**ASK, output_format=Person)
    assert parsed.parsed_output == Person(name="Ada", age=36)
    form = provider.calls[0].params["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"]["properties"].keys() == {"name", "age"}

    native = AnthropicServer((200, {}, _said('{"name": "Ada", "age": 36}')))
    with behind_anthropic(native) as world, client(world) as asked:
        assert asked.messages.parse(**ASK, output_format=Person).parsed_output == Person(name="Ada", age=36)
    assert native.bodies[0]["output_config"]["format"]["schema"] == anthropic.transform_schema(Person)


def _said(text: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((FIXTURES / "text.json").read_bytes())
    return {**body, "content": [{"type": "text", "text": text}]}


@pytest.mark.anyio
async def test_the_asynchronous_client() -> None:
    for world_of, server in ((behind_anthropic, AnthropicServer()), (behind_openai, openai_server("Hello! You?")[0])):
        with world_of(server) as world:
            async with anthropic.AsyncAnthropic(base_url=world.url, auth_token=SECRET) as asked:
                whole = await asked.messages.create(**ASK)
                async with asked.messages.stream(**ASK) as stream:
                    text = "".join([piece async for piece in stream.text_stream])
        assert whole.content[0].type == "text"
        assert whole.content[0].text == text
        assert text.startswith("Hello!")


STATUSES = [
    (400, "invalid_request_error", anthropic.BadRequestError, 400),
    (401, "authentication_error", anthropic.InternalServerError, 502),
    (402, "billing_error", anthropic.InternalServerError, 502),
    (403, "permission_error", anthropic.InternalServerError, 502),
    (404, "not_found_error", anthropic.NotFoundError, 404),
    (413, "request_too_large", anthropic.APIStatusError, 413),
    (429, "rate_limit_error", anthropic.RateLimitError, 429),
    (500, "api_error", anthropic.InternalServerError, 502),
    (529, "overloaded_error", anthropic.RateLimitError, 429),
]


@pytest.mark.parametrize(("status", "kind", "raised", "ours"), STATUSES)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_of_the_provider(status: int, kind: str, raised: Any, ours: int, stream: bool) -> None:
    server = AnthropicServer((status, {"retry-after": "7"}, error_of(kind, "Because, sk-ant-secret-1.")))
    with behind_anthropic(server) as world, client(world) as asked, pytest.raises(raised) as caught:
        asked.messages.create(**ASK, stream=stream)

    error = caught.value
    body = error.body
    assert error.status_code == ours
    assert body["type"] == "error"
    assert body["request_id"] == error.request_id == world.spool.calls[0].request_id
    assert "Because" in body["error"]["message"]
    assert "secret" not in body["error"]["message"]
    if status == 429:
        assert error.response.headers["retry-after"] == "7"


def test_errors_of_the_gateway_have_anthropics_shape() -> None:
    with behind_anthropic(AnthropicServer()) as world:
        with client(world, api_key="mk-wrong") as asked, pytest.raises(anthropic.AuthenticationError) as caught:
            asked.messages.create(**ASK)
        assert caught.value.type == "authentication_error"
        with client(world) as asked:
            with pytest.raises(anthropic.NotFoundError) as missing:
                asked.messages.create(**{**ASK, "model": "nobody"})
            assert missing.value.type == "not_found_error"
            assert "assistant" in str(missing.value.api_message)
            with pytest.raises(anthropic.BadRequestError) as bad:
                asked.messages.create(**{**ASK, "messages": [{"role": "owner", "content": "x"}]})
            assert "messages[0].role" in str(bad.value.api_message)


def test_the_clients_own_retries_and_timeouts() -> None:
    flaky = AnthropicServer((529, {}, error_of("overloaded_error", "Overloaded")), "text")
    with behind_anthropic(flaky) as world, client(world, max_retries=2) as asked:
        assert asked.messages.create(**ASK).content[0].type == "text"
    assert len(flaky.bodies) == 2

    with behind_anthropic(AnthropicServer(delay=2)) as world, client(world, timeout=0.2) as asked:
        with pytest.raises(anthropic.APITimeoutError):
            asked.messages.create(**ASK)


@pytest.mark.promise("up-2")
def test_a_stream_that_breaks_ends_with_an_error_and_without_its_end_mark() -> None:
    def read(world: World) -> tuple[str, bytes]:
        with client(world) as asked:
            with asked.messages.with_streaming_response.create(**ASK, stream=True) as raw:
                body = raw.read()
            with pytest.raises(anthropic.APIStatusError) as caught, asked.messages.stream(**ASK) as stream:
                stream.until_done()
        return str(caught.value.type), body

    with behind_anthropic(AnthropicServer("overloaded")) as world:
        kind, body = read(world)
    assert kind == "rate_limit_error"
    assert b"message_stop" not in body
    assert b"event: error\n" in body

    with gateway(ScriptedProvider([Delta(text="Hel"), StreamCut("cut")])) as world:
        kind, body = read(world)
    assert kind == "api_error"
    assert b"message_stop" not in body


def test_an_error_before_the_first_piece_is_tried_again() -> None:
    server = AnthropicServer("overloaded_at_once", "text")
    with behind_anthropic(server, retries=1) as world, client(world) as asked, asked.messages.stream(**ASK) as stream:
        assert stream.get_final_text() == "Hello! How can I help?"
    assert len(server.bodies) == 2


def test_counting_tokens_is_asked_of_anthropic_and_estimated_elsewhere() -> None:
    server = AnthropicServer()
    with behind_anthropic(server) as world, client(world) as asked:
        raw = asked.messages.with_raw_response.count_tokens(
            model="assistant", messages=HELLO, system="Be brief.", tools=[WEATHER]
        )
        assert raw.parse().input_tokens == 2095
        assert "x-moat-estimated" not in raw.headers
    assert server.paths == ["/v1/messages/count_tokens"]
    assert server.bodies[0].keys() == {"model", "messages", "system", "tools"}
    assert not world.spool.spans

    model, _ = openai_server("x")
    with behind_openai(model) as world, client(world) as asked:
        raw = asked.messages.with_raw_response.count_tokens(model="assistant", messages=HELLO)
        assert raw.parse().input_tokens == 2
        assert raw.headers["x-moat-estimated"] == "true"

    away = AnthropicServer((529, {}, error_of("overloaded_error", "Overloaded")))
    with behind_anthropic(away) as world, client(world) as asked:
        raw = asked.messages.with_raw_response.count_tokens(model="assistant", messages=HELLO)
        assert raw.headers["x-moat-estimated"] == "true"
        assert "provider_overloaded" in raw.headers["x-moat-notice"]


GREETING = PromptVersion(
    name="team/greeting",
    version="1.2.0",
    messages=(MessageTemplate("system", "Be kind."), MessageTemplate("user", "Greet {{ name }}")),
    model="assistant",
    variables={"name": Variable()},
    params={"seed": 7, "temperature": 0.5},
)


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_is_named_as_a_model(stream: bool) -> None:
    server = AnthropicServer()
    with behind_anthropic(server, GREETING) as world, client(world) as asked:
        raw = asked.messages.with_raw_response.create(
            model="prompt:team/greeting@1.2.0",
            max_tokens=50,
            messages=[{"role": "user", "content": [{"type": "text", "text": "Bo"}]}],
            stream=stream,
        )
        counted = asked.messages.count_tokens(model="prompt:team/greeting@1.2.0", messages=HELLO)
    assert counted.input_tokens == 2095
    assert raw.headers["x-moat-prompt"] == "team/greeting@1.2.0"
    assert "seed" in raw.headers["x-moat-notice"]
    body = server.bodies[0]
    assert body["system"] == [{"type": "text", "text": "Be kind."}]
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Greet Bo"}]}]
    assert (body["temperature"], body["max_tokens"]) == (0.5, 50)


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_of_another_provider(stream: bool) -> None:
    server, _ = openai_server([Delta(refusal="I can't."), Finished(reason="stop", usage=None)])
    with behind_openai(server) as world, client(world) as asked:
        with asked.messages.stream(**ASK) as streamed:
            message = streamed.get_final_message()
        message = message if stream else asked.messages.create(**ASK)
    assert message.stop_reason == "refusal"
    assert message.content[0].text == "I can't."


def test_a_provider_that_is_overloaded_says_so() -> None:
    server, _ = openai_server(ProviderOverloaded("slow down", retry_after=3))
    with behind_openai(server) as world, client(world) as asked, pytest.raises(anthropic.RateLimitError) as caught:
        asked.messages.create(**ASK)
    assert caught.value.type == "rate_limit_error"
    assert caught.value.response.headers["retry-after"] == "3"


def test_the_beta_client() -> None:
    server = AnthropicServer("thinking")
    edits: Any = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    with behind_anthropic(server) as world, client(world) as asked:
        message = asked.beta.messages.create(**ASK, betas=["context-management-2025-06-27"], context_management=edits)
        with asked.beta.messages.stream(**ASK) as stream:
            final = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "redacted_thinking", "text"]
    assert [block.type for block in final.content] == ["thinking", "redacted_thinking", "text"]
    assert server.heads[0]["anthropic-beta"] == "context-management-2025-06-27"
    assert server.bodies[0]["context_management"] == edits


def test_the_tool_loop_of_the_sdk() -> None:
    server, provider = openai_server(
        [
            Delta(tool_calls=(ToolCallDelta(id="call_1", name="get_weather", arguments='{"location": "Bern"}'),)),
            Finished(reason="tool_calls", usage=None),
        ],
        "It rains in Bern.",
    )

    @anthropic.beta_tool
    def get_weather(location: str) -> str:
        """The weather somewhere.

        Args:
            location: A town.
        """
        return f"Rain in {location}"

    with behind_openai(server) as world, client(world) as asked:
        runner = asked.beta.messages.tool_runner(**ASK, tools=[get_weather])
        last = runner.until_done()
    assert last.content[0].type == "text"
    assert last.content[0].text == "It rains in Bern."
    assert provider.calls[1].messages[-1] == {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": "Rain in Bern",
    }


def test_errors_outside_of_the_endpoint_have_anthropics_shape_too() -> None:
    with behind_anthropic(AnthropicServer()) as world, client(world) as asked:
        with pytest.raises(anthropic.NotFoundError) as caught:
            asked.messages.batches.list()
    assert caught.value.type == "not_found_error"
