"""Other vendors' official SDKs against the gateway, over a server that answers like Gemini."""

import asyncio
import json
from typing import Any

import anthropic
import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from moat.adapters.providers.gemini import ApiKey, GeminiConfig, GeminiProvider
from tests.gateway.conftest import SECRET, Running, Start
from tests.providers.gemini_server import KEY, GeminiServer, Reply, fixture, gemini_server, says

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False},
        "strict": True,
    },
}


def gateway_over(start: Start, server: GeminiServer) -> Running:
    config = GeminiConfig(base_url=f"{server.url}/v1beta", api_key=KEY)
    return start(GeminiProvider(ApiKey(config), config))


def test_openai_chat_whole_and_streamed(start: Start) -> None:
    with gemini_server(fixture("generate.json"), fixture("stream_text.sse")) as server:
        client = gateway_over(start, server).client()
        whole = client.chat.completions.create(
            model="assistant",
            messages=[{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "The Alps?"}],
            reasoning_effort="low",
            stop="END",
            user="ada",
        )
        chunks = list(
            client.chat.completions.create(
                model="assistant",
                messages=[{"role": "user", "content": "Hi"}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    assert whole.choices[0].message.content == "The Alps are a mountain range."
    assert whole.usage is not None
    assert whole.usage.completion_tokens_details is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (1222, 66)
    assert whole.usage.completion_tokens_details.reasoning_tokens == 57
    assert server.asked[0].body == {
        "contents": [{"role": "user", "parts": [{"text": "The Alps?"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {
            "stopSequences": ["END"],
            "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
        },
    }
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello, 世界!"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 9


def test_openai_tools_keep_the_thought_signature(start: Start) -> None:
    with gemini_server(fixture("stream_tools.sse"), says("Sunny.")) as server:
        client = gateway_over(start, server).client()
        messages: list[Any] = [{"role": "user", "content": "Weather?"}]
        with client.chat.completions.stream(model="assistant", messages=messages, tools=[TOOL]) as stream:  # type: ignore[list-item]
            said = stream.get_final_completion().choices[0]
        assert said.finish_reason == "tool_calls"
        calls = [call.model_dump(exclude={"function": {"parsed_arguments"}}) for call in said.message.tool_calls or []]
        for call in calls:
            call.pop("index", None)
        messages.append({"role": "assistant", "tool_calls": calls})
        messages += [{"role": "tool", "tool_call_id": call["id"], "content": "sun"} for call in calls]
        client.chat.completions.create(model="assistant", messages=messages, tools=[TOOL])  # type: ignore[list-item]
    assert [json.loads(call["function"]["arguments"])["city"] for call in calls] == ["Paris", "Zürich"]
    _, model, user = server.asked[1].body["contents"]
    assert [part.get("thoughtSignature") for part in model["parts"]] == ["CiQB0e2Kb0p2YXJpcw==", None]
    assert [part["functionResponse"]["response"] for part in user["parts"]] == [{"output": "sun"}] * 2
    assert server.asked[0].body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]["type"] == "object"


class Recipe(BaseModel):
    """What is asked for."""

    name: str
    minutes: int


def test_openai_structured_output_and_pictures(start: Start) -> None:
    with gemini_server(says('{"name": "Soup", "minutes": 20}')) as server:
        client = gateway_over(start, server).client()
        answer = client.chat.completions.parse(
            model="assistant",
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is cooked here?"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                        {"type": "image_url", "image_url": {"url": "https://example.org/soup.jpg"}},
                    ],
                }
            ],
            response_format=Recipe,
        )
    assert answer.choices[0].message.parsed == Recipe(name="Soup", minutes=20)
    body = server.asked[0].body
    assert body["generationConfig"]["responseMimeType"] == "application/json"
    assert body["generationConfig"]["responseJsonSchema"]["required"] == ["name", "minutes"]
    assert body["contents"][0]["parts"] == [
        {"text": "What is cooked here?"},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        {"fileData": {"fileUri": "https://example.org/soup.jpg", "mimeType": "image/jpeg"}},
    ]


def test_openai_errors_and_blocked_prompts(start: Start) -> None:
    quota = Reply(json.loads(fixture("error_quota.json")), 429)
    long = Reply(json.loads(fixture("error_long.json")), 400)
    with gemini_server(quota, long, fixture("blocked.json")) as server:
        client = gateway_over(start, server).client()
        messages: list[Any] = [{"role": "user", "content": "Hi"}]
        with pytest.raises(openai.RateLimitError) as limited:
            client.chat.completions.create(model="assistant", messages=messages)
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model="assistant", messages=messages)
        with pytest.raises(openai.BadRequestError) as unsupported:
            client.chat.completions.create(model="assistant", messages=messages, n=2)
        blocked = client.chat.completions.create(model="assistant", messages=messages)
    assert limited.value.response.headers["retry-after"] == "9"
    assert refused.value.code == "context_length_exceeded"
    assert unsupported.value.code == "unsupported_operation"
    assert blocked.choices[0].finish_reason == "content_filter"
    assert blocked.choices[0].message.refusal == "Google blocked the prompt: PROHIBITED_CONTENT"


def test_openai_embeddings_in_both_encodings(start: Start) -> None:
    with gemini_server(fixture("embeddings.json")) as server:
        client = gateway_over(start, server).client()
        coded = client.embeddings.create(model="assistant", input=["one", "two"], dimensions=3)
        plain = client.embeddings.create(model="assistant", input=["one", "two"], encoding_format="float")
    assert [one.embedding for one in coded.data] == [one.embedding for one in plain.data]
    assert plain.data[1].embedding == [1.0, 0.0, -1.0]
    assert server.asked[0].body["requests"][0]["outputDimensionality"] == 3


def test_openai_with_googles_own_settings(start: Start) -> None:
    with gemini_server(says("Hello")) as server:
        client = gateway_over(start, server).client()
        client.chat.completions.create(
            model="assistant",
            messages=[{"role": "user", "content": "Hi"}],
            extra_body={"google": {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]}},
        )
        refused: list[Any] = [{"contents": []}, {"generation_config": {"max_output_tokens": 9}}, "x"]
        for google in refused:
            with pytest.raises(openai.BadRequestError):
                client.chat.completions.create(
                    model="assistant", messages=[{"role": "user", "content": "Hi"}], extra_body={"google": google}
                )
    assert server.asked[0].body["safetySettings"][0]["threshold"] == "OFF"
    assert len(server.asked) == 1


def test_the_async_client_at_once(start: Start) -> None:
    async def ask(url: str) -> list[str | None]:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key=SECRET, max_retries=0) as client:
            asked = [
                client.chat.completions.create(model="assistant", messages=[{"role": "user", "content": "Hi"}])
                for _ in range(8)
            ]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*asked)]

    with gemini_server(says("Hello")) as server:
        assert asyncio.run(ask(gateway_over(start, server).url)) == ["Hello"] * 8


def test_anthropics_client_uses_tools(start: Start) -> None:
    with gemini_server(fixture("stream_tools.sse"), says("Sunny.")) as server:
        gateway = gateway_over(start, server)
        with anthropic.Anthropic(base_url=gateway.url, api_key=SECRET, max_retries=0) as client:
            tools: list[Any] = [{"name": "get_weather", "input_schema": {"type": "object"}}]
            asked: list[Any] = [{"role": "user", "content": "Weather?"}]
            with client.messages.stream(model="assistant", max_tokens=99, messages=asked, tools=tools) as stream:
                said = stream.get_final_message()
            used = [block for block in said.content if block.type == "tool_use"]
            results = [{"type": "tool_result", "tool_use_id": block.id, "content": "sun"} for block in used]
            more = [*asked, {"role": "assistant", "content": used}, {"role": "user", "content": results}]
            answer = client.messages.create(model="assistant", max_tokens=99, messages=more, tools=tools)
    assert [block.input for block in used] == [{"city": "Paris", "days": 2}, {"city": "Zürich"}]
    assert answer.content[0].type == "text"
    assert answer.content[0].text == "Sunny."
    _, model, user = server.asked[1].body["contents"]
    # Anthropic's format has no place for the signature: Google documents what stands for a missing one.
    assert model["parts"][0]["thoughtSignature"] == "skip_thought_signature_validator"
    assert len(user["parts"]) == 2
