"""What a try may take at most, and what it took."""

import asyncio
import base64
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from moat.domain.calls import Call, Delta, Deployment, Event, Finished, ToolCallDelta
from moat.domain.config import LimitConfig, ModelPrice
from moat.domain.errors import (
    MoatError,
    NoPrice,
    ProviderDown,
    ProviderOverloaded,
    ProviderTimeout,
    RequestError,
    StreamCut,
)
from moat.domain.usage import Usage
from moat.pipeline.billing import DEFAULT_OUTPUT, IMAGE_OUTPUT, Reserve, Seen, billed
from moat.pipeline.estimates import LEAST_AUDIO, MOST_IMAGE, choices, input_tokens, most_input_tokens
from moat.pipeline.recipe import build
from moat.ports.models import Capacity
from moat.spend.ledger import LimitLedger, Rules
from moat.spend.limits import compiled
from moat.spend.prices import PriceTable, always, configured
from moat.testing.fakes import FakeClock, FixedModels, FlatPrices, fake_ports, new_call
from moat.testing.scripted import ScriptedProvider


class Spacious(FixedModels):
    """Every deployment can give 700 tokens."""

    def capacity(self, deployment: Deployment) -> Capacity:
        return Capacity(context=10_000, output=700)


def reserve(call: Call, *, known: bool = False) -> Reserve:
    provider = ScriptedProvider()
    models = (Spacious if known else FixedModels)({"assistant": ["fake/large"]}, {"fake": provider})
    return Reserve(call, replace(fake_ports(provider), models=models))


@pytest.mark.promise("money-2")
@pytest.mark.parametrize(
    ("params", "known", "output"),
    [
        ({}, True, 700),
        ({}, False, DEFAULT_OUTPUT),
        ({"max_tokens": 5}, True, 5),
        ({"max_tokens": 5, "max_completion_tokens": 9}, True, 9),
        ({"max_tokens": "many"}, True, 700),
        ({"max_tokens": True}, True, 700),
        ({"n": 3, "max_tokens": 5}, True, 15),
        ({"n": 3}, True, 2100),
    ],
)
def test_the_longest_answer_is_what_the_call_says_else_the_models_ceiling(
    params: dict[str, object], known: bool, output: int
) -> None:
    assert reserve(new_call(**params), known=known).output == output  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operation", "params", "output", "units"),
    [
        ("embeddings", {"input": ["Hi", "you"]}, 0, 0),
        ("moderations", {"input": "Hi"}, 0, 0),
        ("rerank", {"query": "Hi", "documents": ["a"]}, 0, 1),
        ("rerank", {"query": "Hi", "documents": ["a"] * 250}, 0, 3),
        ("images", {"prompt": "a cat", "n": 3}, 3 * IMAGE_OUTPUT, 3),
        ("images", {"prompt": "a cat"}, IMAGE_OUTPUT, 1),
        ("speech", {"input": "Hello"}, 20, 5),
        ("completions", {"prompt": ["Hi", "you"], "max_tokens": 7, "best_of": 4}, 56, 0),
        ("completions", {"prompt": [1, 2, 3], "max_tokens": 7}, 7, 0),
        ("completions", {"prompt": "Hi", "max_tokens": 7}, 7, 0),
    ],
)
def test_other_operations_take_pieces_and_texts(operation: str, params: dict, output: int, units: int) -> None:
    call = changed(new_call(), operation=operation, messages=[], params=params)
    found = reserve(call).usage
    assert (found.output, found.units) == (output, units)
    assert found.estimated


def test_sound_is_as_long_as_its_bytes_can_hold() -> None:
    call = changed(new_call(), operation="transcription", messages=[], upload=b"x" * (90 * LEAST_AUDIO))
    assert reserve(call).usage.units == 91


def test_the_dearest_kind_of_token_is_held() -> None:
    cached = changed(new_call(), messages=[{"role": "user", "content": [{"text": "Hi", "cache_control": {}}]}])
    found = reserve(cached).usage
    assert found.cache_write == found.cache_write_long == found.input > 0
    heard = reserve(changed(new_call(), messages=[{"role": "user", "content": [{"type": "input_audio"}]}])).usage
    assert (heard.audio_input, heard.audio_output) == (heard.input, heard.output)
    assert reserve(new_call(tools=[{"type": "function", "cache_control": {}}])).usage.cache_write
    assert reserve(new_call(modalities=["audio"])).usage.audio_output


def data_url(kind: str, text: str) -> str:
    """A file of text."""
    return f"data:{kind};base64,{base64.b64encode(text.encode('utf-8', 'surrogatepass')).decode()}"


TEXTS = st.text(max_size=60)
PARTS = st.one_of(
    TEXTS.map(lambda text: {"type": "text", "text": text}),
    st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}),
)
OTHERS = TEXTS.map(lambda text: {"type": "refusal", "refusal": text}) | TEXTS.map(
    lambda text: {"type": "file", "file": {"filename": text, "file_data": data_url("text/plain", text)}}
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.just("user"), "content": st.one_of(TEXTS, st.lists(PARTS, max_size=3))}),
    max_size=4,
)


@given(MESSAGES)
def test_no_tokenizer_makes_more_of_a_conversation_than_is_held(messages: list[dict]) -> None:
    call = changed(new_call(), messages=messages)
    texts = [message["content"] for message in messages if isinstance(message["content"], str)]
    parts = [part for message in messages if isinstance(message["content"], list) for part in message["content"]]
    texts += [part["text"] for part in parts if "text" in part]
    images = sum("text" not in part for part in parts)
    assert most_input_tokens(call) >= sum(len(text.encode()) for text in texts) + MOST_IMAGE * images
    assert most_input_tokens(call) >= input_tokens(call)


@given(
    st.lists(PARTS | OTHERS, max_size=4),
    st.dictionaries(st.sampled_from(["name", "refusal", "reasoning_content"]), TEXTS),
)
def test_about_is_never_above_at_most(parts: list[dict], rest: dict[str, str]) -> None:
    call = changed(new_call(), messages=[{"role": "user", "content": parts, **rest}])
    assert most_input_tokens(call) >= input_tokens(call)


LONG = "word " * 80_000
HIDDEN = {
    "a file": {"content": [{"type": "file", "file": {"filename": "a.txt", "file_data": data_url("text/plain", LONG)}}]},
    "a document": {
        "content": [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": LONG}}]
    },
    "no picture": {"content": [{"type": "image_url", "image_url": {"url": data_url("text/plain", LONG)}}]},
    "no picture, in capitals": {
        "content": [
            {"type": "image_url", "image_url": {"url": data_url("text/plain", LONG).replace("data", "DATA", 1)}}
        ]
    },
    "a refusal": {"content": [{"type": "refusal", "refusal": LONG}]},
    "another member": {"content": "Hi", "reasoning_content": LONG},
    "a name": {"content": "Hi", "name": LONG},
}


@pytest.mark.promise("money-2")
@pytest.mark.parametrize("where", HIDDEN)
def test_a_long_text_is_counted_wherever_a_message_has_it(where: str) -> None:
    call = changed(new_call(), messages=[{"role": "user", **HIDDEN[where]}])
    assert input_tokens(call) >= len(LONG) // 4
    assert most_input_tokens(call) >= len(LONG)


def test_a_picture_is_held_as_the_model_counts_it() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    call = changed(new_call(), messages=[{"role": "user", "content": [picture]}])
    small, dear = (
        changed(call, deployment=Deployment("openai", name)) for name in ("gpt-4.1", "gpt-4o-mini-2024-07-18")
    )
    assert MOST_IMAGE <= most_input_tokens(small) < 2 * MOST_IMAGE
    assert most_input_tokens(dear) >= 2833 + 8 * 5667


def test_the_shape_of_an_answer_is_counted() -> None:
    shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "description": LONG}}}
    assert input_tokens(new_call(response_format=shape)) >= len(LONG) // 4


def seen(*deltas: Delta) -> Seen:
    found = Seen()
    for delta in deltas:
        found.add(delta)
    return found


FOUR = Delta(text="four")
CALLED = Delta(tool_calls=(ToolCallDelta(name="look", arguments='{"id": 123456}'),))


@pytest.mark.promise("money-5")
@pytest.mark.parametrize(
    ("error", "finished", "deltas", "usage"),
    [
        (None, Finished(reason="stop", usage=Usage(input=3, output=0)), [FOUR], Usage(input=3, output=0)),
        (None, Finished(reason="stop"), [FOUR], Usage(input=2, output=1, estimated=True)),
        (StreamCut("cut"), None, [FOUR], Usage(input=2, output=1, estimated=True)),
        (
            StreamCut("cut"),
            None,
            [FOUR, Delta(reasoning="four", text="four")],
            Usage(input=2, output=3, estimated=True),
        ),
        (StreamCut("cut"), None, [CALLED], Usage(input=2, output=5, estimated=True)),
        (StreamCut("cut"), None, [Delta(text="四個漢字")], Usage(input=2, output=4, estimated=True)),
        (
            StreamCut("cut"),
            None,
            [Delta(usage=Usage(input=90, output=1, cache_write=80)), FOUR, FOUR],
            Usage(input=90, output=2, cache_write=80, estimated=True),
        ),
        (StreamCut("cut"), None, [], Usage()),
        (ProviderDown("refused"), None, [], Usage()),
        (ProviderTimeout("silence"), None, [], Usage(input=2, output=0, estimated=True)),
    ],
)
def test_what_is_billed(error: MoatError | None, finished: Finished | None, deltas: list[Delta], usage: Usage) -> None:
    call = new_call("Hello")
    assert billed(call, error, finished, seen(*deltas), reserve(call)) == usage


def test_each_of_several_answers_is_billed() -> None:
    call = new_call("Hello", n=3)
    assert billed(call, StreamCut("cut"), None, seen(FOUR), reserve(call)).output == 3


def test_what_had_begun_to_answer_is_billed_by_estimate() -> None:
    error = ProviderDown("broke off")
    error.worked = True
    call = new_call("Hello")
    assert billed(call, error, None, seen(), reserve(call)) == Usage(input=2, estimated=True)


@pytest.mark.parametrize("absurd", [Usage(input=-3, output=5), Usage(input=5, output=10**9)])
def test_a_usage_beyond_belief_counts_as_the_worst_case(absurd: Usage) -> None:
    call = new_call("Hello", max_tokens=10)
    held = reserve(call)
    found = billed(call, None, Finished(reason="stop", usage=absurd), seen(), held)
    assert found == held.usage
    assert (found.output, found.estimated) == (10, True)


def test_a_timeout_before_anything_was_sent_costs_nothing() -> None:
    error = ProviderTimeout("no connection")
    error.sent = False
    call = new_call("Hello")
    assert billed(call, error, None, seen(), reserve(call)) == Usage()


def test_pieces_and_tokens_cost_the_dearer_of_the_two() -> None:
    class Pieces(FlatPrices):
        def cost(self, deployment: Deployment, alias: str, usage: Usage, at_ns: int = 0) -> int | None:
            if usage.units and usage.input:
                return None
            return usage.units * 1000 if usage.units else usage.input + usage.output

    call = changed(new_call(), operation="images", messages=[], params={"prompt": "a cat", "n": 2})
    held = Reserve(call, replace(fake_ports(ScriptedProvider()), prices=Pieces()))
    assert held.cost(held.output) == 2 * IMAGE_OUTPUT + held.usage.input > 2000


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({}, {"max_tokens": DEFAULT_OUTPUT}),
        ({"n": 4}, {"n": 4, "max_tokens": DEFAULT_OUTPUT}),
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"max_completion_tokens": 7, "n": 2}, {"max_completion_tokens": 7, "n": 2}),
    ],
)
@pytest.mark.promise("money-2")
def test_a_model_is_told_the_length_that_a_budget_counts_on(params: dict, sent: dict) -> None:
    provider = ScriptedProvider()
    asked(provider, LimitConfig(name="budget", tokens=10**6), **params)
    assert provider.calls[0].params == sent


@pytest.mark.parametrize(
    ("params", "sent"),
    [({"n": 4}, 224), ({"n": 4, "max_tokens": 100}, 100), ({"n": 4, "max_tokens": 4000}, 224), ({}, 900)],
)
def test_a_cap_is_shared_by_all_answers(params: dict, sent: int) -> None:
    provider = ScriptedProvider()
    call = asked(provider, LimitConfig(name="each", tokens=1000, window="request", action="cap"), **params)
    told = provider.calls[0].params["max_tokens"]
    assert abs(told - sent) <= 100
    assert told * choices(call) <= 1000


@pytest.mark.parametrize("name", ["max_output_tokens", "models", "options"])
def test_what_could_pass_a_budget_is_refused_where_one_applies(name: str) -> None:
    provider = ScriptedProvider()
    with pytest.raises(RequestError, match="a budget applies"):
        asked(provider, LimitConfig(name="budget", tokens=10**6), **{name: 1})
    assert provider.calls == []


def asked(provider: ScriptedProvider, limit: LimitConfig, **params: object) -> Call:
    ledger = LimitLedger(FakeClock())
    ledger.adopt(Rules(compiled([limit]), frozenset(), {}, lambda alias, usage: 1), lambda limit, since_ns: {})
    run = build(replace(fake_ports(provider), ledger=ledger))
    call = new_call("Hi", **params)

    async def drain() -> None:
        async with aclosing(run(call)) as events:
            async for _ in events:
                pass

    try:
        asyncio.run(drain())
    finally:
        assert all(balance.held == 0 for balance in ledger.balances())
    return call


@pytest.mark.promise("money-7")
@pytest.mark.no_cover
def test_nothing_is_held_after_10000_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors, cuts, hang-ups and cancellations at random, with retries and fallbacks: every try is billed once."""
    chance = random.Random(5)
    told: list[int] = []

    class Faulty(ScriptedProvider):
        async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
            fate = chance.randrange(4)
            if fate == 0:
                raise chance.choice([ProviderDown("down"), ProviderOverloaded("busy", retry_after=0.0)])
            yield Delta(text="a")
            await asyncio.sleep(0)
            if fate == 1:
                raise ProviderDown("broke")
            if fate == 2:
                return  # no end
            told.append(1)
            yield Finished(reason="stop", usage=Usage(input=1, output=1), model="m")

    ledger = LimitLedger(FakeClock())
    limits = [
        LimitConfig(name="tokens", tokens=10**9, per=["tenant"]),
        LimitConfig(name="money", money="1000"),
        LimitConfig(name="at-once", concurrent=10**6),
    ]
    ledger.adopt(Rules(compiled(limits), frozenset(), {}, lambda alias, usage: 1), lambda limit, since_ns: {})
    provider = Faulty()
    models = FixedModels({"assistant": ["fake/large", "fake/small"]}, {"fake": provider}, retries=1)
    ports = replace(fake_ports(provider), models=models, ledger=ledger)
    run = build(ports)

    async def one() -> None:
        with suppress(MoatError, asyncio.TimeoutError):
            async with aclosing(run(new_call("Hi"))) as events:
                async for _ in events:
                    if chance.random() < 0.1:
                        return  # the client hangs up

    async def some() -> None:
        tasks = [asyncio.create_task(one()) for _ in range(100)]
        await asyncio.sleep(0)
        for task in tasks:
            if chance.random() < 0.05:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def all_of_them() -> None:
        monkeypatch.setattr(asyncio, "sleep", _at_once(asyncio.sleep))
        for _ in range(100):
            await some()

    asyncio.run(all_of_them())
    spool = ports.spool
    attempts = [span for span in spool.spans if span.kind == "attempt"]  # type: ignore[attr-defined]
    assert sum(1 for span in attempts if span.error) > 10_000
    assert len({span.span_id for span in attempts}) == len(attempts)
    assert [balance.held for balance in ledger.balances()] == [0, 0, 0]
    tokens, money, _ = ledger.balances()
    assert tokens.used == sum(span.input_tokens + span.output_tokens for span in attempts)
    assert money.used == sum(span.cost or 0 for span in attempts)
    assert spool.begun == {}, "nothing is still to come"  # type: ignore[attr-defined]


def _at_once(sleep):  # type: ignore[no-untyped-def]
    """Pauses between retries are not what this is about."""

    async def short(seconds: float, *rest: object) -> None:
        await sleep(0)

    return short


def test_pictures_are_held_at_their_own_price() -> None:
    call = new_call()
    assert call.deployment is not None
    rates = configured(ModelPrice(input="1", output="2", image_output="30"), "here")
    prices = PriceTable({(call.model, call.deployment): always(rates)})
    held = Reserve(call, replace(fake_ports(ScriptedProvider()), prices=prices))
    assert held.cost(1000) == (30 * 1000 + held.usage.input) * 10**6
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    shown = changed(new_call(), messages=[{"role": "user", "content": [picture]}])
    assert reserve(shown).usage.video_input == reserve(shown).usage.input


PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
HEARD = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
WRITTEN = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
PRICE = st.fixed_dictionaries(
    {"input": st.integers(2, 9), "output": st.integers(0, 9), "cached": st.integers(0, 2)},
    optional={
        name: st.integers(2, 30)
        for name in ("cache_write", "cache_write_long", "audio_input", "image_input", "video_input")
    }
    | {name: st.integers(0, 30) for name in ("audio_output", "image_output", "video_output")},
)


@given(PRICE, st.lists(st.sampled_from([PICTURE, HEARD, WRITTEN]), min_size=1, max_size=3), st.data())
def test_nothing_that_a_provider_counts_costs_more_than_is_held(
    price: dict[str, int], content: list[dict], data: st.DataObject
) -> None:
    call = changed(new_call(max_tokens=50), messages=[{"role": "user", "content": content}])
    assert call.deployment is not None
    rates = configured(ModelPrice(**{name: str(usd) for name, usd in price.items()}), "here")
    prices = PriceTable({(call.model, call.deployment): always(rates)})
    held = Reserve(call, replace(fake_ports(ScriptedProvider()), prices=prices))

    def part(name: str, most: int, *, may: bool = True) -> int:
        return data.draw(st.integers(0, most) | st.just(most), name) if may else 0

    read, written = held.usage.input, held.output
    audio = part("audio", read, may=HEARD in content)
    image = part("image", read - audio, may=PICTURE in content)
    stored = part("stored", read, may=WRITTEN in content)
    spoken = part("spoken", written, may=HEARD in content)
    drawn = part("drawn", written - spoken)
    used = Usage(
        input=read,
        output=written,
        cached=part("cached", read - stored),
        cache_write=stored,
        cache_write_long=part("long", stored),
        audio_input=audio,
        image_input=image,
        video_input=part("film", read - audio - image, may=PICTURE in content),
        audio_output=spoken,
        image_output=drawn,
        video_output=part("filmed", written - spoken - drawn),
    )
    assert (rates.cost(used) or 0) <= (held.cost(written) or 0)


def test_pictures_that_are_dearer_than_films_are_held_at_their_own_price() -> None:
    call = changed(new_call(), messages=[{"role": "user", "content": [PICTURE]}])
    assert call.deployment is not None
    price = ModelPrice(input="1", image_input="5", video_input="1", output="2", image_output="30", video_output="2")
    prices = PriceTable({(call.model, call.deployment): always(configured(price, "here"))})
    held = Reserve(call, replace(fake_ports(ScriptedProvider()), prices=prices))
    assert held.cost(1000) == (30 * 1000 + 5 * held.usage.input) * 10**6


def test_where_one_deployment_has_no_price_the_next_one_answers_a_budget() -> None:
    class SmallOnly(FlatPrices):
        def cost(self, deployment: Deployment, alias: str, usage: Usage, at_ns: int = 0) -> int | None:
            return usage.input + usage.output if deployment.model == "small" else None

    provider = ScriptedProvider("Hello")
    ledger = LimitLedger(FakeClock())
    limits = compiled([LimitConfig(name="money", money="1000")])
    ledger.adopt(Rules(limits, frozenset(), {}, lambda alias, usage: 1), lambda limit, since_ns: {})
    models = FixedModels({"assistant": ["fake/large", "fake/small"], "dear": ["fake/large"]}, {"fake": provider})
    run = build(replace(fake_ports(provider), models=models, prices=SmallOnly(), ledger=ledger))

    async def ask(model: str) -> None:
        async with aclosing(run(new_call("Hi", model=model))) as events:
            async for _ in events:
                pass

    asyncio.run(ask("assistant"))
    assert [str(call.deployment) for call in provider.calls] == ["fake/small"]
    with pytest.raises(NoPrice, match="no known price") as error:
        asyncio.run(ask("dear"))
    assert (error.value.status, error.value.code) == (400, "price_unknown")
