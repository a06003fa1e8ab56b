"""The official OpenAI SDK's chat against the gateway, over a server that answers like OpenAI: nothing may get lost."""

import asyncio
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from moat.adapters.providers.exchange import ProviderTimeouts
from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.testing.loopback import on_loopback
from tests.gateway.conftest import SECRET, Over, Start
from tests.gateway.openai_peer import CHAT_USAGE, Answer, OpenAIPeer, chat, chat_stream

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
LOOK_UP: Any = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "additionalProperties": False},
        "strict": True,
    },
}


class Weather(BaseModel):
    """What a structured answer holds."""

    city: str
    degrees: int


def test_what_the_gateway_does_not_know_passes_both_ways(over: Over) -> None:
    """Several choices, log probabilities, audio, service tier, annotations: as the provider sent them."""
    logprobs = {"content": [{"token": "Hi", "logprob": -0.1, "bytes": [72], "top_logprobs": []}], "refusal": None}
    audio = {"id": "audio_1", "data": "aGk=", "expires_at": 1, "transcript": "Hi"}
    body = {
        "id": "chatcmpl-7",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-peer-2026",
        "service_tier": "flex",
        "system_fingerprint": "fp_1",
        "choices": [
            {
                "index": at,
                "message": {"role": "assistant", "content": text, "refusal": None, "audio": audio, "annotations": []},
                "logprobs": logprobs,
                "finish_reason": "stop",
            }
            for at, text in enumerate(("Hi", "Hello"))
        ],
        "usage": {**CHAT_USAGE, "completion_tokens_details": {"audio_tokens": 6, "reasoning_tokens": 0}},
    }
    peer = OpenAIPeer(chat__completions=Answer(body))
    gateway = over(peer)
    asked: dict[str, Any] = {
        "n": 2,
        "logprobs": True,
        "top_logprobs": 1,
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "wav"},
        "service_tier": "flex",
        "store": True,
        "metadata": {"order": "7"},
        "seed": 3,
        "logit_bias": {"50256": -100},
        "prediction": {"type": "content", "content": "Hi"},
    }

    raw = gateway.client().chat.completions.with_raw_response.create(model="assistant", messages=HELLO, **asked)

    assert raw.http_response.json() == body
    answer = raw.parse()
    assert [choice.message.content for choice in answer.choices] == ["Hi", "Hello"]
    assert answer.choices[0].message.audio.transcript == "Hi"
    assert answer.choices[1].logprobs.content[0].token == "Hi"
    assert peer.asked[0].json == {**asked, "model": "large", "messages": HELLO}
    assert gateway.spool.calls[0].audio_output_tokens == 6


def test_structured_answers_and_tools_are_parsed_whole_and_streamed(over: Over) -> None:
    said = '{"city": "Bern", "degrees": 21}'
    pieces = [{"content": said[:9]}, {"content": said[9:]}]
    first = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "look_up", "arguments": ""}}
    calls = [{"tool_calls": [first]}, {"tool_calls": [{"index": 0, "function": {"arguments": '{"id": 7}'}}]}]
    peer = OpenAIPeer(chat__completions=[chat(said), chat_stream(*pieces), chat_stream(*calls, reason="tool_calls")])
    client = over(peer).client()

    whole = client.chat.completions.parse(model="assistant", messages=HELLO, response_format=Weather)
    with client.chat.completions.stream(model="assistant", messages=HELLO, response_format=Weather) as stream:
        streamed = stream.get_final_completion()
    with client.chat.completions.stream(model="assistant", messages=HELLO, tools=[LOOK_UP]) as stream:
        called = stream.get_final_completion().choices[0]

    assert whole.choices[0].message.parsed == Weather(city="Bern", degrees=21)
    assert streamed.choices[0].message.parsed == Weather(city="Bern", degrees=21)
    assert (called.finish_reason, called.message.tool_calls[0].function.arguments) == ("tool_calls", '{"id": 7}')
    assert peer.asked[0].json["response_format"]["json_schema"]["name"] == "Weather"
    assert peer.asked[2].json["tools"] == [LOOK_UP]


STATUSES = {
    400: openai.BadRequestError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
}


def test_every_status_is_the_sdks_class(over: Over) -> None:
    refusals = [Answer({"error": {"message": f"because {status}"}}, status) for status in STATUSES]
    gateway = over(OpenAIPeer(chat__completions=refusals))
    client = gateway.client()

    for status, kind in STATUSES.items():
        with pytest.raises(kind, match=f"because {status}") as caught:
            client.chat.completions.create(model="assistant", messages=HELLO)
        assert isinstance(caught.value, openai.APIStatusError)
        assert caught.value.request_id
    with pytest.raises(openai.AuthenticationError):
        gateway.client("mk-wrong").chat.completions.create(model="assistant", messages=HELLO)


def test_the_sdk_tries_again_on_429_and_503(over: Over) -> None:
    peer = OpenAIPeer(
        chat__completions=[
            Answer({"error": {"message": "slow down"}}, 429, headers={"retry-after": "0"}),
            Answer({"error": {"message": "away"}}, 503, headers={"retry-after": "0"}),
            chat("Good day"),
        ]
    )
    client = over(peer).client().with_options(max_retries=2)

    answer = client.chat.completions.create(model="assistant", messages=HELLO)

    assert answer.choices[0].message.content == "Good day"
    assert len(peer.asked) == 3


def test_a_silent_provider_is_a_timeout_on_either_side(start: Start) -> None:
    """The provider's limit gives 504; the SDK's own limit hangs up, and the call is recorded as that."""

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    with on_loopback(silent) as url:
        config = OpenAIConfig(base_url=f"{url}/v1", timeouts=ProviderTimeouts(first_token=0.5))
        gateway = start(OpenAIProvider(config))
        with pytest.raises(openai.InternalServerError) as caught:
            gateway.client().chat.completions.create(model="assistant", messages=HELLO)
        with pytest.raises(openai.APITimeoutError):
            gateway.client(timeout=0.1).chat.completions.create(model="assistant", messages=HELLO)

    assert (caught.value.status_code, caught.value.code) == (504, "provider_timeout")


@pytest.mark.anyio
async def test_many_at_once_and_a_stream_left_early(over: Over) -> None:
    peer = OpenAIPeer(chat__completions=chat_stream(*[{"content": "word "}] * 20))
    gateway = over(peer)

    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=SECRET, max_retries=0) as client:

        async def said(limit: int) -> str:
            stream = await client.chat.completions.create(model="assistant", messages=HELLO, stream=True)
            words = []
            async with stream:
                async for chunk in stream:
                    words.append(chunk.choices[0].delta.content or "")
                    if len(words) == limit:
                        break
            return "".join(words)

        whole = await asyncio.gather(*(said(99) for _ in range(8)))
        early = await said(2)

    assert whole == ["word " * 20] * 8
    assert early == "word word "
