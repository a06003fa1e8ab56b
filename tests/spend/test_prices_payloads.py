"""From the bytes that a provider sends to dollars: recorded answers through the adapters, streamed or not.

The answers are those of the providers' public references; the dollars are worked out by hand from their price pages.
"""

from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec.structs import replace

from moat.bootstrap.plugins import provider_kind
from moat.domain.calls import Deployment, Finished
from moat.domain.usage import from_usd
from moat.ports.kinds import Surroundings
from moat.spend.prices import PriceTable
from moat.spend.published import published
from moat.testing.fakes import new_call
from moat.testing.loopback import on_loopback
from tests.spend.recorded import anthropic, anthropic_stream, bedrock, gemini, openai, openai_stream, serve


class Payload(NamedTuple):
    """One recorded answer."""

    what: str
    kind: str
    model: str
    url: str
    """Of the provider's public API, which finds the price."""
    answer: list[Any]
    """One object: a whole body. Several: the events of a stream."""
    usd: str
    options: dict[str, Any] | None = None


CACHED = {
    "prompt_tokens": 1117,
    "completion_tokens": 46,
    "total_tokens": 1163,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
THOUGHT = {
    "prompt_tokens": 81,
    "completion_tokens": 1035,
    "total_tokens": 1116,
    "completion_tokens_details": {"reasoning_tokens": 832},
}
SPOKEN = {
    "prompt_tokens": 150,
    "completion_tokens": 120,
    "total_tokens": 270,
    "prompt_tokens_details": {"audio_tokens": 100, "text_tokens": 50, "cached_tokens": 0},
    "completion_tokens_details": {"audio_tokens": 90, "text_tokens": 30},
}
WRITTEN = {
    "input_tokens": 2048,
    "cache_read_input_tokens": 1800,
    "cache_creation_input_tokens": 556,
    "cache_creation": {"ephemeral_5m_input_tokens": 456, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 503,
}
THINKING = {
    "promptTokenCount": 1000,
    "cachedContentTokenCount": 600,
    "candidatesTokenCount": 80,
    "thoughtsTokenCount": 400,
    "totalTokenCount": 1480,
}
SEEN = {
    "prompt_tokens": 1000,
    "completion_tokens": 10,
    "prompt_tokens_details": {"cached_tokens": 950, "image_tokens": 900},
}
FILMED = {
    "promptTokenCount": 100_000,
    "cachedContentTokenCount": 90_000,
    "candidatesTokenCount": 10,
    "promptTokensDetails": [
        {"modality": "VIDEO", "tokenCount": 95_000},
        {"modality": "TEXT", "tokenCount": 5000},
    ],
    "cacheTokensDetails": [{"modality": "VIDEO", "tokenCount": 90_000}],
}
HIT = {
    "prompt_tokens": 1500,
    "completion_tokens": 200,
    "total_tokens": 1700,
    "prompt_cache_hit_tokens": 1000,
    "prompt_cache_miss_tokens": 500,
}
TIMED = {"queue_time": 0.04, "prompt_tokens": 18, "completion_tokens": 556, "total_tokens": 574, "total_time": 0.46}
CONVERSE = {
    "inputTokens": 1000,
    "outputTokens": 200,
    "totalTokens": 2700,
    "cacheReadInputTokens": 1000,
    "cacheWriteInputTokens": 500,
}

OPENAI, ANTHROPIC = "https://api.openai.com/v1", "https://api.anthropic.com"
GEMINI, GROQ = "https://generativelanguage.googleapis.com/v1beta", "https://api.groq.com/openai/v1"
DEEPSEEK = "https://api.deepseek.com/v1"
KEY = {"api_key": "k"}
SONNET, NOVA = "claude-sonnet-4-20250514", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"

# OpenAI: 93 x 2.50 + 1024 x 1.25 + 46 x 10; 81 x 1.25 + 1035 x 10; 50 x 2.50 + 100 x 32 + 30 x 10 + 90 x 64
# of 950 cached tokens 850 are of pictures at least: 50 x 2.50 + 950 x 1.25 + 10 x 10
# Anthropic: 2048 x 3 + 456 x 3.75 + 100 x 6 + 1800 x 0.30 + 503 x 15
# Gemini: 400 x 0.30 + 600 x 0.03 + 480 x 2.50; 10000 x 0.30 + 90000 x 0.03 + 10 x 2.50. Groq: 18 x 0.59 + 556 x 0.79
# DeepSeek: 500 x 0.27 + 1000 x 0.07 + 200 x 1.10
# Bedrock: 1000 x 3 + 1000 x 0.30 + 500 x 3.75 + 200 x 15
PAYLOADS = (
    Payload("OpenAI, cached", "openai", "gpt-4o", OPENAI, [openai(CACHED)], "0.0019725"),
    Payload("OpenAI, cached, streamed", "openai", "gpt-4o", OPENAI, openai_stream(CACHED), "0.0019725"),
    Payload("OpenAI, reasoning", "openai", "gpt-5", OPENAI, [openai(THOUGHT)], "0.01045125"),
    Payload("OpenAI, reasoning, streamed", "openai", "gpt-5", OPENAI, openai_stream(THOUGHT), "0.01045125"),
    Payload("OpenAI, audio", "openai", "gpt-audio", OPENAI, [openai(SPOKEN)], "0.009385"),
    Payload("OpenAI, audio, streamed", "openai", "gpt-audio", OPENAI, openai_stream(SPOKEN), "0.009385"),
    Payload("OpenAI, pictures that were cached", "openai", "gpt-4o", OPENAI, [openai(SEEN)], "0.0014125"),
    Payload("Anthropic, caches", "anthropic", SONNET, ANTHROPIC, [anthropic(WRITTEN)], "0.016539", KEY),
    Payload(
        "Anthropic, caches, streamed",
        "anthropic",
        SONNET,
        ANTHROPIC,
        anthropic_stream({**WRITTEN, "output_tokens": 1}, {"output_tokens": 503}),
        "0.016539",
        KEY,
    ),
    Payload("Gemini, thoughts", "gemini", "gemini-2.5-flash", GEMINI, [gemini(THINKING)], "0.001338", KEY),
    Payload(
        "Gemini, thoughts, streamed",
        "gemini",
        "gemini-2.5-flash",
        GEMINI,
        [gemini({**THINKING, "candidatesTokenCount": 3, "thoughtsTokenCount": 9}), gemini(THINKING)],
        "0.001338",
        KEY,
    ),
    Payload("Gemini, a film that was cached", "gemini", "gemini-2.5-flash", GEMINI, [gemini(FILMED)], "0.005725", KEY),
    Payload("DeepSeek, by day", "openai", "deepseek-chat", DEEPSEEK, [openai(HIT)], "0.000425"),
    Payload("DeepSeek, streamed", "openai", "deepseek-chat", DEEPSEEK, openai_stream(HIT), "0.000425"),
    Payload("Groq", "openai", "llama-3.3-70b-versatile", GROQ, [openai(TIMED)], "0.00044986"),
    Payload("Bedrock, caches", "bedrock", NOVA, "", [bedrock(CONVERSE)], "0.008175", {**KEY, "region": "us-east-1"}),
)


def no_provider(name: str) -> Any:
    raise AssertionError(name)


@pytest.mark.anyio
@pytest.mark.promise("money-11")
@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.what)
async def test_a_recorded_answer_costs_what_the_price_page_says(payload: Payload, tmp_path: Path) -> None:
    kind = provider_kind(payload.kind, "")
    deployment = Deployment("p", payload.model)
    call = replace(new_call(stream=len(payload.answer) > 1), deployment=deployment)
    with on_loopback(serve(payload.answer)) as url:
        config = msgspec.convert({"kind": payload.kind, "base_url": url, **(payload.options or {})}, kind.config)
        provider = kind.build(config, Surroundings(name="p", root=tmp_path, provider=no_provider))
        async with aclosing(provider.answer(call)) as events:
            ends = [end async for end in events if isinstance(end, Finished)]
        await provider.aclose()
    (finished,) = ends
    assert finished.usage is not None
    assert not finished.usage.estimated
    noon = int(datetime(2026, 11, 2, 12, tzinfo=UTC).timestamp()) * 10**9
    table = PriceTable({("a", deployment): published(payload.model, payload.url, payload.kind)})
    assert table.cost(deployment, "a", finished.usage, noon) == from_usd(payload.usd)
