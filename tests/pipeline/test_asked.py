"""What is held for levels of service and searches covers whatever may answer."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from moat.domain.calls import Call, Delta, Deployment, Event, Finished
from moat.domain.config import LimitConfig, ModelPrice
from moat.domain.errors import LimitExceeded, NoPrice, ProviderDown, StreamCut
from moat.domain.usage import Usage
from moat.pipeline.asked import LOOP, MOST, RESULT_TOKENS, asked_tier, most_searches
from moat.pipeline.billing import Reserve, Seen, billed
from moat.pipeline.recipe import build
from moat.spend.ledger import LimitLedger, Rules
from moat.spend.limits import compiled
from moat.spend.prices import PriceTable, always, configured
from moat.testing.fakes import FakeClock, FixedModels, ListSpool, fake_ports, new_call
from moat.testing.scripted import ScriptedProvider

SEARCH = {"type": "web_search_20250305", "name": "web_search"}
GOOGLE = {"type": "google", "google": {"googleSearch": {}}}


def to(model: str, **params: Any) -> Call:
    return changed(new_call(**params), deployment=Deployment("fake", model))


@pytest.mark.parametrize(
    ("model", "params", "tier"),
    [
        ("gpt-5", {}, "auto"),
        ("gpt-5", {"service_tier": "auto"}, "auto"),
        ("gpt-5", {"service_tier": None}, "auto"),
        ("gpt-5", {"service_tier": "default"}, ""),
        ("gpt-5", {"service_tier": "flex"}, "flex+auto"),
        ("gpt-5", {"service_tier": "fast"}, "priority+auto"),
        ("gpt-5", {"service_tier": 7}, ""),
        ("gpt-5", {"anthropic": {"speed": "fast"}}, "auto"),
        ("claude-opus-4-6", {}, "auto"),
        ("claude-opus-4-6", {"service_tier": "flex"}, "auto"),
        ("claude-opus-4-6", {"anthropic": {"speed": "fast", "inference_geo": "us"}}, "fast+us+auto"),
        ("claude-opus-4-6", {"anthropic": {"speed": "standard", "inference_geo": "global"}}, "auto"),
        ("claude-opus-4-6", {"anthropic": "nonsense"}, "auto"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", {"service_tier": "priority"}, "priority+auto"),
    ],
)
def test_the_level_of_service_that_is_asked_for(model: str, params: dict[str, Any], tier: str) -> None:
    assert asked_tier(to(model, **params)) == tier


@pytest.mark.parametrize(
    ("model", "params", "most"),
    [
        ("gpt-5", {}, 0),
        ("gpt-5", {"tools": [{"type": "function", "function": {"name": "web_search"}}]}, 0),
        ("gpt-5", {"tools": "many"}, 0),
        ("gpt-5", {"tools": [7, {"type": 7}]}, 0),
        ("gpt-4o-search-preview", {}, 1),
        ("gpt-5-search-api", {"web_search_options": {}}, 1),
        ("gpt-4o", {"web_search_options": {}}, 1),
        ("claude", {"tools": [{**SEARCH, "max_uses": 3}]}, 3),
        ("claude", {"tools": [SEARCH]}, LOOP),
        ("claude", {"tools": [{**SEARCH, "max_uses": "many"}, {**SEARCH, "max_uses": 0}]}, 2 * LOOP),
        ("claude", {"tools": [{**SEARCH, "max_uses": 10**15}]}, MOST),
        ("gemini-2.5-flash", {"tools": [GOOGLE]}, 1),
        ("gemini-3-pro-preview", {"tools": [GOOGLE]}, LOOP),
        ("gemini-3-pro-preview", {"tools": [{"type": "google", "google": {"google_maps": {}}}]}, LOOP),
        ("gemini-3-pro-preview", {"tools": [{"type": "google", "google": {"codeExecution": {}}}]}, 0),
        ("grok-4", {"search_parameters": {"max_search_results": 4}}, 4),
        ("grok-4", {"search_parameters": {"mode": "auto"}}, LOOP),
    ],
)
def test_the_searches_that_may_be_made(model: str, params: dict[str, Any], most: int) -> None:
    assert most_searches(to(model, **params)) == most


TIERED = ModelPrice(
    input="1",
    output="1",
    search="0.01",
    tiers={"flex": ModelPrice(input="0.5", output="0.5"), "priority": ModelPrice(input="2", output="3")},
)


def reserve(price: ModelPrice, **params: Any) -> Reserve:
    call = changed(to("gpt-5", max_tokens=100, **params), model="assistant")
    prices = PriceTable({("assistant", Deployment("fake", "gpt-5")): always(configured(price, ""))}, "1")
    return Reserve(call, replace(fake_ports(ScriptedProvider()), prices=prices))


@pytest.mark.promise("money-2")
@pytest.mark.parametrize("asked", [None, "auto", "default", "flex", "priority", "fast"])
def test_no_answer_costs_more_than_what_is_held(asked: str | None) -> None:
    params = {"service_tier": asked, "web_search_options": {}} if asked else {"web_search_options": {}}
    held = reserve(TIERED, **params)
    cost = held.cost(100)
    assert cost is not None
    rates = configured(TIERED, "")
    may = {"default": ("",), "flex": ("flex", ""), None: ("", "flex", "priority"), "auto": ("", "flex", "priority")}
    for tier in may.get(asked, ("priority", "")):
        used = changed(held.usage, tier=tier)
        found = rates.at_tier(tier)
        assert found is not None
        assert found.cost(used) <= cost
    assert held.usage.searches == 1
    assert held.usage.input > RESULT_TOKENS


def test_a_tier_that_is_not_priced_cannot_be_held() -> None:
    assert reserve(TIERED, service_tier="scale").cost(100) is None
    assert reserve(ModelPrice(input="1"), service_tier="scale").cost(100) is not None, "nothing is known of tiers"
    assert reserve(ModelPrice(input="1"), web_search_options={}).cost(100) is None


def test_an_estimate_keeps_what_was_asked_for() -> None:
    held = reserve(TIERED, service_tier="priority", web_search_options={})
    call = to("gpt-5", service_tier="priority", web_search_options={})
    seen = Seen()
    seen.add(Delta(text="Hello"))
    found = billed(call, StreamCut("cut"), None, seen, held)
    assert (found.tier, found.searches, found.estimated) == ("priority", 1, True)
    seen.add(Delta(usage=Usage(input=9, tier="", searches=0)))
    counted = billed(call, StreamCut("cut"), None, seen, held)
    assert (counted.tier, counted.searches, counted.estimated) == ("", 1, True), "it said that it answers as ordinary"
    plain = billed(to("gpt-5"), StreamCut("cut"), None, Seen(), reserve(TIERED))
    assert plain.tier == ""


def test_what_a_failed_try_counted_is_billed_as_it_counted() -> None:
    error = ProviderDown("ended its answer with MALFORMED_FUNCTION_CALL")
    error.used = Usage(input=7, output=3, reasoning=2)
    assert billed(to("gpt-5"), error, None, Seen(), reserve(TIERED)) == error.used


@pytest.mark.anyio
@pytest.mark.promise("money-2")
async def test_a_budget_holds_for_tiers_and_searches_and_refuses_what_it_cannot_price() -> None:
    answers: list[list[Event]] = []

    class Dear(ScriptedProvider):
        async def answer(self, call: Call) -> Any:
            usage = Usage(input=5, output=100, searches=1, tier="priority")
            answers.append([Delta(text="Hi"), Finished(reason="stop", usage=usage)])
            for event in answers[-1]:
                yield event

    spool, provider = ListSpool(), Dear()
    prices = PriceTable({("assistant", Deployment("fake", "large")): always(configured(TIERED, ""))}, "1")
    ledger = LimitLedger(FakeClock())
    limits = compiled([LimitConfig(name="budget", money="0.12")])
    ledger.adopt(Rules(limits, frozenset(), {}, lambda alias, usage: None), lambda limit, since: {})
    models = FixedModels({"assistant": ["fake/large"]}, {"fake": provider})
    run = build(replace(fake_ports(provider, spool=spool), prices=prices, ledger=ledger, models=models))
    refused = 0
    for _ in range(20):
        try:
            _ = [event async for event in run(new_call(max_tokens=100, web_search_options={}))]
        except LimitExceeded:
            refused += 1
    spent = sum(span.cost or 0 for span in spool.spans if span.kind == "attempt")
    assert refused > 0
    assert 0 < spent <= 12 * 10**10
    with pytest.raises(NoPrice):
        _ = [event async for event in run(new_call(max_tokens=1, service_tier="scale"))]
