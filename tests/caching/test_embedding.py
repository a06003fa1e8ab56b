"""Vectors from a model: asked of a real OpenAI-compatible server, through the one pipeline."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace as with_fields

import msgspec
import pytest
from msgspec.structs import replace

from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.adapters.system import SystemClock
from moat.caching import embedding
from moat.caching.embedding import ModelEmbedder
from moat.caching.exact import ExactCache, Memory
from moat.domain.calls import Call, Caller, Delta, Event, Finished, Journal
from moat.domain.config import CacheConfig, LimitConfig, SemanticConfig
from moat.domain.errors import LimitExceeded, ProviderDown
from moat.domain.usage import Usage
from moat.pipeline.recipe import build
from moat.spend.ledger import LimitLedger, Rules
from moat.spend.limits import compiled
from moat.testing.fakes import FixedModels, ListSpool, fake_ports, new_call
from moat.testing.loopback import on_loopback
from moat.testing.scripted import ScriptedProvider
from moat.testing.server import ProviderServer
from moat.testing.simulated_embeddings import embeddings_body
from tests.caching.semantics import World


class Embeddings:
    """A simulated embeddings model."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        self.asked.append(call.params["input"])
        body = embeddings_body(call.params, "simulated-small", characters_per_token=4, where="")
        yield Delta(raw=msgspec.json.encode(body))
        yield Finished(reason="stop", usage=Usage(input=body["usage"]["prompt_tokens"]), model="simulated-small")

    async def aclose(self) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[tuple[str, Embeddings]]:
    model = Embeddings()
    with on_loopback(ProviderServer(model)) as url:
        yield url, model


def embedder(provider: object, spool: ListSpool, **ports: object) -> ModelEmbedder:
    models = FixedModels({"vectors": ["fake/small"]}, {"fake": provider})  # type: ignore[dict-item]
    world = with_fields(fake_ports(provider, spool=spool), models=models, clock=SystemClock(), **ports)  # type: ignore[arg-type]
    return ModelEmbedder("vectors", "vectors (fake/small)", build(world))


@pytest.mark.anyio
async def test_a_vector_is_a_call_like_any_other(upstream: tuple[str, Embeddings]) -> None:
    url, _ = upstream
    provider, spool = OpenAIProvider(OpenAIConfig(base_url=f"{url}/v1"), name="fake"), ListSpool()
    caller = Caller(key="key_1", tenant="acme", feature="chat", user="ada", models=("assistant",))
    call = replace(new_call("Where is my parcel?"), caller=caller)
    found = await embedder(provider, spool).embed("Where is my parcel?", call)
    await provider.aclose()
    assert (found.space, len(found.vector)) == ("vectors simulated-small 256", 256)
    attempt, span = sorted(spool.spans, key=lambda span: span.kind)
    assert (span.operation, span.alias, span.input_tokens) == ("embeddings", "vectors", 5)
    assert span.cost == attempt.cost == 5
    assert (span.trace_id, span.parent_id) == (call.trace.trace_id, call.trace.span_id)
    assert (span.key, span.tenant, span.feature, span.user) == ("key_1", "acme", "chat", "ada")
    assert not spool.begun


@pytest.mark.anyio
async def test_similar_questions_through_one_pipeline(upstream: tuple[str, Embeddings]) -> None:
    url, model = upstream
    provider, spool = OpenAIProvider(OpenAIConfig(base_url=f"{url}/v1"), name="fake"), ListSpool()
    semantic = SemanticConfig(embedder="vectors", mode="serve", unproven=True, sample=0, threshold=0.7)
    here = World(ScriptedProvider("by Friday", "another"), embedder(provider, spool), semantic, spool=spool)
    assert (await here.ask("Where is my parcel today?"))[1].cache == "miss"
    said, journal = await here.ask("Where is my parcel, today?")
    assert (said, journal.cache) == ("by Friday", "similar")
    assert (await here.ask("What does shipping cost?"))[1].cache == "miss"
    await provider.aclose()
    assert len(model.asked) == 3
    assert [span.operation for span in spool.calls] == ["embeddings", ""] * 3, "each is recorded once"


@pytest.mark.anyio
async def test_the_embedders_own_cache_and_budget_count() -> None:
    model, spool, clock = Embeddings(), ListSpool(), SystemClock()
    cache = ExactCache({"vectors": CacheConfig(ttl=60)}, Memory(2**20), clock)
    ledger = LimitLedger(clock)
    limits = compiled([LimitConfig(name="few", requests=3, window="month", match={"model": ["vectors"]})])
    rules = Rules(limits=limits, optional=frozenset(), cheaper={}, price=lambda alias, usage: 0)
    ledger.adopt(rules, lambda limit, since: {})
    asking = embedder(model, spool, cache=cache, ledger=ledger)
    first, again = [await asking.embed("Hi", new_call()) for _ in range(2)]
    assert first == again
    assert model.asked == ["Hi"]
    await asking.embed("Ho", new_call())
    with pytest.raises(LimitExceeded):
        await asking.embed("Hu", new_call())


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b'{"data": []}',
        b'{"data": [{"embedding": []}]}',
        b'{"data": [{"embedding": [0, 0.0]}]}',
        b'{"data": [{"embedding": ["x"]}]}',
        b'{"data": [{"embedding": [1]}, {"embedding": [1]}]}',
        b"\xff",
    ],
)
async def test_what_holds_no_vector_is_an_error(body: bytes) -> None:
    provider = ScriptedProvider([Delta(raw=body), Finished(reason="stop")])
    with pytest.raises(ProviderDown, match="no vector"):
        await embedder(provider, ListSpool()).embed("Hi", new_call())


@pytest.mark.anyio
async def test_a_shadows_vector_is_a_shadows_too() -> None:
    model, spool = Embeddings(), ListSpool()
    await embedder(model, spool).embed("Hi", replace(new_call(), shadow_of="req_1", journal=Journal()))
    assert [span.shadow_of for span in spool.calls] == ["req_1"]


class Silent:
    """Never answers."""

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        await asyncio.Event().wait()
        yield Delta()

    async def aclose(self) -> None:
        pass


@pytest.mark.anyio
async def test_nobody_waits_long_for_a_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "PATIENCE_NS", 20_000_000)
    semantic = SemanticConfig(mode="serve", unproven=True)
    here = World(ScriptedProvider("answer"), embedder(Silent(), ListSpool()), semantic)
    said, journal = await here.ask("Where is my parcel?")
    assert said == "answer"
    assert journal.notices == ["similar questions were not looked for: deadline_passed"]
