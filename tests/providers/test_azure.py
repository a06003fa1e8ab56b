"""Azure OpenAI, in both of its styles, against a server that answers in its shapes."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.adapters.providers.azure import KIND
from moat.domain.calls import Delta, Event, Finished
from moat.domain.errors import ConfigError, ProviderOverloaded, ProviderRefused, Unsupported
from moat.domain.quotas import Quota, Window
from moat.domain.usage import Usage
from moat.ports.kinds import Surroundings
from moat.ports.models import Provider
from moat.testing.fakes import new_call
from tests.providers.peer import answering, chunked, peer, whole

pytestmark = pytest.mark.anyio

COMPLETION = msgspec.json.encode(
    {
        "model": "gpt-4o-2024-11-20",
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False}}}],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "finish_reason": "stop",
                "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }
)


def build(told: list[tuple[str, Quota]] | None = None, **settings: Any) -> Provider:
    def source(name: str) -> Provider:
        raise AssertionError(name)

    seen = [] if told is None else told
    around = Surroundings("azure", Path(), source, lambda model, quota: seen.append((model, quota)))
    return KIND.build(msgspec.convert({"kind": "azure", **settings}, KIND.config), around)


async def ask(provider: Provider, operation: str = "chat", **options: Any) -> list[Event]:
    call = msgspec.structs.replace(new_call("Hi", **options), operation=operation)
    try:
        return [event async for event in provider.answer(call)]
    finally:
        await provider.aclose()


@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("", b"POST /openai/v1/chat/completions HTTP/1.1"),
        ("2024-10-21", b"POST /openai/deployments/large/chat/completions?api-version=2024-10-21 HTTP/1.1"),
    ],
)
@pytest.mark.parametrize("suffix", ["", "/", "/openai", "/openai/v1/"])
async def test_both_styles_and_the_api_key(version: str, path: bytes, suffix: str) -> None:
    async with peer(answering(whole(COMPLETION, b"x-ratelimit-remaining-requests: 9"))) as server:
        told: list[tuple[str, Quota]] = []
        events = await ask(build(told, base_url=server.url + suffix, api_key="k-1234", api_version=version))
        assert events == [
            Delta(text="Hello", raw=COMPLETION),
            Finished(reason="stop", usage=Usage(input=7, output=3), model="gpt-4o-2024-11-20"),
        ]
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        assert head.startswith(path)
        assert b"api-key: k-1234" in head
        assert b"authorization" not in head
        assert msgspec.json.decode(body)["model"] == "large"
        assert told == [("large", Quota(requests=Window(9, 10.0)))]


async def test_a_token_is_a_bearer_and_other_operations_have_their_paths() -> None:
    answer = msgspec.json.encode({"data": [], "usage": {"prompt_tokens": 2, "total_tokens": 2}})
    async with peer(answering(whole(answer))) as server:
        await ask(build(base_url=server.url, token="t-1234", api_version="v"), "embeddings")
        head = server.requests[0]
        assert head.startswith(b"POST /openai/deployments/large/embeddings?api-version=v ")
        assert b"authorization: Bearer t-1234" in head
        assert b"api-key" not in head


async def test_annotations_in_a_stream_are_forwarded_and_a_stopped_answer_says_so() -> None:
    def event(data: Any) -> bytes:
        return b"data: " + msgspec.json.encode(data) + b"\n\n"

    prompt = event({"choices": [], "id": "", "prompt_filter_results": [{"prompt_index": 0}]})
    text = event({"choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]})
    note = event({"choices": [{"index": 0, "content_filter_offsets": {"check_offset": 1}, "finish_reason": None}]})
    last = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]})
    sent = chunked(prompt, text, note, last, b"data: [DONE]\n\n", headers=(b"content-type: text/event-stream",))
    async with peer(answering(sent)) as server:
        events = await ask(build(base_url=server.url, api_key="k-1234"), stream=True)
        raw = b"".join(found.raw or b"" for found in events if isinstance(found, Delta))
        assert raw == prompt + text + note + last
        assert events[-1] == Finished(reason="content_filter")


async def test_its_errors() -> None:
    refused = {
        "error": {
            "message": "The prompt triggered Azure OpenAI's content management policy.",
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {}}},
        }
    }
    async with peer(answering(whole(msgspec.json.encode(refused), status=b"400 Bad Request"))) as server:
        with pytest.raises(ProviderRefused, match="content management policy"):
            await ask(build(base_url=server.url, api_key="k-1234"))
    limited = msgspec.json.encode({"error": {"code": "429", "message": "Rate limit is exceeded."}})
    async with peer(answering(whole(limited, b"retry-after: 7", status=b"429 Too Many"))) as server:
        with pytest.raises(ProviderOverloaded) as caught:
            await ask(build(base_url=server.url, api_key="k-1234"))
        assert caught.value.retry_after == 7
    echo = msgspec.json.encode({"message": "no such key k-1234"})
    async with peer(answering(whole(echo, status=b"401 Unauthorized"))) as server:
        with pytest.raises(ProviderRefused) as hidden:
            await ask(build(base_url=server.url, api_key="k-1234"))
        assert "k-1234" not in str(hidden.value)


@pytest.mark.parametrize("operation", ["rerank", "moderations"])
async def test_what_azure_lacks_is_unsupported(operation: str) -> None:
    with pytest.raises(Unsupported, match=operation):
        await ask(build(base_url="http://127.0.0.1:9", api_key="k-1234"), operation)


@pytest.mark.parametrize("credentials", [{}, {"api_key": "k", "token": "t"}])
def test_one_credential_is_needed(credentials: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="one of them"):
        build(base_url="http://127.0.0.1:9", **credentials)


def test_an_address_out_of_reach_is_refused_when_built() -> None:
    with pytest.raises(ConfigError, match="metadata"):
        build(base_url="http://169.254.169.254", api_key="k")
