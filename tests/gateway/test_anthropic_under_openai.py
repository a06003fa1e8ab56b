"""The official OpenAI SDK against the gateway in front of Anthropic's wire."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pydantic
import pytest

from tests.gateway.anthropic_world import SECRET, World, behind_anthropic
from tests.providers.anthropic_server import AnthropicServer, error_of

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0xLjQ="
TOOL: Any = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"location": {}}}},
}


@contextmanager
def client(world: World) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{world.url}/v1", api_key=SECRET, max_retries=0) as made:
        yield made


def test_tools_streamed_and_not() -> None:
    with behind_anthropic(AnthropicServer("tools")) as world, client(world) as asked:
        whole = asked.chat.completions.create(model="assistant", messages=HELLO, tools=[TOOL]).choices[0]
        with asked.chat.completions.stream(
            model="assistant", messages=HELLO, tools=[TOOL], stream_options={"include_usage": True}
        ) as stream:
            final = stream.get_final_completion()

    for choice in (whole, final.choices[0]):
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content == "I'll look both up."
        calls = [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()]
        assert [(call_id, name) for call_id, name, _ in calls] == [
            ("toolu_01D7FLrfh4GYq7yT1ULFeyMV", "get_weather"),
            ("toolu_01A09q90qw90lq917835lq9", "get_time"),
        ]
        assert [pydantic.TypeAdapter(dict).validate_json(given) for _, _, given in calls] == [
            {"location": "Zürich", "days": 2},
            {},
        ]
    assert final.usage
    assert (final.usage.prompt_tokens, final.usage.completion_tokens) == (25, 15)


def test_everything_is_asked_in_anthropics_words() -> None:
    server = AnthropicServer()
    with behind_anthropic(server) as world, client(world) as asked:
        asked.chat.completions.create(
            model="assistant",
            messages=[
                {"role": "developer", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Look"},
                        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                        {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}},
                        {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
                    ],
                },
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "call.1", "type": "function", "function": {"name": "get_weather", "arguments": ""}},
                        {
                            "id": "call_2",
                            "type": "function",
                            "function": {"name": "get_weather", "arguments": '{"a":1}'},
                        },
                    ],
                },
                {"role": "tool", "tool_call_id": "call.1", "content": "Rain"},
                {"role": "tool", "tool_call_id": "call_2", "content": "Sun"},
                {"role": "system", "content": "Answer in German."},
                {"role": "user", "content": "Well?"},
            ],
            tools=[TOOL],
            tool_choice={"type": "function", "function": {"name": "get_weather"}},
            parallel_tool_calls=False,
            max_completion_tokens=77,
            temperature=1.4,
            top_p=1,
            stop="END",
            user="ada",
            seed=3,
            presence_penalty=0.5,
            service_tier="default",
        )
        raw = asked.chat.completions.with_raw_response.create(model="assistant", messages=HELLO, temperature=1.4)

    assert raw.headers["x-moat-notice"] == "anthropic: temperature 1.4 was lowered to 1, its most"
    assert server.bodies[1]["max_tokens"] == 4096
    pdf = {"type": "base64", "media_type": "application/pdf", "data": PDF.partition(",")[2]}
    assert server.bodies[0] == {
        "model": "claude",
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Answer in German."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": PNG.partition(",")[2]},
                    },
                    {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}},
                    {"type": "document", "source": pdf, "title": "a.pdf"},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {}},
                    {"type": "tool_use", "id": "call_2", "name": "get_weather", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "Rain"}]},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "Sun"}]},
                    {"type": "text", "text": "Well?"},
                ],
            },
        ],
        "tools": [{"name": "get_weather", "input_schema": TOOL["function"]["parameters"]}],
        "tool_choice": {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        "max_tokens": 77,
        "temperature": 1,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "ada"},
        "service_tier": "standard_only",
    }


class Person(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0, description="Years")


@pytest.mark.parametrize("how", ["native", "tool"])
def test_structured_outputs(how: str) -> None:
    content = [{"type": "text", "text": '{"name": "Ada", "age": 36}'}]
    if how == "tool":
        content = [{"type": "tool_use", "id": "toolu_1", "name": "Person", "input": {"name": "Ada", "age": 36}}]  # type: ignore[dict-item]
    body = {"type": "message", "content": content, "stop_reason": "end_turn" if how == "native" else "tool_use"}
    server = AnthropicServer((200, {}, body))
    with behind_anthropic(server, structured_outputs=how) as world, client(world) as asked:
        choice = asked.chat.completions.parse(model="assistant", messages=HELLO, response_format=Person).choices[0]

    assert choice.message.parsed == Person(name="Ada", age=36)
    assert choice.finish_reason == "stop"
    sent = server.bodies[0]
    if how == "native":
        schema = sent["output_config"]["format"]["schema"]
        assert schema["additionalProperties"] is False
        assert "minimum" not in schema["properties"]["age"]
        assert schema["properties"]["age"]["description"] == "Years\n\n{minimum: 0}"
    else:
        assert sent["tool_choice"] == {"type": "tool", "name": "Person"}
        assert sent["tools"][0]["input_schema"]["properties"]["age"]["minimum"] == 0


def test_a_json_object_is_a_tool_that_must_be_called() -> None:
    body = {
        "type": "message",
        "content": [{"type": "tool_use", "id": "toolu_1", "name": "answer", "input": {"a": [1]}}],
        "stop_reason": "tool_use",
    }
    server = AnthropicServer((200, {}, body))
    with behind_anthropic(server) as world, client(world) as asked:
        choice = asked.chat.completions.create(
            model="assistant", messages=HELLO, tools=[TOOL], response_format={"type": "json_object"}
        ).choices[0]
    assert (choice.message.content, choice.message.tool_calls) == ('{"a":[1]}', None)
    assert server.bodies[0]["tool_choice"] == {"type": "any"}


def test_thinking_comes_and_goes_back() -> None:
    server = AnthropicServer("thinking")
    with behind_anthropic(server) as world, client(world) as asked:
        message = asked.chat.completions.create(
            model="assistant", messages=HELLO, reasoning_effort="low", max_tokens=3000, temperature=0.2
        ).choices[0].message  # fmt: skip
        with asked.chat.completions.stream(model="assistant", messages=HELLO, reasoning_effort="high") as stream:
            chunks = [event.chunk.choices[0].delta for event in stream if event.type == "chunk"]
        said: Any = message.model_dump(exclude_none=True)
        streamed = [block for delta in chunks for block in getattr(delta, "thinking_blocks", ())]
        again = [
            *HELLO,
            {"role": "assistant", **said, "thinking_blocks": streamed},
            {"role": "user", "content": "Sure?"},
        ]
        asked.chat.completions.create(model="assistant", messages=again, reasoning_effort="low")

    first, second, third = server.bodies
    assert first["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert (first["max_tokens"], "temperature" in first) == (3000, False)
    assert (second["max_tokens"], second["thinking"]["budget_tokens"]) == (4096, 3072)
    assert said["reasoning_content"] == "27 * 453 is 12231."
    blocks = said["thinking_blocks"]
    assert [block["type"] for block in blocks] == ["thinking", "redacted_thinking"]
    assert streamed == [{"index": index, **block} for index, block in enumerate(blocks)]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in chunks) == said["reasoning_content"]
    assert third["messages"][1]["content"] == [*blocks, {"type": "text", "text": "12231"}]


def test_no_thinking_where_it_would_be_refused() -> None:
    server = AnthropicServer()
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    resumed: list[Any] = [
        *HELLO,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "Rain"},
    ]
    with behind_anthropic(server) as world, client(world) as asked:

        def notice(**options: Any) -> str:
            given = {"messages": HELLO, "model": "assistant", "reasoning_effort": "low", **options}
            return str(asked.chat.completions.with_raw_response.create(**given).headers["x-moat-notice"])

        assert "thinking_blocks" in notice(messages=resumed, tools=[TOOL])
        assert "must be called" in notice(tools=[TOOL], tool_choice="required")
        assert "max_tokens" in notice(max_tokens=1024)
    assert not any("thinking" in body for body in server.bodies)


def test_models_that_choose_their_thinking_get_an_effort() -> None:
    server = AnthropicServer()
    with behind_anthropic(server, thinking="adaptive") as world, client(world) as asked:
        asked.chat.completions.create(model="assistant", messages=HELLO, reasoning_effort="minimal")
        asked.chat.completions.create(model="assistant", messages=HELLO, reasoning_effort="none")
    assert server.bodies[0]["thinking"] == {"type": "adaptive"}
    assert server.bodies[0]["output_config"] == {"effort": "low"}
    assert server.bodies[1]["thinking"] == {"type": "disabled"}


def test_anthropics_own_parameters_reach_it() -> None:
    server = AnthropicServer()
    own = {"anthropic_beta": ["context-1m-2025-08-07"], "mcp_servers": [], "context_management": {"edits": []}}
    more = {"top_k": 7, "thinking": {"type": "enabled", "budget_tokens": 1500}, "anthropic": own}
    with behind_anthropic(server, betas=["a-1"]) as world, client(world) as asked:
        asked.chat.completions.create(
            model="assistant",
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}
            ],  # type: ignore[typeddict-unknown-key]
            extra_body={**more, "top_k": None},
        )
        with pytest.raises(openai.BadRequestError, match="stands outside"):
            asked.chat.completions.create(
                model="assistant", messages=HELLO, extra_body={"anthropic": {"messages": [{"role": "user"}]}}
            )
    body = server.bodies[0]
    assert body["thinking"]["budget_tokens"] == 1500
    assert body["context_management"] == {"edits": []}
    assert body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert server.heads[0]["anthropic-beta"] == "a-1,context-1m-2025-08-07"


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("n", {"n": 2}),
    ("logprobs", {"logprobs": True}),
    ("logit_bias", {"logit_bias": {"1": 1}}),
    ("web_search_options", {"web_search_options": {}, "functions": [{"name": "f"}]}),
    ("reasoning_effort", {"reasoning_effort": "enormous"}),
    ("response_format", {"response_format": {"type": "grammar"}}),
    ("tool_choice", {"tool_choice": {"type": "allowed_tools"}, "tools": [TOOL]}),
    ("tools[0]", {"tools": [{"type": "custom", "custom": {"name": "x"}}]}),
    ("tools", {"tools": {"a": 1}}),
    ("anthropic", {"anthropic": [1]}),
    ("anthropic", {"anthropic": {"anthropic_beta": "a\r\nb"}}),
    ("messages[0].content[0]", {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}),
    ("messages[0].content[0]", {"messages": [{"role": "user", "content": ["x"]}]}),
    ("image_url", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}),
    ("url", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///x"}}]}]}),
    ("file", {"messages": [{"role": "user", "content": [{"type": "file", "file": 3}]}]}),
    ("messages[0].role", {"messages": [{"role": "function", "content": "x"}]}),
    ("messages", {"messages": [{"role": "system", "content": "x"}]}),
    ("thinking_blocks", {"messages": [{"role": "assistant", "thinking_blocks": 5}]}),
    ("function_call", {"messages": [{"role": "assistant", "function_call": {"name": "x"}}]}),
    ("tool_calls[0]", {"messages": [{"role": "assistant", "tool_calls": ["x"]}]}),
    (
        "arguments",
        {
            "messages": [
                {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "[1"}}]}
            ]
        },
    ),
]


@pytest.mark.parametrize(("where", "asked_for"), REFUSED)
def test_what_anthropic_has_not_is_refused(where: str, asked_for: dict[str, Any]) -> None:
    server = AnthropicServer()
    with behind_anthropic(server) as world, client(world) as asked:
        with pytest.raises(openai.BadRequestError) as caught:
            asked.chat.completions.create(
                model="assistant", messages=HELLO, extra_body={"messages": HELLO, **asked_for}
            )
    assert caught.value.code == "unsupported_operation"
    if where != "web_search_options":
        assert where in str(caught.value)
    assert not server.bodies


def test_usage_of_every_kind_is_recorded() -> None:
    with behind_anthropic(AnthropicServer("cached")) as world, client(world) as asked:
        whole = asked.chat.completions.create(model="assistant", messages=HELLO)
        chunks = list(
            asked.chat.completions.create(
                model="assistant", messages=HELLO, stream=True, stream_options={"include_usage": True}
            )
        )
    for usage in (whole.usage, chunks[-1].usage):
        assert usage
        assert (usage.prompt_tokens, usage.completion_tokens) == (10_521, 8)
        assert usage.prompt_tokens_details
        assert usage.prompt_tokens_details.cached_tokens == 9000
    attempts = [span for span in world.spool.spans if span.kind == "attempt"]
    assert [(span.input_tokens, span.output_tokens) for span in attempts] == [(10_521, 8)] * 2


def test_a_conversation_that_is_too_long_is_said_so() -> None:
    error = error_of("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")
    with behind_anthropic(AnthropicServer((400, {}, error))) as world, client(world) as asked:
        with pytest.raises(openai.BadRequestError) as caught:
            asked.chat.completions.create(model="assistant", messages=HELLO)
    assert caught.value.code == "context_length_exceeded"


def test_other_operations_are_refused() -> None:
    with behind_anthropic(AnthropicServer()) as world, client(world) as asked:
        with pytest.raises(openai.BadRequestError) as caught:
            asked.embeddings.create(model="assistant", input="x")
    assert caught.value.code == "unsupported_operation"


def test_a_refusal_and_its_reason() -> None:
    with behind_anthropic(AnthropicServer("refusal")) as world, client(world) as asked:
        whole = asked.chat.completions.create(model="assistant", messages=HELLO).choices[0]
        with asked.chat.completions.stream(model="assistant", messages=HELLO) as stream:
            chunks = [event.chunk for event in stream if event.type == "chunk"]
    assert (whole.finish_reason, whole.message.refusal) == (
        "content_filter",
        "This request could enable cyber harm.",
    )
    assert chunks[-1].choices[0].finish_reason == "content_filter"
