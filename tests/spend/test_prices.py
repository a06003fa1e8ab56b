"""Prices are exact: against decimal arithmetic, and against what genai-prices itself computes."""

from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage as PublishedUsage
from genai_prices import calc_price
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.domain.calls import Deployment
from moat.domain.config import ModelPrice
from moat.domain.errors import ConfigError
from moat.domain.usage import PICODOLLARS, Usage, from_usd
from moat.spend.prices import PriceTable, always, configured
from moat.spend.published import published

tokens = st.integers(0, 2_000_000)
dollars = st.decimals(0, 1000, places=6, allow_nan=False, allow_infinity=False)


def plain(usd: Decimal) -> str:
    return format(usd, "f")


@given(dollars, dollars, dollars, dollars, tokens, tokens, tokens, tokens)
def test_a_configured_price_is_decimal_arithmetic(
    input: Decimal, output: Decimal, cached: Decimal, write: Decimal, fresh: int, hit: int, written: int, out: int
) -> None:
    price = ModelPrice(input=plain(input), output=plain(output), cached=plain(cached), cache_write=plain(write))
    usage = Usage(input=fresh + hit + written, output=out, cached=hit, cache_write=written)
    exact = (fresh * input + hit * cached + written * write + out * output) * PICODOLLARS / 10**6
    assert configured(price, "here").cost(usage) == exact


@given(dollars, tokens, tokens)
def test_the_cost_of_a_sum_is_the_sum_of_costs(usd: Decimal, first: int, second: int) -> None:
    rates = configured(ModelPrice(input=plain(usd), output=plain(usd)), "here")
    one, other = Usage(input=first, output=second), Usage(input=second, output=first)
    assert rates.cost(one + other) == rates.cost(one) + rates.cost(other)


def test_cached_tokens_cost_as_much_as_others_unless_it_says_otherwise() -> None:
    rates = configured(ModelPrice(input="1", output="4"), "here")
    assert (rates.cached, rates.cache_write) == (rates.input, rates.input) == (1_000_000, 1_000_000)
    assert rates.cost(Usage(input=10, cached=4, cache_write=3)) == 10_000_000


@pytest.mark.parametrize(
    "amount",
    ["", "cheap", "-1", "-0.01", "NaN", "Infinity", "1,5", "$1", "0x1", "1e-9", "0.0000001", "1e9", "1e999999"],
)
def test_an_impossible_amount_is_refused_with_its_place(amount: str) -> None:
    with pytest.raises(ConfigError, match="is not an amount of US dollars") as raised:
        configured(ModelPrice(input="1", output=amount), "moat.yaml: $.models.m.price")
    assert raised.value.where == "moat.yaml: $.models.m.price.output"
    assert "dollars per million tokens" in raised.value.remedy


OPENAI = "https://api.openai.com/v1"
MODELS = {
    "gpt-4o": OPENAI,
    "gpt-4o-mini": OPENAI,
    "gpt-4.1": OPENAI,
    "gpt-5": OPENAI,
    "o3-mini": OPENAI,
    "text-embedding-3-small": OPENAI,
    "claude-sonnet-4-5": "https://api.anthropic.com",
    "claude-3-5-haiku-latest": "https://api.anthropic.com",
    "gemini-2.5-pro": "https://generativelanguage.googleapis.com",
    "gemini-1.5-flash": "https://generativelanguage.googleapis.com",
    "mistral-large-latest": "https://api.mistral.ai/v1",
    "deepseek-chat": "https://api.deepseek.com",
}


def theirs(model: str, url: str, usage: Usage) -> Decimal:
    """What genai-prices says this costs, in picodollars."""
    used = PublishedUsage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cached or None,
        cache_write_tokens=usage.cache_write or None,
    )
    return calc_price(used, model, provider_api_url=url).total_price * PICODOLLARS


@pytest.mark.promise("money-11")
@pytest.mark.parametrize("model", MODELS)
def test_published_prices_agree_with_genai_prices(model: str) -> None:
    tariff = published(model, MODELS[model])
    assert tariff is not None
    rates = tariff.at(0)
    for size in (0, 1, 999, 127_999, 128_000, 128_001, 199_999, 200_000, 200_001, 1_000_000):
        for usage in (
            Usage(input=size, output=777 if rates.output else 0),
            Usage(input=size, cached=size // 3),
            Usage(input=size, cached=size // 3, cache_write=size // 5),
        ):
            assert abs(rates.cost(usage) - theirs(model, MODELS[model], usage)) <= Decimal("0.001"), (size, usage)


def test_some_of_these_models_have_tiers() -> None:
    """Otherwise the test above says nothing about them."""
    tariffs: list[Any] = [published(model, url) for model, url in MODELS.items()]
    assert any(found.at(0).above for found in tariffs)


def test_an_unknown_model_or_provider_has_no_price() -> None:
    assert published("a-model-of-our-own", OPENAI) is None
    assert published("gpt-4o", "http://127.0.0.1:4010/v1") is None


def test_the_table_knows_deployments_by_alias() -> None:
    cheap, dear = (always(configured(ModelPrice(input=usd, output=usd), "here")) for usd in ("0.000001", "0.000009"))
    deployment = Deployment("openai", "gpt-4o")
    table = PriceTable({("a", deployment): cheap, ("b", deployment): dear, ("c", deployment): None})
    usage = Usage(input=1, output=1)
    assert [table.cost(deployment, alias, usage) for alias in "abcd"] == [2, 18, None, None]


def test_more_cached_than_input_tokens_never_costs_less_than_nothing() -> None:
    rates = configured(ModelPrice(input="1", output="1", cached="0"), "here")
    assert rates.cost(Usage(input=1, cached=5)) == 0


@st.composite
def possible_inputs(draw: st.DrawFn) -> Usage:
    """Tokens of each kind, of which so many were in the cache, as far as a provider tells of what kind those are."""
    words, audio, image, video, written = (draw(st.integers(0, 9)) for _ in range(5))
    hits = [draw(st.integers(0, count)) for count in (words, audio, image, video)]
    told = draw(st.booleans())
    return Usage(
        input=words + audio + image + video + written,
        audio_input=audio,
        image_input=image,
        video_input=video,
        cached=sum(hits),
        cached_audio=hits[1] if told else 0,
        cached_image=hits[2] if told else 0,
        cache_write=written,
        cache_write_long=draw(st.integers(0, written)),
    )


@given(possible_inputs())
def test_each_token_of_an_input_is_billed_once(usage: Usage) -> None:
    kinds = [name for name in ModelPrice.__struct_fields__ if name.startswith("cache") or name.endswith("input")]
    assert configured(ModelPrice(**dict.fromkeys(kinds, "1")), "here").cost(usage) == usage.input * 10**6


DEAR = st.sampled_from(["input", "audio_input", "image_input", "video_input", "cache_write"])
CHEAP = st.sampled_from(["cached", "cached_audio", "cached_image"])


@given(
    possible_inputs(), st.dictionaries(DEAR, st.integers(5, 9), min_size=5), st.dictionaries(CHEAP, st.integers(0, 5))
)
def test_what_was_in_the_cache_never_makes_a_bill_dearer(
    usage: Usage, dear: dict[str, int], cheap: dict[str, int]
) -> None:
    price = {name: str(usd) for name, usd in ({"cached": 5} | dear | cheap).items()}
    rates = configured(ModelPrice(**price), "here")
    assert rates.cost(usage) <= rates.cost(replace(usage, cached=0, cached_audio=0, cached_image=0))


def test_usd_and_picodollars() -> None:
    assert from_usd("0.60") == 600_000_000_000
