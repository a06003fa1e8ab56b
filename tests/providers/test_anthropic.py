"""The Anthropic provider against servers that behave, and servers that do not."""

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.adapters.providers.anthropic import KIND, AnthropicConfig, AnthropicProvider
from moat.adapters.providers.anthropic_answer import Stream
from moat.adapters.providers.anthropic_request import Style, ask
from moat.adapters.providers.anthropic_schema import strict_schema
from moat.adapters.providers.exchange import ProviderTimeouts
from moat.domain.calls import Call, Delta, Event, Finished, Wire
from moat.domain.errors import (
    ConfigError,
    ContextOverflow,
    ProviderDown,
    ProviderError,
    ProviderOverloaded,
    ProviderRefused,
    ProviderTimeout,
    StreamCut,
)
from moat.domain.quotas import Quota, Window
from moat.domain.usage import Usage
from moat.ports.kinds import Surroundings
from moat.testing.fakes import new_call
from tests.providers.anthropic_server import FIXTURES
from tests.providers.peer import Peer, answering, chunked, dribbling, keeping, peer, whole

pytestmark = pytest.mark.anyio

EVENTS = (b"content-type: text/event-stream",)
JSON = b"content-type: application/json"
QUICK = ProviderTimeouts(connect=5, first_token=0.6, idle=0.1)
PATIENT = ProviderTimeouts(connect=20, first_token=20, idle=20)
STYLE = Style(max_tokens=4096, structured_outputs="native", thinking="budget")


def around(quotas: list[tuple[str, Quota]] | None = None) -> Surroundings:
    def no_other(name: str) -> Any:
        raise ConfigError(f"there is no provider {name!r}")

    noted = quotas if quotas is not None else []
    return Surroundings(
        name="x", root=Path(), provider=no_other, quota=lambda model, quota: noted.append((model, quota))
    )


def provider(server: Peer, timeouts: ProviderTimeouts = PATIENT, **settings: Any) -> AnthropicProvider:
    config = AnthropicConfig(base_url=server.url, timeouts=timeouts, **settings)
    return AnthropicProvider(config, around())


def call(*, stream: bool = False, wire: Wire = "openai", **params: Any) -> Call:
    return msgspec.structs.replace(new_call("Hi", stream=stream, **params), wire=wire)


async def answer(asked: AnthropicProvider, **options: Any) -> list[Event]:
    return [event async for event in asked.answer(call(**options))]


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (str(e["type"]).encode(), json.dumps(e).encode()) for e in events)


USAGES = {
    "text": Usage(input=25, output=15),
    "thinking": Usage(input=25, output=120, reasoning=90),
    "cached": Usage(input=10_521, output=8, cached=9000, cache_write=1500, cache_write_long=1000, searches=2),
}


@pytest.mark.promise("money-6")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("name", USAGES)
async def test_usage_of_every_kind(name: str, wire: Wire, stream: bool) -> None:
    sent = chunked(fixture(f"{name}.sse"), headers=EVENTS) if stream else whole(fixture(f"{name}.json"), JSON)
    async with peer(answering(sent)) as server:
        asked = provider(server)
        events = await answer(asked, stream=stream, wire=wire)
        await asked.aclose()
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert (finished.usage, finished.reason) == (USAGES[name], "stop")
    assert finished.model == "claude-sonnet-4-5-20250929"


ENDS = [
    ("stop_sequence", "stop", "3"),
    ("max_tokens", "length", ""),
    ("tools", "tool_calls", ""),
    ("refusal", "content_filter", ""),
    ("web_search", "stop", ""),
]


@pytest.mark.parametrize(("name", "reason", "sequence"), ENDS)
async def test_reasons_to_stop(name: str, reason: str, sequence: str) -> None:
    async with peer(answering(chunked(fixture(f"{name}.sse"), headers=EVENTS))) as server:
        asked = provider(server)
        finished = (await answer(asked, stream=True))[-1]
        await asked.aclose()
    assert isinstance(finished, Finished)
    assert (finished.reason, finished.stop_sequence) == (reason, sequence)


@pytest.mark.parametrize("stream", [False, True])
async def test_thinking_comes_block_by_block(stream: bool) -> None:
    sent = chunked(fixture("thinking.sse"), headers=EVENTS) if stream else whole(fixture("thinking.json"), JSON)
    async with peer(answering(sent)) as server:
        asked = provider(server)
        events = [event for event in await answer(asked, stream=stream) if isinstance(event, Delta)]
        await asked.aclose()
    deltas = [event for event in events if not event.only_counts]
    assert "".join(delta.reasoning for delta in deltas) == "27 * 453 is 12231."
    kinds = ["signature" if d.signature else "redacted" if d.redacted else "text" for d in deltas if not d.reasoning]
    assert kinds[-2:] == ["redacted", "text"]
    assert all(delta.raw is None for delta in deltas)


@pytest.mark.promise("up-2")
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("name", ["tools", "thinking", "web_search"])
def test_a_stream_cut_at_any_byte_is_cut_or_complete(name: str, wire: Wire) -> None:
    body = fixture(f"{name}.sse")

    def read(upto: int) -> list[Event]:
        stream = Stream(call(stream=True, wire=wire), "", where="provider x")
        return [*stream.feed(body[: upto // 2]), *stream.feed(body[upto // 2 : upto]), *stream.finish()]

    full = said(read(len(body)))
    complete = 0
    for upto in range(len(body)):
        try:
            events = read(upto)
        except StreamCut:
            continue
        complete += 1
        assert said(events) == full
    # Only line ends are missing: of the last event's empty line, and of its line.
    assert complete == 2


def said(events: list[Event]) -> tuple[str, str, str, Finished]:
    deltas = [event for event in events if isinstance(event, Delta)]
    finished = events[-1]
    assert isinstance(finished, Finished)
    calls = "".join(piece.name + piece.arguments for delta in deltas for piece in delta.tool_calls)
    return "".join(d.text for d in deltas), "".join(d.reasoning + d.signature for d in deltas), calls, finished


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_bytes_for_an_anthropic_client_are_all_but_the_end_mark(size: int) -> None:
    body = fixture("web_search.sse")
    stream = Stream(call(stream=True, wire="anthropic"), "", where="x")
    raw = b"".join(d.raw or b"" for at in range(0, len(body), size) for d in stream.feed(body[at : at + size]))
    raw += b"".join(event.raw or b"" for event in stream.finish() if isinstance(event, Delta))
    assert raw + b'event: message_stop\ndata: {"type":"message_stop"}\n\n' == body


@pytest.mark.promise("up-2")
@pytest.mark.parametrize(
    "sent",
    [
        chunked(fixture("text.sse")[:-50], headers=EVENTS),
        chunked(fixture("text.sse")[:-50], end=False, headers=EVENTS),
        chunked(headers=EVENTS),
        b"HTTP/1.1 200 OK\r\n" + EVENTS[0] + b"\r\n\r\n" + fixture("text.sse")[:-60],
    ],
)
async def test_a_stream_without_its_end_mark_is_cut(sent: bytes) -> None:
    async with peer(answering(sent)) as server:
        asked = provider(server)
        with pytest.raises(StreamCut) as caught:
            await answer(asked, stream=True)
        assert caught.value.where == "provider x"
        await asked.aclose()
        await server.all_closed()


ERRORS: list[tuple[str, type[ProviderError], int]] = [
    ("overloaded_error", ProviderOverloaded, 429),
    ("rate_limit_error", ProviderOverloaded, 429),
    ("api_error", ProviderDown, 502),
    ("timeout_error", ProviderDown, 502),
    ("authentication_error", ProviderRefused, 502),
    ("invalid_request_error", ProviderRefused, 400),
    ("something_new", ProviderDown, 502),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("kind", "raised", "status"), ERRORS)
async def test_errors_in_an_answer_with_status_200(
    kind: str, raised: type[ProviderError], status: int, stream: bool
) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "Because\nof that"}}
    sent = chunked(sse(error), headers=EVENTS) if stream else whole(json.dumps(error).encode(), JSON)
    async with peer(answering(sent)) as server:
        asked = provider(server)
        with pytest.raises(raised) as caught:
            await answer(asked, stream=stream)
        assert caught.value.status == status
        assert f"{kind}: Because of that" in caught.value.what
        await asked.aclose()


@pytest.mark.parametrize(
    ("status", "said_", "raised"),
    [
        (b"400 Bad Request", "prompt is too long: 2 tokens > 1 maximum", ContextOverflow),
        (b"400 Bad Request", "input length and `max_tokens` exceed context limit: 9 + 9 > 10", ContextOverflow),
        (b"413 Too Large", "Request exceeds the maximum size", ProviderRefused),
        (b"529 Overloaded", "Overloaded", ProviderOverloaded),
        (b"408 Timeout", "Slow", ProviderTimeout),
        (b"301 Moved", "", ProviderDown),
    ],
)
async def test_errors_by_status(status: bytes, said_: str, raised: type[ProviderError]) -> None:
    body = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": said_}}).encode()
    async with peer(answering(whole(body, JSON, b"retry-after: 3", status=status))) as server:
        asked = provider(server)
        with pytest.raises(raised) as caught:
            await answer(asked)
        if raised is ProviderOverloaded:
            assert caught.value.retry_after == 3
        await asked.aclose()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>no</html>", "answered 502"),
        (b"plain words", "answered 502: plain words"),
        (b'{"error": "text"}', "text"),
        (b"[1]", "answered 502"),
        (b'{"error": {"type": 5, "message": ["x"]}}', "answered 502"),
        (b"\xff\xfe", "answered 502"),
    ],
)
async def test_errors_of_proxies_in_between(body: bytes, words: str) -> None:
    async with peer(answering(whole(body, status=b"502 Bad Gateway"))) as server:
        asked = provider(server)
        with pytest.raises(ProviderDown) as caught:
            await answer(asked)
        assert words in caught.value.what
        await asked.aclose()


NONSENSE = [
    b"",
    b"[]",
    b"{}",
    b'{"type": "message"}',
    b'{"type": "message", "content": 5}',
    b'{"type": "message", "content": ["x"]}',
    b'{"type": "message", "content": [{"type": "text"}], "stop_reason": 7}',
    b'{"type": "message", "content": ' + b"[" * 100_000,
    b'{"type": "message", "content": [{"type": "text", "text": "\xff"}]}',
]


@pytest.mark.parametrize("body", NONSENSE)
async def test_an_answer_that_is_no_message(body: bytes) -> None:
    async with peer(answering(whole(body, JSON))) as server:
        asked = provider(server)
        with pytest.raises(ProviderDown):
            await answer(asked)
        await asked.aclose()


@pytest.mark.parametrize("usage", [None, 5, {"input_tokens": "x"}, {"input_tokens": [1]}, {"cache_creation": "y"}])
async def test_usage_that_is_none_is_left_to_be_estimated(usage: Any) -> None:
    body = json.dumps({"type": "message", "content": [{"type": "text", "text": "x"}], "usage": usage}).encode()
    async with peer(answering(whole(body, JSON))) as server:
        asked = provider(server)
        finished = (await answer(asked))[-1]
        assert isinstance(finished, Finished)
        assert finished.usage is None
        await asked.aclose()


async def test_a_stream_that_is_none() -> None:
    html, plain = (
        whole(b"<html>", b"content-type: text/html"),
        whole(fixture("text.json"), JSON),
    )
    async with peer(answering(html, plain)) as server:
        asked = provider(server)
        for _ in range(2):
            with pytest.raises(ProviderDown, match="where a stream was asked for"):
                await answer(asked, stream=True)
        await asked.aclose()


async def test_pieces_in_unusual_order_and_of_unknown_kinds() -> None:
    events = sse(
        {"type": "ping"},
        {"type": "message_start", "message": {"type": "message", "content": [], "model": "m"}},
        {
            "type": "content_block_start",
            "index": 3,
            "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        },
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "b", "name": "g"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_delta", "index": 9, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "brand_new_delta", "x": 1}},
        {"type": "content_block_start", "index": 5, "content_block": {"type": "brand_new"}},
        {"type": "brand_new_event", "index": 5},
        {"type": "content_block_stop", "index": 3},
        {"type": "message_delta", "delta": {"stop_reason": "brand_new"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    )
    async with peer(answering(chunked(b": hello\n\n", events, b": late\n\n", headers=EVENTS))) as server:
        asked = provider(server)
        found = await answer(asked, stream=True)
        await asked.aclose()
    calls = [piece for event in found if isinstance(event, Delta) for piece in event.tool_calls]
    assert [(piece.index, piece.name, piece.arguments) for piece in calls] == [
        (0, "f", ""),
        (0, "", '{"x":1}'),
        (1, "g", ""),
        (1, "", "{}"),
    ]
    assert found[-1] == Finished(reason="stop", model="m", usage=Usage(output=2))


async def test_limits_of_time() -> None:
    start = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n" + EVENTS[0] + b"\r\n\r\n"
    first = fixture("text.sse").split(b"\n\n")[0] + b"\n\n"
    async with peer(keeping()) as server:
        asked = provider(server, QUICK)
        with pytest.raises(ProviderTimeout):
            await answer(asked, stream=True)
        await asked.aclose()
    async with peer(dribbling(start + b"%x\r\n%s\r\n" % (len(first), first), b"3\r\n:\n\n\r\n")) as server:
        asked = provider(server, QUICK)
        began = time.monotonic()
        with pytest.raises(ProviderTimeout):  # comments are not events
            await answer(asked, stream=True)
        assert time.monotonic() - began < 15
        await asked.aclose()
        await server.all_closed()


async def test_hanging_up_closes_the_connection() -> None:
    first = fixture("text.sse").partition(b"event: content_block_stop")[0]
    async with peer(keeping(chunked(first, end=False, headers=EVENTS))) as server:
        asked = provider(server)
        events = asked.answer(call(stream=True))
        assert isinstance(await anext(events), Delta)
        await events.aclose()
        await server.all_closed()
        await asked.aclose()


async def test_a_connection_is_kept_and_quotas_are_told() -> None:
    limits = (
        b"anthropic-ratelimit-requests-remaining: 7",
        b"anthropic-ratelimit-requests-reset: 2000-01-01T00:00:00Z",
    )
    quotas: list[tuple[str, Quota]] = []
    sent = chunked(fixture("text.sse"), headers=(*EVENTS, *limits))
    async with peer(answering(sent, whole(fixture("text.json"), JSON))) as server:
        config = AnthropicConfig(base_url=server.url + "/v1/", api_key="sk-ant-1", headers={"X-Extra": "1"})
        asked = AnthropicProvider(config, around(quotas))
        await answer(asked, stream=True)
        await answer(asked)
        assert (server.connections, asked.open_connections) == (1, 1)
        await asked.aclose()
        head = server.requests[0].lower()
        for line in (
            b"post /v1/messages http",
            b"x-api-key: sk-ant-1",
            b"anthropic-version: 2023-06-01",
            b"x-extra: 1",
        ):
            assert line in head
        assert b"anthropic-beta" not in head
    assert quotas == [("large", Quota(requests=Window(7, 0.0)))]


@pytest.mark.parametrize("answered", [b"{}", b'{"input_tokens": -1}', b'{"input_tokens": "5"}', b"\xff"])
async def test_a_count_that_is_none(answered: bytes) -> None:
    async with peer(answering(whole(answered, JSON))) as server:
        asked = provider(server)
        with pytest.raises(ProviderDown, match="count of tokens"):
            await asked.count_tokens(call())
        await asked.aclose()


@pytest.mark.parametrize("settings", [{"base_url": "not a url"}, {"api_key": "a\nb"}, {"version": "x\ny"}])
def test_a_block_that_cannot_be_used(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        KIND.build(AnthropicConfig(**settings), around())


def test_schemas_are_closed_and_unknown_constraints_become_words() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "a": {"type": "string", "minLength": 2, "description": "A"},
            "b": {"oneOf": [{"type": "null"}, {"$ref": "#/$defs/c"}]},
            "d": {"type": "array", "items": {"type": "object"}, "minItems": 5},
            "e": {"type": "string", "format": "email"},
            "f": True,
        },
        "required": ["a"],
        "$defs": {"c": {"type": "object", "additionalProperties": {"type": "string"}}},
    }
    assert strict_schema(schema) == {
        "type": "object",
        "properties": {
            "a": {"type": "string", "description": "A\n\n{minLength: 2}"},
            "b": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/c"}]},
            "d": {
                "type": "array",
                "items": {"type": "object", "additionalProperties": False},
                "description": "{minItems: 5}",
            },
            "e": {"type": "string", "format": "email"},
            "f": True,
        },
        "required": ["a"],
        "$defs": {"c": {"type": "object", "additionalProperties": False}},
        "additionalProperties": False,
    }


def test_a_documents_forms() -> None:
    def part(**file: Any) -> dict[str, Any]:
        asked = msgspec.structs.replace(
            new_call(), messages=[{"role": "user", "content": [{"type": "file", "file": file}]}]
        )
        block: dict[str, Any] = ask(asked, STYLE).body["messages"][0]["content"][0]
        return block

    assert part(file_id="file_1")["source"] == {"type": "file", "file_id": "file_1"}
    assert part(file_url="https://e.org/a.pdf")["source"] == {"type": "url", "url": "https://e.org/a.pdf"}
    text = part(file_data="data:text/markdown;charset=utf-8;base64,SGk=", filename="a.md")
    assert text == {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "Hi"},
        "title": "a.md",
    }
    assert part(file_data="data:,a%20b")["source"]["data"] == "a b"
    assert part(file_data="data:image/png;base64,AA==")["type"] == "image"
