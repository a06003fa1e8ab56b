"""From an alias to a plan: rules, strategies, sizes, and what becomes of conversations that are too long."""

from collections import Counter
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from moat.domain.calls import Call, Caller, Deployment
from moat.domain.config import ModelConfig
from moat.domain.errors import ContextOverflow, NotFound
from moat.domain.usage import Usage
from moat.ports.models import Capacity
from moat.routing.router import Knowledge, Router
from moat.testing.fakes import FlatPrices, new_call


class Prices:
    version = "test"

    def __init__(self, **dollars: int) -> None:
        self._rates = dollars

    def cost(self, deployment: Deployment, alias: str, usage: Usage) -> int | None:
        rate = self._rates.get(deployment.model)
        return None if rate is None else rate * usage.input + usage.output


def router(models: dict[str, Any], contexts: dict[str, int] | None = None, **known: Any) -> Router:
    config = {alias: msgspec.convert(model, ModelConfig) for alias, model in models.items()}
    capacities = {Deployment(*name.split("/", 1)): Capacity(context=size) for name, size in (contexts or {}).items()}
    return Router(config, {}, Knowledge(**{"prices": FlatPrices(), "capacities": capacities, **known}))


def names(router: Router, call: Call) -> list[str]:
    return [str(deployment) for deployment in router.plan(call).deployments]


def long_call(turns: int = 10, model: str = "assistant", **params: Any) -> Call:
    """About 100 tokens a turn, 50 of them the user's."""
    talk = [{"role": role, "content": f"{turn:<200}"} for turn in range(turns) for role in ("user", "assistant")]
    system = {"role": "system", "content": "Be kind."}
    return replace(new_call(model=model, **params), messages=[system, *talk[:-1]])


def test_an_alias_becomes_a_plan() -> None:
    models = router({"assistant": {"use": ["a/x", "b/y/z"], "retries": 1, "deadline": 2.5, "hedge_after": 0.25}})
    plan = models.plan(new_call("x" * 40))
    assert plan.deployments == (Deployment("a", "x"), Deployment("b", "y/z"))
    assert (plan.alias, plan.retries, plan.deadline_ns, plan.hedge_ns) == ("assistant", 1, 2.5e9, 0.25e9)
    assert plan.tokens == 10
    with pytest.raises(NotFound, match="no model 'other'") as raised:
        models.plan(new_call(model="other"))
    assert "assistant" in raised.value.remedy


@pytest.mark.parametrize(
    ("when", "caller", "text"),
    [
        ({"tenant": ["acme", "b"]}, {"tenant": "acme"}, ""),
        ({"feature": ["chat"]}, {"feature": "chat"}, ""),
        ({"user": ["ann"]}, {"user": "ann"}, ""),
        ({"environment": ["staging"]}, {"environment": "staging"}, ""),
        ({"tags": ["vip", "beta"]}, {"tags": ("x", "beta")}, ""),
        ({"data_class": ["personal"]}, {"data_class": "personal"}, ""),
        ({"min_tokens": 100}, {}, "x" * 400),
        ({"tenant": ["acme"], "tags": ["vip"], "max_tokens": 100}, {"tenant": "acme", "tags": ("vip",)}, "x"),
    ],
)
def test_a_rule_holds_for_some_calls(when: dict[str, Any], caller: dict[str, Any], text: str) -> None:
    models = router({"assistant": {"use": ["a/x"], "rules": [{"when": when, "use": ["b/y"]}]}})
    call = replace(new_call(text), caller=Caller(**caller))
    assert names(models, call) == ["b/y"]
    other = replace(new_call("x" * 200), caller=Caller(tenant="other"))
    assert names(models, other) == ["a/x"]


def test_all_that_a_rule_asks_must_hold_and_the_first_that_holds_counts() -> None:
    rules = [
        {"when": {"tenant": ["acme"], "feature": ["chat"]}, "use": ["b/y"]},
        {"when": {"tenant": ["acme"]}, "use": ["c/z"]},
        {"when": {}, "use": ["d/w"]},
    ]
    models = router({"assistant": {"use": ["a/x"], "rules": rules}})
    acme = replace(new_call(), caller=Caller(tenant="acme"))
    assert names(models, acme) == ["c/z"]
    assert names(models, replace(acme, caller=Caller(tenant="acme", feature="chat"))) == ["b/y"]
    assert names(models, new_call()) == ["d/w"]


def test_a_rule_has_its_own_strategy() -> None:
    rule = {"when": {"tenant": ["acme"]}, "use": ["b/y", "c/z"], "strategy": "weighted"}
    models = router({"assistant": {"use": ["a/x", "b/y"], "rules": [rule], "weights": {"b/y": 0}}}, random=Random(1))
    acme = replace(new_call(), caller=Caller(tenant="acme"))
    assert Counter(names(models, acme)[0] for _ in range(50)) == {"c/z": 50}
    assert names(models, new_call()) == ["a/x", "b/y"]


def test_fastest_goes_by_what_was_seen() -> None:
    seen = {Deployment("a", "x"): 2.0, Deployment("b", "y"): 0.2}
    models = router({"assistant": {"use": ["a/x", "b/y"], "strategy": "fastest"}}, latency=seen.get, random=Random(1))
    first = Counter(names(models, new_call())[0] for _ in range(500))
    assert first["b/y"] > 450
    assert first["a/x"] > 5


def test_cheapest_goes_by_this_calls_price_and_by_proven_quality() -> None:
    config = {"use": ["a/dear", "b/cheap", "c/untested"], "strategy": "cheapest"}
    scores = {("support", "a/dear"): 0.95, ("support", "b/cheap"): 0.90, ("other", "c/untested"): 1.0}
    prices = Prices(dear=9, cheap=2, untested=1)
    free = router({"assistant": config}, prices=prices)
    assert names(free, new_call("x" * 40)) == ["c/untested", "b/cheap", "a/dear"]

    def asking(at_least: float) -> Router:
        quality = {"suite": "support", "at_least": at_least}
        return router({"assistant": {**config, "quality": quality}}, prices=prices, scores=lambda: scores)

    assert names(asking(0.9), new_call("x" * 40)) == ["b/cheap", "a/dear", "c/untested"]
    assert names(asking(0.93), new_call("x" * 40)) == ["a/dear", "b/cheap", "c/untested"]
    assert names(asking(0.99), new_call("x" * 40)) == ["a/dear", "b/cheap", "c/untested"], "none: as written"
    late = asking(0.93)
    scores[("support", "b/cheap")] = 0.94
    assert names(late, new_call("x" * 40))[0] == "b/cheap", "a new run counts at once"


def test_deployments_that_are_too_small_are_left_out() -> None:
    models = router({"assistant": {"use": ["a/small", "b/large", "c/unknown"]}}, {"a/small": 100, "b/large": 1000})
    assert names(models, new_call("x" * 200)) == ["a/small", "b/large", "c/unknown"]
    assert names(models, new_call("x" * 404)) == ["b/large", "c/unknown"]
    assert names(models, new_call("x" * 200, max_tokens=51)) == ["b/large", "c/unknown"]
    assert models.capacity(Deployment("a", "small")) == Capacity(context=100)
    assert models.capacity(Deployment("c", "unknown")) == Capacity()


def test_too_long_for_all_is_said_with_numbers() -> None:
    models = router({"assistant": {"use": ["a/x", "b/y"]}}, {"a/x": 100, "b/y": 200})
    with pytest.raises(ContextOverflow, match=r"about 1,000 tokens; 'assistant' takes 200 in all") as raised:
        models.plan(new_call("x" * 4000))
    assert raised.value.status == 400
    with pytest.raises(ContextOverflow) as again:
        models.roomier(new_call("x" * 4000), raised.value)
    assert again.value is raised.value
    with pytest.raises(ContextOverflow, match="an answer of up to 300"):
        models.plan(new_call("x", max_tokens=300))


def test_a_longer_model_takes_over_and_says_so() -> None:
    models = router(
        {
            "assistant": {"use": ["a/x"], "longer": "long"},
            "long": {"use": ["b/y"], "longer": "longest"},
            "longest": {"use": ["c/z"], "retries": 0},
        },
        {"a/x": 100, "b/y": 500, "c/z": 5000},
    )
    call = long_call(10)
    with pytest.raises(ContextOverflow) as raised:
        models.plan(call)
    routed = models.roomier(call, raised.value)
    assert routed.plan is not None
    assert (routed.plan.alias, [str(at) for at in routed.plan.deployments]) == ("longest", ["c/z"])
    assert (routed.model, routed.messages) == ("assistant", call.messages)
    assert call.journal.notices == ["the conversation is too long for assistant: longest answers"]
    refused = ContextOverflow("the provider says it is too long")
    with pytest.raises(ContextOverflow) as final:
        models.roomier(routed, refused)
    assert final.value is refused


def test_truncating_drops_what_it_must_and_says_how_much() -> None:
    models = router({"assistant": {"use": ["a/x"], "overflow": "truncate"}}, {"a/x": 300})
    call = long_call(10, max_tokens=100)
    with pytest.raises(ContextOverflow) as raised:
        models.plan(call)
    routed = models.roomier(call, raised.value)
    assert routed.plan is not None
    assert 100 < routed.plan.tokens <= 200
    assert routed.messages[0] == call.messages[0]
    assert routed.messages[1:] == call.messages[-3:]
    assert call.journal.notices == [
        "the conversation was too long: its oldest 8 turns, about 800 tokens, were left out"
    ]


def test_a_refusal_of_unknown_measure_shortens_step_by_step_and_ends() -> None:
    models = router({"assistant": {"use": ["a/x"], "overflow": "truncate"}})
    call, refused = long_call(10), ContextOverflow("too long")
    call = replace(call, plan=models.plan(call))
    lengths = [len(call.messages)]
    while lengths[-1] > 2:
        call = models.roomier(call, refused)
        lengths.append(len(call.messages))
    with pytest.raises(ContextOverflow) as raised:
        models.roomier(call, refused)
    assert raised.value is refused
    assert lengths[-1] == 2, "the instructions and the last question"
    assert lengths == sorted(set(lengths), reverse=True)
    assert len(lengths) < 10


def test_a_question_that_is_too_long_by_itself_is_refused() -> None:
    models = router({"assistant": {"use": ["a/x"], "overflow": "truncate"}}, {"a/x": 100})
    talk = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}]
    call = replace(new_call(), messages=[*talk, {"role": "user", "content": "x" * 4000}])
    with pytest.raises(ContextOverflow) as raised:
        models.plan(call)
    with pytest.raises(ContextOverflow, match="1,000 tokens"):
        models.roomier(call, raised.value)
    assert call.journal.notices == []


def test_a_longer_model_comes_before_a_shorter_conversation() -> None:
    models = router(
        {"assistant": {"use": ["a/x"], "longer": "long", "overflow": "truncate"}, "long": {"use": ["b/y"]}},
        {"a/x": 100, "b/y": 400},
    )
    call = long_call(3)
    with pytest.raises(ContextOverflow) as raised:
        models.plan(call)
    assert models.roomier(call, raised.value).messages == call.messages
    call = long_call(10)
    shorter = models.roomier(call, raised.value)
    assert shorter.plan is not None
    assert (shorter.plan.alias, len(shorter.messages) < len(call.messages)) == ("long", True)


def test_what_is_no_conversation_cannot_be_shortened() -> None:
    models = router({"assistant": {"use": ["a/x"], "overflow": "truncate"}}, {"a/x": 10})
    call = replace(new_call(input="x" * 400), operation="embeddings", messages=[])
    with pytest.raises(ContextOverflow) as raised:
        models.plan(call)
    with pytest.raises(ContextOverflow):
        models.roomier(call, raised.value)
