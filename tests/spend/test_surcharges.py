"""Levels of service and pieces: which prices hold, as published and as moat.yaml says, and as they are asked for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.calls import Deployment
from moat.domain.config import ModelPrice
from moat.domain.errors import ConfigError
from moat.domain.usage import COUNTS, Usage, tier_of
from moat.spend.prices import PriceTable, always, configured, dearest
from moat.spend.published import published

OPENAI, ANTHROPIC = "https://api.openai.com/v1", "https://api.anthropic.com"
AT = Deployment("p", "m")


def table(price: ModelPrice) -> PriceTable:
    return PriceTable({("a", AT): always(configured(price, "moat.yaml"))})


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        (("default",), ""),
        (("standard", None, "standard"), ""),
        ((" Priority ",), "priority"),
        (("standard", "fast", "us"), "fast+us"),
        (("on_demand",), ""),
        (("batch",), ""),
        ((None, 7, {"a": 1}), ""),
        (("x" * 100,), "x" * 64),
    ],
)
def test_what_providers_call_their_levels_of_service(said: tuple[object, ...], tier: str) -> None:
    assert tier_of(*said) == tier


@pytest.mark.promise("money-11")
def test_moat_yaml_states_the_prices_of_tiers_and_pieces() -> None:
    price = ModelPrice(
        input="2", output="8", cached="1", search="0.01", request="0.5", unit="3",
        tiers={
            "flex": ModelPrice(input="1", output="4"),
            "priority": ModelPrice(input="4", output="16", cached="2", search="0.02", request="0"),
        },
    )  # fmt: skip
    found = table(price)
    usage: dict[str, Any] = {"input": 1_000_000, "output": 1_000_000, "cached": 500_000, "searches": 3}
    assert found.cost(AT, "a", Usage(**usage)) == 10**10 * (950 + 50 + 3), "1 + 0.5 + 8 dollars, the request, 3 x 0.01"
    assert found.cost(AT, "a", Usage(**usage, tier="flex")) == 10**10 * (500 + 50 + 3), (
        "cached as input, pieces the same"
    )
    assert found.cost(AT, "a", Usage(**usage, tier="priority")) == 10**10 * (1900 + 6), "prices of its own"
    assert found.cost(AT, "a", Usage(**usage, tier="scale")) is None
    assert found.cost(AT, "a", Usage(**usage, tier="auto")) == 10**10 * (1900 + 50 + 6), "of each piece the dearest"
    assert found.cost(AT, "a", Usage(**usage, tier="flex+auto")) == found.cost(AT, "a", Usage(**usage, tier="flex"))
    assert found.cost(AT, "a", Usage(**usage, tier="scale+auto")) is None, "there are tiers, and that is none of them"
    assert found.cost(AT, "a", Usage(runs=1)) is None


@pytest.mark.promise("money-11")
def test_what_has_no_known_price_is_not_free() -> None:
    found = table(ModelPrice(input="2", output="8"))
    assert found.cost(AT, "a", Usage(input=1, searches=1)) is None
    assert found.cost(AT, "a", Usage(input=1, runs=1)) is None
    assert found.cost(AT, "a", Usage(input=1, tier="priority")) is None
    assert found.cost(AT, "a", Usage(input=1, tier="priority+auto")) == 2 * 10**6, "nothing is known of tiers here"
    assert found.cost(AT, "a", Usage(input=1, tier="auto")) == 2 * 10**6
    known = table(ModelPrice(input="2", search="0", run="0.03"))
    assert known.cost(AT, "a", Usage(searches=5, runs=2)) == 6 * 10**10
    assert table(ModelPrice()).cost(AT, "a", Usage(input=5)) == 0
    assert table(ModelPrice()).cost(AT, "a", Usage(input=5, searches=1)) is None


@pytest.mark.parametrize(
    ("tiers", "where"),
    [
        ({"default": ModelPrice(input="1")}, "moat.yaml.tiers.default"),
        ({"auto": ModelPrice(input="1")}, "moat.yaml.tiers.auto"),
        ({"Flex": ModelPrice(input="1")}, "moat.yaml.tiers.Flex"),
        ({"flex": ModelPrice(tiers={"priority": ModelPrice()})}, "moat.yaml.tiers.flex"),
        ({"flex": ModelPrice(input="-1")}, "moat.yaml.tiers.flex.input"),
        ({"flex": ModelPrice(search="many")}, "moat.yaml.tiers.flex.search"),
    ],
)
def test_a_tier_that_is_none_is_refused(tiers: dict[str, ModelPrice], where: str) -> None:
    with pytest.raises(ConfigError) as raised:
        configured(ModelPrice(tiers=tiers), "moat.yaml")
    assert raised.value.where == where


@pytest.mark.parametrize(
    ("model", "url", "tiers"),
    [
        ("gpt-4o", OPENAI, {"flex", "priority", "auto"}),
        ("gpt-6-astra", OPENAI, {"flex", "priority", "ultrafast", "auto"}),
        ("gpt-4-turbo", OPENAI, {"flex"}),
        ("claude-opus-4-8", ANTHROPIC, {"fast", "us", "fast+us", "auto", "fast+auto"}),
        ("claude-haiku-4-5", ANTHROPIC, {"us", "auto"}),
        ("mistral-large-latest", "https://api.mistral.ai/v1", set()),
    ],
)
def test_the_tiers_that_are_published(model: str, url: str, tiers: set[str]) -> None:
    tariff = published(model, url)
    assert tariff is not None
    assert set(tariff.at(0).tiers) == tiers


def test_a_tier_is_dearer_for_long_inputs_too_and_pieces_are_not() -> None:
    tariff = published("gpt-6-astra", OPENAI)
    assert tariff is not None
    rates = tariff.at(0)
    ((start, dearer),) = rates.above
    ((same, fast),) = rates.tiers["priority"].above
    assert (same, fast.input, fast.output) == (start, 2 * dearer.input, 2 * dearer.output)
    assert rates.tiers["priority"].search == fast.search == dearer.search == rates.search == 10**10


COUNT = st.integers(0, 500_000)
USAGES = st.builds(Usage, **{name: COUNT for name in COUNTS if name not in ("units", "runs")})
MODELS = (
    ("gpt-5.5", OPENAI),
    ("gpt-6-astra", OPENAI),
    ("claude-opus-4-8", ANTHROPIC),
    ("claude-sonnet-4-5", ANTHROPIC),
)


@pytest.mark.promise("money-2")
@given(usage=USAGES, which=st.sampled_from(MODELS))
def test_as_asked_is_never_cheaper_than_what_may_answer(usage: Usage, which: tuple[str, str]) -> None:
    tariff = published(*which)
    assert tariff is not None
    rates = tariff.at(0)
    asked = rates.at_tier("auto")
    unasked = ("", "priority") if which[1] == OPENAI else ("", "us")
    answered = [found.cost(usage) for tier in unasked if (found := rates.at_tier(tier))]
    assert asked is not None
    assert asked.cost(usage) >= max(answered)


@given(usage=USAGES)
def test_the_dearest_covers_each(usage: Usage) -> None:
    one = configured(ModelPrice(input="1", output="5", cached="9", search="0.5"), "")
    other = configured(ModelPrice(input="3", output="2", cache_write="7", search="0.1"), "")
    assert dearest([one, other]).cost(usage) >= max(one.cost(usage), other.cost(usage))
