"""Usage as providers report it, priced by hand from their public price pages, in US dollars.

Each row: what the provider sent (from its public documentation), what an adapter makes of it, and the dollars that the
price page gives. Prices are those of genai-prices' data; where they change, the dates below keep the old ones.
"""

from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from moat.domain.calls import Deployment
from moat.domain.usage import Usage, from_usd
from moat.spend.prices import PriceTable
from moat.spend.published import published, published_capacity, published_version

OPENAI, AZURE = "https://api.openai.com/v1", "https://acme.openai.azure.com/openai/v1"
ANTHROPIC, GEMINI = "https://api.anthropic.com", "https://generativelanguage.googleapis.com/v1beta"
GROQ, DEEPSEEK, COHERE = "https://api.groq.com/openai/v1", "https://api.deepseek.com/v1", "https://api.cohere.com/v2"
PERPLEXITY = "https://api.perplexity.ai"
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


class Golden(NamedTuple):
    """One recorded usage and its price."""

    what: str
    model: str
    usage: Usage
    usd: str
    """Worked out by hand: sums of tokens times dollars per million."""
    url: str = ""
    kind: str = ""
    at: datetime = NOON


ROWS = (
    # It sent {"prompt_tokens": 1117, "completion_tokens": 46, "prompt_tokens_details": {"cached_tokens": 1024}}
    # 93 x 2.50 + 1024 x 1.25 + 46 x 10 = 232.5 + 1280 + 460 = 1972.5 per million
    Golden("OpenAI chat, cached", "gpt-4o-2024-08-06", Usage(input=1117, output=46, cached=1024), "0.0019725", OPENAI),
    # It sent {"input_tokens": 81, "output_tokens": 1035, "output_tokens_details": {"reasoning_tokens": 832}}
    # 81 x 1.25 + 1035 x 10 = 101.25 + 10350
    Golden("OpenAI responses, reasoning", "gpt-5", Usage(input=81, output=1035, reasoning=832), "0.01045125", OPENAI),
    # It sent {"prompt_tokens": 150, "prompt_tokens_details": {"audio_tokens": 100, "text_tokens": 50},
    #  "completion_tokens": 120, "completion_tokens_details": {"audio_tokens": 90, "text_tokens": 30}}
    # 50 x 2.50 + 100 x 32 + 30 x 10 + 90 x 64 = 125 + 3200 + 300 + 5760
    Golden(
        "OpenAI audio",
        "gpt-audio",
        Usage(input=150, audio_input=100, output=120, audio_output=90),
        "0.009385",
        OPENAI,
    ),
    # The same usage at the preview's prices: 50 x 2.50 + 100 x 40 + 30 x 10 + 90 x 80
    Golden(
        "OpenAI audio preview",
        "gpt-4o-audio-preview-2024-12-17",
        Usage(input=150, audio_input=100, output=120, audio_output=90),
        "0.011625",
        OPENAI,
    ),
    # Realtime: 1000 in of which 600 audio, 400 cached (64 of them audio); 300 out of which 200 audio
    # text: 1000-600-(400-64)=64 x 4; cached text 336 x 0.40; cached audio 64 x 0.40; audio 536 x 32; 100 x 16; 200 x 64
    Golden(
        "OpenAI realtime, cached audio",
        "gpt-realtime",
        Usage(input=1000, audio_input=600, cached=400, cached_audio=64, output=300, audio_output=200),
        "0.031968",
        OPENAI,
    ),
    # {"input_tokens": 50, "output_tokens": 1010, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    #  "output_tokens_details": {"image_tokens": 1000, "text_tokens": 10}}: 10 x 5 + 40 x 8 + 10 x 10 + 1000 x 32
    Golden(
        "OpenAI images",
        "gpt-image-1.5",
        Usage(input=50, image_input=40, output=1010, image_output=1000),
        "0.03247",
        OPENAI,
    ),
    # No price of their own for pictures that it makes: 10 x 5 + 40 x 10 + 1000 x 40
    Golden(
        "OpenAI images, as output", "gpt-image-1", Usage(input=50, image_input=40, output=1000, image_output=1000),
        "0.04045", OPENAI,
    ),
    Golden("OpenAI embedding", "text-embedding-3-small", Usage(input=1_000_000), "0.02", OPENAI),
    Golden("OpenAI speech, 1,000 characters", "tts-1", Usage(units=1000), "0.015", OPENAI),
    Golden("OpenAI transcription, 90 seconds", "whisper-1", Usage(units=90), "0.009", OPENAI),
    Golden("OpenAI moderation is free", "omni-moderation-latest", Usage(input=40), "0", OPENAI),
    # It sent input_tokens 2095, cache_creation_input_tokens 1500, cache_read_input_tokens 10000, output_tokens 503.
    # Anthropic counts apart: 2095 x 3 + 1500 x 3.75 + 10000 x 0.30 + 503 x 15
    Golden(
        "Anthropic, five-minute cache",
        "claude-sonnet-4-5-20250929",
        Usage(input=13595, cached=10000, cache_write=1500, output=503),
        "0.022455",
        ANTHROPIC,
    ),
    # It sent ephemeral_5m_input_tokens 456 and ephemeral_1h_input_tokens 100 apart; input 2048, read 1800, output 503.
    # 2048 x 3 + 456 x 3.75 + 100 x 6 + 1800 x 0.30 + 503 x 15
    Golden(
        "Anthropic, both caches",
        "claude-sonnet-4-20250514",
        Usage(input=4404, cached=1800, cache_write=556, cache_write_long=100, output=503),
        "0.016539",
        ANTHROPIC,
    ),
    # 210,000 tokens of input: all at the long prices, 210000 x 6 + 1000 x 22.50
    Golden("Anthropic, long input", "claude-sonnet-4-5", Usage(input=210_000, output=1000), "1.2825", ANTHROPIC),
    # It sent promptTokenCount 1000, cachedContentTokenCount 600, candidatesTokenCount 80, thoughtsTokenCount 400:
    # thoughts are output: 400 x 0.30 + 600 x 0.03 + 480 x 2.50
    Golden(
        "Gemini, thoughts and cache",
        "gemini-2.5-flash",
        Usage(input=1000, cached=600, output=480, reasoning=400),
        "0.001338",
        GEMINI,
    ),
    # promptTokensDetails: AUDIO 500, TEXT 100: 100 x 0.30 + 500 x 1.00 + 20 x 2.50
    Golden(
        "Gemini, audio in", "models/gemini-2.5-flash", Usage(input=600, audio_input=500, output=20), "0.00058", GEMINI
    ),
    # candidatesTokensDetails: IMAGE 1290: 10 x 0.30 + 10 x 2.50 + 1290 x 30
    Golden(
        "Gemini, a picture out",
        "gemini-2.5-flash-image",
        Usage(input=10, output=1300, image_output=1290),
        "0.038728",
        GEMINI,
    ),
    # 200,001 tokens: 200001 x 2.50 + 10 x 15
    Golden("Gemini, long input", "gemini-2.5-pro", Usage(input=200_001, output=10), "0.5001525", GEMINI),
    # It sent {"prompt_cache_hit_tokens": 1000, "prompt_cache_miss_tokens": 500, "completion_tokens": 200}, at noon UTC
    # 500 x 0.27 + 1000 x 0.07 + 200 x 1.10
    Golden("DeepSeek by day", "deepseek-chat", Usage(input=1500, cached=1000, output=200), "0.000425", DEEPSEEK),
    # The same at 20:00 UTC: half
    Golden(
        "DeepSeek by night",
        "deepseek-chat",
        Usage(input=1500, cached=1000, output=200),
        "0.0002125",
        DEEPSEEK,
        at=NOON.replace(hour=20),
    ),
    # It sent {"prompt_tokens": 18, "completion_tokens": 556}: 18 x 0.59 + 556 x 0.79
    Golden("Groq", "llama-3.3-70b-versatile", Usage(input=18, output=556), "0.00044986", GROQ),
    # It sent inputTokens 1000, outputTokens 200: global endpoints cost less than regional ones.
    Golden(
        "Bedrock, global",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        Usage(input=1000, output=200),
        "0.006",
        kind="bedrock",
    ),
    Golden(
        "Bedrock, regional",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        Usage(input=1000, output=200),
        "0.0066",
        kind="bedrock",
    ),
    Golden("Bedrock, by ARN", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
           Usage(input=1000, output=1000), "0.0003", kind="bedrock"),
    Golden("Vertex, Claude", "claude-sonnet-4-5@20250929", Usage(input=100, output=10), "0.00045", kind="vertex"),
    Golden("Azure by its address", "gpt-4o", Usage(input=1000, output=100), "0.0035", AZURE),
    Golden("Azure by its kind", "gpt-4o-mini", Usage(input=1000, output=100), "0.00021", kind="azure"),
    # rerank: one search unit
    Golden("Cohere rerank", "rerank-v3.5", Usage(units=1), "0.002", COHERE),
    # reasoning apart from the answer: 33 x 2 + 7163 x 8 + 193944 x 3
    Golden(
        "Perplexity, reasoning with its own price",
        "sonar-deep-research",
        Usage(input=33, output=201_107, reasoning=193_944),
        "0.639202",
        PERPLEXITY,
    ),
)  # fmt: skip


@pytest.mark.promise("money-11")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_recorded_usage_costs_what_the_price_page_says(row: Golden) -> None:
    tariff = published(row.model, row.url, row.kind)
    assert tariff is not None
    deployment = Deployment("p", row.model)
    table = PriceTable({("a", deployment): tariff})
    assert table.cost(deployment, "a", row.usage, int(row.at.timestamp()) * 10**9) == from_usd(row.usd)


def test_a_proxy_in_front_of_a_known_api_costs_what_that_api_costs() -> None:
    assert published("claude-sonnet-4-5", "http://127.0.0.1:9", "anthropic") == published(
        "claude-sonnet-4-5", ANTHROPIC
    )
    assert published("gpt-4o", "http://127.0.0.1:9", "openai") is None, "anything speaks that protocol"


def test_the_address_decides_before_the_kind() -> None:
    assert published("deepseek-chat", "https://api.deepseek.com/anthropic", "anthropic") == published(
        "deepseek-chat", DEEPSEEK
    )


@pytest.mark.parametrize("model", ["mistral-ocr-2503", "gemma-3", "a-model-of-our-own", ""])
def test_what_cannot_be_priced_has_no_price(model: str) -> None:
    assert published(model, "https://api.mistral.ai/v1") is None
    assert published(model, GEMINI) is None


def test_pieces_of_a_model_billed_by_tokens_are_not_free() -> None:
    deployment = Deployment("p", "m")
    spoken, written = published("tts-1", OPENAI), published("gpt-4o", OPENAI)
    table = PriceTable({("speech", deployment): spoken, ("chat", deployment): written})
    assert table.cost(deployment, "speech", Usage(input=50)) is None
    assert table.cost(deployment, "chat", Usage(units=3)) is None
    assert table.cost(deployment, "speech", Usage()) == table.cost(deployment, "chat", Usage()) == 0


def test_what_claude_keeps_for_an_hour_costs_twice_its_input_everywhere() -> None:
    here, there = published("claude-sonnet-4-20250514", "", "vertex"), published("claude-sonnet-4-20250514", ANTHROPIC)
    assert here is not None
    assert there is not None
    assert here.at(0).cache_write_long == there.at(0).cache_write_long == 2 * here.at(0).input


def test_prices_follow_the_calendar() -> None:
    tariff = published("grok-4.20", "https://api.x.ai/v1")
    assert tariff is not None
    assert len(tariff.periods) > 1
    before, after = datetime(2026, 4, 29, 23, tzinfo=UTC), datetime(2026, 4, 30, 1, tzinfo=UTC)
    assert tariff.at(int(before.timestamp()) * 10**9) == tariff.periods[0].rates
    assert tariff.at(int(after.timestamp()) * 10**9) == tariff.periods[1].rates != tariff.periods[0].rates


def test_capacity_is_published_where_it_is_known() -> None:
    assert published_capacity("gpt-4o", OPENAI).context == 128_000
    assert published_capacity("claude-sonnet-4-20250514", "", "anthropic").context == 200_000
    assert published_capacity("claude-sonnet-4-5", ANTHROPIC).context == 0, "its prices reach beyond its window"
    assert published_capacity("a-model-of-our-own", OPENAI).context == 0
    assert published_version()[0].isdigit()
