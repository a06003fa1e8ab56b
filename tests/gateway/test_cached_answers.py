"""Answers that are given again, as official SDKs see them: streamed or whole, whichever SDK asked first."""

import json
import urllib.request
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from dataclasses import replace as with_fields
from typing import Any

import anthropic
import openai
import pytest

from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.caching.exact import ExactCache, Memory
from moat.domain.calls import Call, Event
from moat.domain.config import CacheConfig
from moat.domain.keys import Key, hash_secret
from moat.gateway.admission import KeyRing
from moat.gateway.app import Gateway
from moat.gateway.serving import Live, Serving
from moat.pipeline.recipe import build
from moat.ports.models import Provider
from moat.testing.fakes import FakeClock, FixedModels, ListSpool, fake_ports
from moat.testing.loopback import on_loopback
from moat.testing.scripted import ScriptedProvider
from moat.testing.server import ProviderServer
from tests.gateway.conftest import no_management

TEXT = "Paris is the capital of France; it lies on the Seine, and has done so for rather a long time by now."
ASKED: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital?"}]
KEYS = {"mk-acme": Key(id="key_1", hash="", tenant="acme"), "mk-globex": Key(id="key_2", hash="", tenant="globex")}


@dataclass
class World:
    """A gateway with a cache before an OpenAI-compatible server."""

    url: str
    spool: ListSpool
    model: ScriptedProvider
    stack: ExitStack

    def openai(self, secret: str = "mk-acme") -> openai.OpenAI:
        return self.stack.enter_context(openai.OpenAI(base_url=f"{self.url}/v1", api_key=secret, max_retries=0))

    def anthropic(self) -> anthropic.Anthropic:
        return self.stack.enter_context(anthropic.Anthropic(base_url=self.url, api_key="mk-acme", max_retries=0))

    def google(self, path: str, body: Any) -> tuple[str, bytes]:
        """What the cache did, and the body."""
        request = urllib.request.Request(f"{self.url}/v1beta/models/{path}", json.dumps(body).encode())
        request.add_header("authorization", "Bearer mk-acme")
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.headers["x-moat-cache"], response.read()


class OnceConnected:
    """The provider anew for each call: no connection outlives the loop that it was made in."""

    def __init__(self, url: str) -> None:
        self._config = OpenAIConfig(base_url=f"{url}/v1")

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        provider = OpenAIProvider(self._config, name="fake")
        try:
            async with aclosing(provider.answer(call)) as events:
                async for event in events:
                    yield event
        finally:
            await provider.aclose()

    async def aclose(self) -> None:
        pass


def gateway(provider: Provider, spool: ListSpool) -> Gateway:
    ports = with_fields(
        fake_ports(provider, spool=spool),
        models=FixedModels({"assistant": ["fake/large"], "plain": ["fake/large"]}, {"fake": provider}),
        cache=ExactCache({"assistant": CacheConfig(ttl=60)}, Memory(2**20), FakeClock()),
    )
    keys = KeyRing([with_hash(key, secret) for secret, key in KEYS.items()], FakeClock())
    live = Live(Serving(build(ports), keys, ports.prompts, ("assistant", "plain")))
    return Gateway(live, spool, max_body=2**20, management=no_management)


def with_hash(key: Key, secret: str) -> Key:
    import msgspec

    return msgspec.structs.replace(key, hash=hash_secret(secret))


@pytest.fixture
def world() -> Iterator[World]:
    with ExitStack() as stack:
        model, spool = ScriptedProvider(TEXT, "another answer"), ListSpool()
        upstream = stack.enter_context(on_loopback(ProviderServer(model)))
        url = stack.enter_context(on_loopback(gateway(OnceConnected(upstream), spool)))
        yield World(url, spool, model, stack)


def whole(client: openai.OpenAI, **how: Any) -> tuple[str, str, Any]:
    """What the cache did, the text, and the body."""
    raw = client.chat.completions.with_raw_response.create(model="assistant", messages=ASKED, max_tokens=100, **how)
    completion = raw.parse()
    return raw.headers["x-moat-cache"], completion.choices[0].message.content or "", completion


def streamed(client: openai.OpenAI, **how: Any) -> tuple[str, list[str], Any]:
    """What the cache did, the pieces, and the last chunk."""
    raw = client.chat.completions.with_raw_response.create(
        model="assistant", messages=ASKED, max_tokens=100, stream=True, **how
    )
    chunks = list(raw.parse())
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    return raw.headers["x-moat-cache"], [piece for piece in pieces if piece], chunks[-1]


def test_a_whole_answer_is_given_again_as_it_was_and_as_a_stream(world: World) -> None:
    client = world.openai()
    first, again = whole(client), whole(client)
    assert (first[:2], again[:2]) == (("miss", TEXT), ("hit", TEXT))
    assert again[2].to_dict() == first[2].to_dict()
    cache, pieces, last = streamed(client, stream_options={"include_usage": True})
    assert (cache, "".join(pieces)) == ("hit", TEXT)
    assert len(pieces) > 1
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (10, 5)
    assert len(world.model.calls) == 1


def test_a_streamed_answer_is_given_again_as_a_stream_and_whole(world: World) -> None:
    client = world.openai()
    first, again = streamed(client), streamed(client)
    assert (first[0], again[0]) == ("miss", "hit")
    assert "".join(first[1]) == "".join(again[1]) == TEXT
    assert len(again[1]) > 1
    assert again[2].choices[0].finish_reason == "stop"
    cache, text, completion = whole(client)
    assert (cache, text, completion.usage.total_tokens) == ("hit", TEXT, 15)
    assert completion.choices[0].finish_reason == "stop"
    assert len(world.model.calls) == 1


def test_what_one_sdk_asked_another_is_told(world: World) -> None:
    assert whole(world.openai())[0] == "miss"
    ask: Any = {"model": "assistant", "max_tokens": 100, "system": "Be brief.", "messages": ASKED[1:]}
    raw = world.anthropic().messages.with_raw_response.create(**ask)
    assert (raw.headers["x-moat-cache"], raw.parse().content[0].text) == ("hit", TEXT)
    with world.anthropic().messages.stream(**ask) as stream:
        assert "".join(stream.text_stream) == TEXT
        assert stream.get_final_message().stop_reason == "end_turn"
    response = world.openai().responses.with_raw_response.create(
        model="assistant", instructions="Be brief.", input="Capital?", max_output_tokens=100
    )
    assert (response.headers["x-moat-cache"], response.parse().output_text) == ("hit", TEXT)
    google = {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [{"text": "Capital?"}]}],
        "generationConfig": {"maxOutputTokens": 100},
    }
    cache, body = world.google("assistant:generateContent", google)
    assert (cache, json.loads(body)["candidates"][0]["content"]["parts"][0]["text"]) == ("hit", TEXT)
    cache, body = world.google("assistant:streamGenerateContent?alt=sse", google)
    assert (cache, body.count(b"data: ") > 1, b"STOP" in body) == ("hit", True, True)
    assert len(world.model.calls) == 1


@pytest.mark.promise("gate-7")
def test_no_tenant_is_told_what_another_asked(world: World) -> None:
    assert whole(world.openai())[:2] == ("miss", TEXT)
    assert whole(world.openai("mk-globex"))[:2] == ("miss", "another answer")
    assert whole(world.openai())[:2] == ("hit", TEXT)


def test_a_caller_may_opt_out(world: World) -> None:
    client = world.openai()
    whole(client)
    for headers in ({"x-moat-cache": "refresh"}, {"cache-control": "no-cache"}):
        assert whole(client, extra_headers=headers)[:2] == ("miss", "another answer")
    raw = client.chat.completions.with_raw_response.create(
        model="assistant", messages=ASKED, max_tokens=100, extra_headers={"x-moat-cache": "off"}
    )
    assert "x-moat-cache" not in raw.headers
    raw = client.chat.completions.with_raw_response.create(model="plain", messages=ASKED)
    assert "x-moat-cache" not in raw.headers
    with pytest.raises(openai.BadRequestError, match="use, refresh, off"):
        whole(client, extra_headers={"x-moat-cache": "perhaps"})


def test_who_asks_makes_no_difference_and_what_is_asked_does(world: World) -> None:
    client = world.openai()
    whole(client)
    parts: Any = [ASKED[0], {"role": "user", "content": [{"type": "text", "text": "Capital?"}]}]
    for same in ({"user": "ada"}, {"metadata": {"a": "b"}}, {"service_tier": "flex"}):
        assert whole(client, **same)[0] == "hit", same
    raw = client.chat.completions.with_raw_response.create(model="assistant", messages=parts, max_completion_tokens=100)
    assert raw.headers["x-moat-cache"] == "hit"
    for other in ({"temperature": 0}, {"seed": 1}, {"stop": ["x"]}, {"response_format": {"type": "json_object"}}):
        assert whole(client, **other)[0] == "miss", other


def test_the_record_of_a_hit_costs_nothing_and_says_what_it_saved(world: World) -> None:
    client = world.openai()
    whole(client)
    whole(client)
    miss, hit = world.spool.calls
    assert (miss.cache, miss.cost, miss.saved, miss.attempts) == ("miss", 15, 0, 1)
    assert (hit.cache, hit.cost, hit.saved, hit.attempts) == ("hit", 0, 15, 0)
    assert hit.output == {"text": TEXT}
