"""Google's official SDK against the gateway, over servers that answer like Gemini and like OpenAI."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Literal

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from moat.adapters.providers.gemini import ApiKey, GeminiConfig, GeminiProvider
from moat.domain.calls import Delta, Finished, ToolCallDelta
from moat.testing.scripted import ScriptedProvider
from tests.gateway import openai_peer
from tests.gateway.conftest import SECRET, Over, Running, Start
from tests.gateway.openai_peer import OpenAIPeer
from tests.gateway.test_chat import GREETING, RELEASE
from tests.providers.gemini_server import KEY, GeminiServer, Reply, fixture, gemini_server, says

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}

OverGemini = Callable[..., tuple[Running, GeminiServer]]


@pytest.fixture
def over_gemini(start: Start) -> Iterator[OverGemini]:
    """Starts gateways over servers that answer like Gemini."""
    with ExitStack() as stack:

        def run(*script: Any) -> tuple[Running, GeminiServer]:
            server = stack.enter_context(gemini_server(*script))
            config = GeminiConfig(base_url=f"{server.url}/v1beta", api_key=KEY)
            return start(GeminiProvider(ApiKey(config), config)), server

        yield run


def client(gateway: Running, secret: str = SECRET, **options: Any) -> genai.Client:
    return genai.Client(api_key=secret, http_options=types.HttpOptions(base_url=gateway.url, **options))


def test_generate_over_gemini_and_over_openai(over_gemini: OverGemini, over: Over) -> None:
    google, server = over_gemini(fixture("generate.json"))
    peer = OpenAIPeer(chat__completions=openai_peer.chat("Hello there"))
    other = over(peer)
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=64,
        stop_sequences=["END"],
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
    )

    with client(google) as sdk:
        answer = sdk.models.generate_content(model="assistant", contents="What are the Alps?", config=config)
    with client(other) as sdk:
        said = sdk.models.generate_content(model="assistant", contents="What are the Alps?", config=config)

    assert answer.text == "The Alps are a mountain range."
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.thoughts_token_count == 57
    assert server.asked[0].body == {
        "contents": [{"role": "user", "parts": [{"text": "What are the Alps?"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "maxOutputTokens": 64,
            "stopSequences": ["END"],
            "seed": 7,
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
        },
    }
    call = google.spool.calls[0]
    assert (call.input_tokens, call.output_tokens, call.reasoning_tokens) == (1222, 66, 57)

    assert said.text == "Hello there"
    assert said.candidates is not None
    assert said.candidates[0].finish_reason is types.FinishReason.STOP
    assert said.usage_metadata is not None
    counts = said.usage_metadata
    assert (counts.prompt_token_count, counts.candidates_token_count, counts.thoughts_token_count) == (19, 7, 3)
    assert (counts.cached_content_token_count, counts.total_token_count) == (4, 29)
    assert said.response_id is not None
    assert said.response_id.startswith("req_")
    assert peer.asked[0].json == {
        "model": "large",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What are the Alps?"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 64,
        "stop": ["END"],
        "seed": 7,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
    }


def test_streams_over_gemini_and_over_openai(over_gemini: OverGemini, over: Over) -> None:
    google, _ = over_gemini(fixture("stream_text.sse"))
    other = over(OpenAIPeer(chat__completions=openai_peer.chat_stream({"content": "Hel"}, {"content": "lo"})))

    with client(google) as sdk:
        native = list(sdk.models.generate_content_stream(model="assistant", contents="Hi"))
    with client(other) as sdk:
        made = list(sdk.models.generate_content_stream(model="assistant", contents="Hi"))

    assert [chunk.text for chunk in native] == ["Hel", "lo, 世界", "!"]
    assert "".join(chunk.text or "" for chunk in made) == "Hello"
    for chunks in (native, made):
        assert [_reason(chunk) for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert _reason(chunks[-1]) is types.FinishReason.STOP
    assert made[-1].usage_metadata is not None
    assert made[-1].usage_metadata.total_token_count == 29


def _reason(chunk: types.GenerateContentResponse) -> types.FinishReason | None:
    assert chunk.candidates
    return chunk.candidates[0].finish_reason


async def _both(gateway: Running) -> tuple[str, str]:
    async with client(gateway).aio as sdk:
        whole = await sdk.models.generate_content(model="assistant", contents="Hi")
        stream = await sdk.models.generate_content_stream(model="assistant", contents="Hi")
        return whole.text or "", "".join([chunk.text or "" async for chunk in stream])


def test_the_async_client(over_gemini: OverGemini, over: Over) -> None:
    google, _ = over_gemini(says("Hello"), [says("Hel", reason=None), says("lo")])
    said = openai_peer.chat("Hello"), openai_peer.chat_stream({"content": "Hel"}, {"content": "lo"})
    other = over(OpenAIPeer(chat__completions=list(said)))
    assert asyncio.run(_both(google)) == ("Hello", "Hello")
    assert asyncio.run(_both(other)) == ("Hello", "Hello")


def declared() -> types.GenerateContentConfig:
    plain = types.FunctionDeclaration(name="get_weather", description="Weather.", parameters_json_schema=WEATHER)
    schema = types.Schema(
        type=types.Type.OBJECT,
        properties={"zone": types.Schema(type=types.Type.STRING, nullable=True, enum=["UTC", "CET"])},
    )
    old = types.FunctionDeclaration(name="get_time", parameters=schema)
    return types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[plain, old])],
        tool_config=types.ToolConfig(
            function_calling_config=types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
        ),
    )


def test_parallel_tools_over_gemini(over_gemini: OverGemini) -> None:
    gateway, server = over_gemini(fixture("stream_tools.sse"), says("Sunny and rainy."))
    with client(gateway) as sdk:
        chunks = list(sdk.models.generate_content_stream(model="assistant", contents="Weather?", config=declared()))
        parts = [part for chunk in chunks for part in (chunk.candidates or [])[0].content.parts or []]  # type: ignore[union-attr]
        results = [
            types.Part.from_function_response(name="get_weather", response={"result": "sun"}),
            types.Part.from_function_response(name="get_weather", response={"result": "rain"}),
        ]
        conversation = [
            types.Content(role="user", parts=[types.Part(text="Weather?")]),
            types.Content(role="model", parts=parts),
            types.Content(role="user", parts=results),
        ]
        answer = sdk.models.generate_content(model="assistant", contents=conversation, config=declared())

    assert answer.text == "Sunny and rainy."
    calls = [part.function_call for part in parts if part.function_call]
    assert [call.args for call in calls] == [{"city": "Paris", "days": 2}, {"city": "Zürich"}]
    first, second = (asked.body for asked in server.asked)
    assert (
        first["tools"]
        == second["tools"]
        == [
            {
                "functionDeclarations": [
                    {"name": "get_weather", "description": "Weather.", "parametersJsonSchema": WEATHER},
                    {
                        "name": "get_time",
                        "parametersJsonSchema": {
                            "type": "object",
                            "properties": {"zone": {"type": ["string", "null"], "enum": ["UTC", "CET", None]}},
                        },
                    },
                ]
            }
        ]
    )
    assert first["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    thought, paris, zurich = second["contents"][1]["parts"]
    assert thought == {"text": "**Looking up**\n\nTwo cities are asked for.", "thought": True}
    assert paris["thoughtSignature"] == "CiQB0e2Kb0p2YXJpcw=="
    assert "thoughtSignature" not in zurich
    given = [part["functionResponse"] for part in second["contents"][2]["parts"]]
    assert [result["response"] for result in given] == [{"result": "sun"}, {"result": "rain"}]
    assert [result["id"] for result in given] == [paris["functionCall"]["id"], zurich["functionCall"]["id"]]


def test_parallel_tools_over_openai(over: Over) -> None:
    calls = [
        {
            "id": f"c{at}",
            "type": "function",
            "function": {"name": "get_weather", "arguments": json.dumps({"city": city})},
        }
        for at, city in enumerate(("Paris", "Rome"))
    ]
    deltas = [{"tool_calls": [{"index": at, **call}]} for at, call in enumerate(calls)]
    peer = OpenAIPeer(
        chat__completions=[
            openai_peer.chat(None, "tool_calls", tool_calls=calls),
            openai_peer.chat_stream(*deltas, reason="tool_calls"),
            openai_peer.chat("Sunny."),
        ]
    )
    gateway = over(peer)
    with client(gateway) as sdk:
        whole = sdk.models.generate_content(model="assistant", contents="Weather?", config=declared())
        chunks = list(sdk.models.generate_content_stream(model="assistant", contents="Weather?", config=declared()))
        for answer in (whole, chunks[-1]):
            found = answer.function_calls or []
            assert [(call.id, call.name, call.args) for call in found] == [
                ("c0", "get_weather", {"city": "Paris"}),
                ("c1", "get_weather", {"city": "Rome"}),
            ]
        assert whole.candidates
        assert whole.candidates[0].content
        result = types.FunctionResponse(id="c1", name="get_weather", response={"output": "rain"})
        other = types.FunctionResponse(id="c0", name="get_weather", response={"error": "no such city"})
        conversation = [
            types.Content(role="user", parts=[types.Part(text="Weather?")]),
            whole.candidates[0].content,
            types.Content(role="user", parts=[types.Part(function_response=one) for one in (result, other)]),
        ]
        sdk.models.generate_content(model="assistant", contents=conversation)

    asked = peer.asked[0].json
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["get_weather", "get_time"]
    assert asked["tool_choice"] == "required"
    _, said, first, second = peer.asked[2].json["messages"]
    assert [call["id"] for call in said["tool_calls"]] == ["c0", "c1"]
    assert (first["tool_call_id"], first["content"]) == ("c1", "rain")
    assert (second["tool_call_id"], second["content"]) == ("c0", "no such city")


def test_automatic_function_calling(over: Over) -> None:
    """The SDK runs a Python function by itself and goes on with its result."""
    call = {"id": "c0", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
    peer = OpenAIPeer(
        chat__completions=[openai_peer.chat(None, "tool_calls", tool_calls=[call]), openai_peer.chat("It is sunny.")]
    )
    gateway = over(peer)

    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"sun in {city}"

    with client(gateway) as sdk:
        config = types.GenerateContentConfig(tools=[get_weather])
        answer = sdk.models.generate_content(model="assistant", contents="Weather?", config=config)
    assert answer.text == "It is sunny."
    assert "sun in Paris" in peer.asked[1].json["messages"][-1]["content"]


class Recipe(BaseModel):
    """What is asked for."""

    name: str
    steps: list[str]
    level: Literal["easy", "hard"] = "easy"


def test_structured_output(over_gemini: OverGemini, over: Over) -> None:
    text = '{"name": "Soup", "steps": ["Boil"], "level": "hard"}'
    google, server = over_gemini(says(text))
    peer = OpenAIPeer(chat__completions=openai_peer.chat(text))
    other = over(peer)
    for gateway in (google, other):
        with client(gateway) as sdk:
            config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Recipe)
            answer = sdk.models.generate_content(model="assistant", contents="A recipe", config=config)
            assert answer.parsed == Recipe(name="Soup", steps=["Boil"], level="hard")
            config = types.GenerateContentConfig(response_mime_type="application/json")
            sdk.models.generate_content(model="assistant", contents="A recipe", config=config)
            exact = types.GenerateContentConfig(
                response_mime_type="application/json", response_json_schema=Recipe.model_json_schema()
            )
            sdk.models.generate_content(model="assistant", contents="A recipe", config=exact)
    described, plain, exactly = (asked.body["generationConfig"] for asked in server.asked)
    assert described["responseMimeType"] == "application/json"
    assert described["responseJsonSchema"]["properties"]["steps"] == {
        "type": "array",
        "items": {"type": "string"},
        "title": "Steps",
    }
    assert plain == {"responseMimeType": "application/json"}
    assert exactly["responseJsonSchema"] == Recipe.model_json_schema()
    formats = [asked.json["response_format"] for asked in peer.asked]
    assert formats[0]["json_schema"]["schema"] == described["responseJsonSchema"]
    assert formats[1] == {"type": "json_object"}
    assert formats[2]["json_schema"]["schema"] == Recipe.model_json_schema()


def test_pictures_sound_and_files(over_gemini: OverGemini, over: Over) -> None:
    parts = [
        types.Part.from_bytes(data=PIXEL, mime_type="image/png"),
        types.Part.from_uri(file_uri="https://example.org/cat.png", mime_type="image/png"),
        types.Part.from_bytes(data=b"\xfb\xff\xfe", mime_type="audio/wav"),
        types.Part.from_bytes(data=b"%PDF-1.7", mime_type="application/pdf"),
        types.Part.from_text(text="What is this?"),
    ]
    google, server = over_gemini(says("A pixel."))
    peer = OpenAIPeer(chat__completions=openai_peer.chat("A pixel."))
    other = over(peer)
    for gateway in (google, other):
        with client(gateway) as sdk:
            assert sdk.models.generate_content(model="assistant", contents=parts).text == "A pixel."
    coded = base64.b64encode(PIXEL).decode()
    assert server.asked[0].body["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": coded}},
        {"fileData": {"fileUri": "https://example.org/cat.png", "mimeType": "image/png"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "+//+"}},
        {"inlineData": {"mimeType": "application/pdf", "data": base64.b64encode(b"%PDF-1.7").decode()}},
        {"text": "What is this?"},
    ]
    said = peer.asked[0].json["messages"][0]["content"]
    assert [part["type"] for part in said] == ["image_url", "image_url", "input_audio", "file", "text"]
    assert said[0]["image_url"] == {"url": f"data:image/png;base64,{coded}"}
    assert said[1]["image_url"] == {"url": "https://example.org/cat.png"}
    assert said[2]["input_audio"] == {"data": "+//+", "format": "wav"}
    assert said[3]["file"]["file_data"].startswith("data:application/pdf;base64,")


def test_what_only_google_has_reaches_google(over_gemini: OverGemini, over: Over) -> None:
    safety = types.SafetySetting(
        category=types.HarmCategory.HARM_CATEGORY_HARASSMENT, threshold=types.HarmBlockThreshold.BLOCK_NONE
    )
    config = types.GenerateContentConfig(
        safety_settings=[safety],
        thinking_config=types.ThinkingConfig(thinking_budget=2000, include_thoughts=True),
        media_resolution=types.MediaResolution.MEDIA_RESOLUTION_LOW,
        top_k=40,
        tools=[types.Tool(google_search=types.GoogleSearch())],
        cached_content="cachedContents/c1",
    )
    code = types.Part(executable_code=types.ExecutableCode(code="1+1", language=types.Language.PYTHON))
    contents = [
        types.Content(role="user", parts=[types.Part(text="Hi")]),
        types.Content(role="model", parts=[code]),
        types.Content(role="user", parts=[types.Part(text="Go on")]),
    ]
    google, server = over_gemini(says("Hello"))
    with client(google) as sdk:
        sdk.models.generate_content(model="assistant", contents=contents, config=config)
    body = server.asked[0].body
    assert body["safetySettings"] == [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    assert body["generationConfig"] == {
        "topK": 40,
        "thinkingConfig": {"thinkingBudget": 2000, "includeThoughts": True},
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
    }
    assert body["tools"] == [{"googleSearch": {}}]
    assert body["cachedContent"] == "cachedContents/c1"
    assert body["contents"][1]["parts"] == [{"executableCode": {"code": "1+1", "language": "PYTHON"}}]


def test_settings_that_only_google_heeds_do_not_reach_others(over: Over) -> None:
    safety = types.SafetySetting(
        category=types.HarmCategory.HARM_CATEGORY_HARASSMENT, threshold=types.HarmBlockThreshold.BLOCK_NONE
    )
    peer = OpenAIPeer(chat__completions=openai_peer.chat())
    gateway = over(peer)
    with client(gateway) as sdk:
        config = types.GenerateContentConfig(
            safety_settings=[safety], thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW)
        )
        sdk.models.generate_content(model="assistant", contents="Hi", config=config)
    assert peer.asked[0].json == {
        "model": "large",
        "messages": [{"role": "user", "content": "Hi"}],
        "reasoning_effort": "low",
    }


def test_errors_in_googles_shape(over_gemini: OverGemini) -> None:
    gateway, _ = over_gemini(
        Reply(json.loads(fixture("error_quota.json")), 429),
        Reply(json.loads(fixture("error_long.json")), 400),
        Reply({"error": {"code": 500, "message": "oops", "status": "INTERNAL"}}, 500),
    )
    seen = []
    with client(gateway) as sdk:
        for kind in (errors.ClientError, errors.ClientError, errors.ServerError):
            with pytest.raises(kind) as caught:
                sdk.models.generate_content(model="assistant", contents="Hi")
            seen.append((caught.value.code, caught.value.status))
            details = caught.value.details["error"]["details"]
            if caught.value.code == 429:
                assert details[1]["retryDelay"] == "8.25s"
        with pytest.raises(errors.ClientError) as caught:
            sdk.models.generate_content(model="nothing", contents="Hi")
        seen.append((caught.value.code, caught.value.status))
        with pytest.raises(errors.ClientError) as caught:
            sdk.models.generate_content(
                model="assistant", contents="Hi", config=types.GenerateContentConfig(candidate_count=2)
            )
        seen.append((caught.value.code, caught.value.status))
    with client(gateway, "mk-wrong") as sdk, pytest.raises(errors.ClientError) as caught:
        sdk.models.generate_content(model="assistant", contents="Hi")
    seen.append((caught.value.code, caught.value.status))
    assert seen == [
        (429, "RESOURCE_EXHAUSTED"),
        (400, "INVALID_ARGUMENT"),
        (502, "UNAVAILABLE"),
        (404, "NOT_FOUND"),
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
    ]


def test_the_sdk_tries_again(over_gemini: OverGemini) -> None:
    gateway, server = over_gemini(Reply({"error": {"code": 503, "message": "busy"}}, 503), says("Hello"))
    retry = types.HttpRetryOptions(attempts=2, initial_delay=0.01, max_delay=0.01, jitter=0.01)
    with client(gateway, retry_options=retry) as sdk:
        assert sdk.models.generate_content(model="assistant", contents="Hi").text == "Hello"
    assert len(server.asked) == 2


def test_a_stream_that_breaks_off_raises(over_gemini: OverGemini, over: Over) -> None:
    google, _ = over_gemini([says("Hel", reason=None), {"error": {"code": 503, "message": "overloaded"}}])
    other = over(OpenAIPeer(chat__completions=openai_peer.chat_stream({"content": "Hel"}, done=False)))
    for gateway in (google, other):
        with client(gateway) as sdk:
            chunks = sdk.models.generate_content_stream(model="assistant", contents="Hi")
            assert next(chunks).text == "Hel"
            with pytest.raises(errors.ServerError) as caught:
                next(chunks)
        assert caught.value.code == 502


def test_a_client_that_is_out_of_patience(over_gemini: OverGemini) -> None:
    gateway, server = over_gemini(says("Hello"))
    server.delay = 1.0
    with client(gateway, timeout=300) as sdk, pytest.raises(Exception, match=r"(?i)time"):
        sdk.models.generate_content(model="assistant", contents="Hi")


def test_count_tokens_is_an_estimate_and_says_so(over: Over) -> None:
    gateway = over(OpenAIPeer())
    with client(gateway) as sdk:
        counted = sdk.models.count_tokens(model="assistant", contents="twelve chars")
    assert counted.total_tokens == 3
    assert counted.sdk_http_response
    assert counted.sdk_http_response.headers
    assert counted.sdk_http_response.headers["x-moat-estimated"] == "true"


def test_embeddings_over_gemini_and_over_openai(over_gemini: OverGemini, over: Over) -> None:
    google, server = over_gemini(fixture("embeddings.json"))
    peer = OpenAIPeer(embeddings=openai_peer.embeddings([[0.25, -0.5], [1.0, 0.0]], "float"))
    other = over(peer)
    config = types.EmbedContentConfig(output_dimensionality=3, task_type="RETRIEVAL_QUERY")
    found = []
    for gateway in (google, other):
        with client(gateway) as sdk:
            answer = sdk.models.embed_content(model="assistant", contents=["one", "two"], config=config)
            found.append([one.values for one in answer.embeddings or []])
    assert found == [[[0.5, -0.25, 0.125], [1.0, 0.0, -1.0]], [[0.25, -0.5], [1.0, 0.0]]]
    assert server.asked[0].body == {
        "requests": [
            {
                "model": "models/large",
                "content": {"parts": [{"text": text}]},
                "taskType": "RETRIEVAL_QUERY",
                "outputDimensionality": 3,
            }
            for text in ("one", "two")
        ]
    }
    assert peer.asked[0].json == {"model": "large", "input": ["one", "two"], "dimensions": 3}
    assert google.spool.calls[0].input_tokens == 2
    assert google.spool.calls[0].usage_estimated


def test_models(over: Over) -> None:
    gateway = over(OpenAIPeer())
    with client(gateway) as sdk:
        assert [model.name for model in sdk.models.list()] == ["models/assistant", "models/spare"]
        model = sdk.models.get(model="assistant")
        assert model.supported_actions is not None
        assert "generateContent" in model.supported_actions
        with pytest.raises(errors.ClientError) as caught:
            sdk.models.get(model="nothing")
        assert caught.value.code == 404


def test_a_chat_keeps_its_history(over: Over) -> None:
    answers = [openai_peer.chat("Hi Ada."), openai_peer.chat("You are Ada.")]
    peer = OpenAIPeer(chat__completions=answers)
    gateway = over(peer)
    with client(gateway) as sdk:
        chat = sdk.chats.create(model="assistant")
        chat.send_message("I am Ada.")
        assert chat.send_message("Who am I?").text == "You are Ada."
    assert peer.asked[1].json["messages"] == [
        {"role": "user", "content": "I am Ada."},
        {"role": "assistant", "content": "Hi Ada."},
        {"role": "user", "content": "Who am I?"},
    ]


def test_count_tokens_by_google(over_gemini: OverGemini) -> None:
    gateway, server = over_gemini({"totalTokens": 31, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 31}]})
    with client(gateway) as sdk:
        counted = sdk.models.count_tokens(model="assistant", contents="twelve chars")
    assert counted.total_tokens == 31
    assert server.asked[0].path == "/v1beta/models/large:countTokens"
    assert server.asked[0].body["generateContentRequest"]["model"] == "models/large"


def test_an_sdk_of_the_other_version(over: Over) -> None:
    gateway = over(OpenAIPeer(chat__completions=openai_peer.chat("Hello")))
    with client(gateway, api_version="v1beta") as sdk:
        assert sdk.models.generate_content(model="assistant", contents="Hi").text == "Hello"
        assert [model.name for model in sdk.models.list()] == ["models/assistant", "models/spare"]


def test_thinking_of_another_provider_comes_back_as_it_was(start: Start) -> None:
    """Anthropic wants its signed blocks back; a Gemini client carries them without knowing."""
    call = ToolCallDelta(index=0, id="c1", name="get_weather", arguments='{"city":"Paris"}')
    script = [Delta(reasoning="Which "), Delta(reasoning="city?"), Delta(signature="Eq+/=="), Delta(redacted="x=")]
    provider = ScriptedProvider([*script, Delta(tool_calls=(call,)), Finished(reason="tool_calls")], "Sunny.")
    gateway = start(provider)
    with client(gateway) as sdk:
        answer = sdk.models.generate_content(model="assistant", contents="Weather?", config=declared())
        assert answer.candidates
        assert answer.candidates[0].content
        result = types.Part.from_function_response(name="get_weather", response={"result": "sun"})
        contents = ["Weather?", answer.candidates[0].content, types.Content(role="user", parts=[result])]
        assert sdk.models.generate_content(model="assistant", contents=contents).text == "Sunny."
    said = provider.calls[1].messages[1]
    assert said["thinking_blocks"] == [
        {"type": "thinking", "thinking": "Which city?", "signature": "Eq+/=="},
        {"type": "redacted_thinking", "data": "x="},
    ]
    assert said["reasoning_content"] == "Which city?"
    assert said["tool_calls"][0]["id"] == provider.calls[1].messages[2]["tool_call_id"] == "c1"


def test_a_prompt_is_named_as_a_model(start: Start) -> None:
    gateway = start(ScriptedProvider("Hi Bo"), GREETING, released={("team/greeting", "staging"): RELEASE})
    with client(gateway) as sdk:
        assert sdk.models.generate_content(model="prompt:team/greeting@staging", contents="Bo").text == "Hi Bo"
        listed = [model.name for model in sdk.models.list()]
    assert gateway.provider.calls[0].messages == [{"role": "user", "content": "Greet Bo"}]
    assert "models/prompt:team/greeting@staging" in listed
