"""What the batch APIs of providers say and how it is read, asked directly."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import pytest

from moat.adapters.providers import anthropic_batches, openai_batches
from moat.adapters.providers.anthropic import AnthropicProvider
from moat.adapters.providers.openai import OpenAIProvider
from moat.domain.batches import Submission
from moat.domain.calls import Deployment
from moat.domain.errors import ContextOverflow, ProviderDown, ProviderError, ProviderOverloaded, ProviderRefused
from moat.ports.batches import BatchApi, BatchResult, ProviderBatch
from moat.testing.fakes import new_call
from moat.testing.loopback import on_loopback
from tests.batches import test_provided, test_provided_by_anthropic
from tests.batches.anthropic_batch_peer import AnthropicBatchPeer
from tests.batches.world import ended, line

pytestmark = pytest.mark.anyio

CALL = new_call("Hi", deployment=Deployment("fake", "large"))
SINCE = Submission(began_ns=0, lines=1, ways=())


def api_of(provider: AnthropicProvider | OpenAIProvider) -> BatchApi:
    assert provider.batches is not None
    return provider.batches


@contextmanager
def answering(body: bytes, status: int = 200) -> Iterator[str]:
    """A server that always says the same."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    with on_loopback(app) as url:
        yield url


def test_the_official_sdk_understands_the_server_of_these_tests() -> None:
    peer = AnthropicBatchPeer(looks=1)
    with peer.running() as url, anthropic.Anthropic(base_url=url, api_key="sk-ant-test", max_retries=0) as client:
        asked = {"model": "large", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        made = client.messages.batches.create(requests=[{"custom_id": "a", "params": asked}])  # type: ignore[typeddict-item]
        assert client.messages.batches.retrieve(made.id).request_counts.succeeded == 1
        (result,) = client.messages.batches.results(made.id)
        assert result.result.type == "succeeded"
        assert result.result.message.usage.output_tokens == 5
        assert [each.id for each in client.messages.batches.list()] == [made.id]


async def test_an_error_of_a_line_is_what_it_would_be_of_a_call() -> None:
    provider = test_provided_by_anthropic.provider("http://127.0.0.1:9")
    for kind, message, expected in (
        ("invalid_request_error", "no", ProviderRefused),
        ("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", ContextOverflow),
        ("overloaded_error", "Overloaded", ProviderOverloaded),
        ("api_error", "Internal server error, key sk-ant-test", ProviderDown),
        ("", "", ProviderDown),
    ):
        body = json.dumps({"type": kind, "message": message}).encode()
        with pytest.raises(ProviderError) as error:
            api_of(provider).read(CALL, BatchResult(name="x", status=500, body=body))
        assert type(error.value) is expected
        assert "sk-ant-test" not in str(error.value)
    await provider.aclose()


@pytest.mark.parametrize(
    "body",
    [
        b"nothing",
        b"[]",
        b'{"custom_id": 7}',
        b'{"custom_id": "a", "result": 1, "response": 1}',
        b'{"custom_id": "a", "result": {"type": "succeeded"',
        b"\xff",
    ],
)
async def test_results_that_are_none_are_told(body: bytes) -> None:
    with answering(body) as url:
        for provider in (test_provided_by_anthropic.provider(url), test_provided.provider(url)):
            batch = ProviderBatch(id="b", status="completed", files=(f"{url}/x",))
            try:
                with pytest.raises(ProviderDown, match="unreadable"):
                    [each async for each in api_of(provider).results(batch)]
                with pytest.raises(ProviderDown, match="unreadable"):
                    await api_of(provider).look("b")
            finally:
                await provider.aclose()


async def test_an_answer_without_a_message_is_the_providers_fault() -> None:
    lines = b'\n{"custom_id": "a", "result": {"type": "succeeded"}}\n{"custom_id": "b", "result": {"type": "new"}}'
    with answering(lines) as url:
        provider = test_provided_by_anthropic.provider(url)
        batch = ProviderBatch(id="b", status="completed", files=(f"{url}/x",))
        first, second = [each async for each in api_of(provider).results(batch)]
        with pytest.raises(ProviderDown):
            api_of(provider).read(CALL, first)
        assert (second.name, second.status) == ("b", 0)
        await provider.aclose()


async def test_an_error_without_its_wrapping_is_read_too() -> None:
    error = {"type": "invalid_request_error", "message": "no"}
    bare = {"custom_id": "a", "result": {"type": "errored", "error": error}}
    with answering(json.dumps(bare).encode()) as url:
        provider = test_provided_by_anthropic.provider(url)
        (found,) = [
            each async for each in api_of(provider).results(ProviderBatch(id="b", status="completed", files=(url,)))
        ]
        assert found.status == 400
        with pytest.raises(ProviderRefused, match="no"):
            api_of(provider).read(CALL, found)
        await provider.aclose()


async def test_openais_batches_are_looked_through_back_to_the_submission(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [{"id": f"b{n}", "created_at": n * 10_000, "metadata": {"moat_batch": f"mark{n}"}} for n in range(9)]
    asked: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        query = dict(pair.split("=") for pair in scope["query_string"].decode().split("&"))
        asked.append(query.get("after", ""))
        newest = made[::-1]
        start = next((n + 1 for n, each in enumerate(newest) if each["id"] == query.get("after")), 0)
        page = newest[start : start + int(query["limit"])]
        body = json.dumps({"data": page, "has_more": start + len(page) < len(newest)}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    monkeypatch.setattr(openai_batches, "PAGE", 2)
    with on_loopback(app) as url:
        provider = test_provided.provider(url)
        api = api_of(provider)
        assert await api.find("mark3", SINCE) == "b3"
        assert asked == ["", "b7", "b5"]
        asked.clear()
        late = Submission(began_ns=60_000 * 10**9, lines=1, ways=())
        assert await api.find("mark3", late) == ""
        assert asked == ["", "b7"]
        assert await api.find("none", SINCE) == ""
        await provider.aclose()


def test_more_lines_than_a_provider_takes_are_asked_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anthropic_batches, "MOST_LINES", 1)
    peer = AnthropicBatchPeer(broken=[500] * 100)
    with test_provided_by_anthropic.over(peer, tmp_path) as world, world.running(), world.client() as client:
        ended(client, world.begin(client, line("a"), line("b")))
    assert set(peer.asked) == {"POST /v1/messages"}


def test_embeddings_are_none_of_anthropics(tmp_path: Path) -> None:
    api = api_of(test_provided_by_anthropic.provider("http://127.0.0.1:9"))
    assert [api.takes(operation) for operation in ("chat", "embeddings", "completions")] == [True, False, False]


async def test_cancelling_what_has_ended_is_no_error() -> None:
    with answering(b'{"type": "error", "error": {"type": "invalid_request_error", "message": "ended"}}', 400) as url:
        for provider in (test_provided_by_anthropic.provider(url), test_provided.provider(url)):
            await api_of(provider).cancel("b")
            await provider.aclose()
    with answering(b"", 500) as url:
        for provider in (test_provided_by_anthropic.provider(url), test_provided.provider(url)):
            with pytest.raises(ProviderDown):
                await api_of(provider).cancel("b")
            await provider.aclose()
