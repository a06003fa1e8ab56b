"""The OpenAI-compatible provider against servers that behave, and servers that do not."""

import asyncio
import email.utils
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.adapters.providers.exchange import ProviderTimeouts
from moat.adapters.providers.openai import KIND, OpenAIConfig, OpenAIProvider
from moat.domain.calls import Delta, Event, Finished, ToolCallDelta
from moat.domain.errors import (
    ConfigError,
    ProviderDown,
    ProviderError,
    ProviderOverloaded,
    ProviderRefused,
    ProviderTimeout,
    StreamCut,
)
from moat.domain.usage import Usage
from moat.ports.kinds import Surroundings
from moat.testing.fakes import new_call
from tests.providers.peer import Handler, Peer, answering, chunked, dribbling, keeping, peer, whole

pytestmark = pytest.mark.anyio

EVENTS = b"content-type: text/event-stream"
QUICK = ProviderTimeouts(connect=20, first_token=1.2, idle=0.4)
PATIENT = ProviderTimeouts(connect=20, first_token=20, idle=20)


def provider(server: Peer, timeouts: ProviderTimeouts = PATIENT, **settings: Any) -> OpenAIProvider:
    return OpenAIProvider(OpenAIConfig(base_url=server.url + "/v1", timeouts=timeouts, **settings), name="x")


async def answer(asked: OpenAIProvider, *, stream: bool = False, **params: Any) -> list[Event]:
    return [event async for event in asked.answer(new_call("Hi", stream=stream, **params))]


def chunk(content: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return event({"id": "c1", "model": "gpt-x", "choices": [choice], **more})


def event(data: Any) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"


USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
USAGE_CHUNK = event({"choices": [], "usage": USAGE})
DONE = b"data: [DONE]\n\n"


def sent_body(server: Peer) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(server.requests[0].partition(b"\r\n\r\n")[2])
    return body


async def test_an_answer_in_one_piece() -> None:
    body = msgspec.json.encode(
        {
            "model": "gpt-x-2026",
            "choices": [
                {
                    "message": {
                        "content": "Hello",
                        "tool_calls": [{"id": "t1", "function": {"name": "look", "arguments": "{}"}}],
                    },
                    "finish_reason": "tool_calls",
                }
            ],
            "usage": USAGE,
        }
    )
    async with peer(answering(whole(body))) as server:
        asked = provider(server, api_key="sk-secret-1", organization="org", headers={"X-Extra": "1"})
        events = await answer(asked, temperature=0.5)
        await asked.aclose()
        tool = ToolCallDelta(index=0, id="t1", name="look", arguments="{}")
        assert events == [
            Delta(text="Hello", tool_calls=(tool,), raw=body),
            Finished(reason="tool_calls", usage=Usage(input=7, output=3, cached=2, reasoning=1), model="gpt-x-2026"),
        ]
        assert sent_body(server) == {
            "temperature": 0.5,
            "model": "large",
            "messages": [{"role": "user", "content": "Hi"}],
        }
        head = server.requests[0].lower()
        for line in (b"authorization: bearer sk-secret-1", b"openai-organization: org", b"x-extra: 1"):
            assert line in head


async def test_a_stream_is_forwarded_untouched_without_done_and_without_unasked_usage() -> None:
    first, second, last = chunk("Hel"), chunk("lo"), chunk(None, "stop")
    sent = chunked(b": processing\n\n", first + second[:9], second[9:] + last, USAGE_CHUNK + DONE, headers=(EVENTS,))
    async with peer(answering(sent, sent)) as server:
        asked = provider(server)
        for _ in range(2):
            events = await answer(asked, stream=True)
            deltas = [found for found in events if isinstance(found, Delta)]
            assert "".join(delta.text for delta in deltas) == "Hello"
            assert b"".join(delta.raw or b"" for delta in deltas) == first + second + last
            assert events[-1] == Finished(
                reason="stop", usage=Usage(input=7, output=3, cached=2, reasoning=1), model="gpt-x"
            )
        assert server.connections == 1
        assert sent_body(server)["stream_options"] == {"include_usage": True}
        await asked.aclose()
        await server.all_closed()


async def test_usage_that_was_asked_for_is_forwarded() -> None:
    async with peer(answering(chunked(chunk("x", "stop"), USAGE_CHUNK, DONE, headers=(EVENTS,)))) as server:
        asked = provider(server)
        events = await answer(asked, stream=True, stream_options={"include_usage": True})
        assert b"".join(found.raw or b"" for found in events if isinstance(found, Delta)).endswith(USAGE_CHUNK)
        await asked.aclose()


@pytest.mark.promise("money-6")
@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([chunk("x", "stop"), DONE], None),
        ([chunk("x", usage={"prompt_tokens": 1}), chunk("y", "stop", usage=USAGE), DONE], (7, 3)),
        ([chunk("x", "stop", usage={"prompt_tokens": 0, "completion_tokens": 0}), DONE], (0, 0)),
        ([chunk("x", "stop"), USAGE_CHUNK, USAGE_CHUNK, DONE], (7, 3)),
        ([chunk("x", "stop", usage=None), event({"choices": None, "usage": USAGE}), DONE], (7, 3)),
        ([chunk("x", "stop"), event({"choices": [], "usage": {"prompt_tokens": "many"}}), DONE], None),
        ([chunk("x", "stop"), event({"choices": [], "usage": {"prompt_tokens": -1}}), DONE], None),
        ([chunk("x", "stop"), event({"choices": [], "usage": [], "x_groq": 5}), DONE], None),
    ],
)
async def test_usage_missing_repeated_late_or_zero(chunks: Sequence[bytes], expected: tuple[int, int] | None) -> None:
    async with peer(answering(chunked(*chunks, headers=(EVENTS,)))) as server:
        asked = provider(server)
        finished = (await answer(asked, stream=True))[-1]
        assert isinstance(finished, Finished)
        assert (finished.usage and (finished.usage.input, finished.usage.output)) == expected
        await asked.aclose()


async def test_pieces_of_tool_calls_refusals_and_content_parts() -> None:
    pieces = [
        {"tool_calls": [{"index": 1, "id": "t", "function": {"name": "look"}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
        {"refusal": "No."},
        {"content": [{"type": "text", "text": "pa"}, {"type": "other"}, {"type": "text", "text": "rts"}]},
    ]
    chunks = [event({"choices": [{"delta": piece}, {"index": 1, "delta": {"content": "no"}}]}) for piece in pieces]
    async with peer(answering(chunked(*chunks, chunk(None, "stop"), headers=(EVENTS,)))) as server:
        asked = provider(server)
        deltas = [found for found in await answer(asked, stream=True) if isinstance(found, Delta)]
        calls = [call for delta in deltas for call in delta.tool_calls]
        assert calls == [ToolCallDelta(index=1, id="t", name="look"), ToolCallDelta(index=1, arguments="{}")]
        assert "".join(delta.text for delta in deltas) == "parts"
        assert "".join(delta.refusal for delta in deltas) == "No."
        await asked.aclose()


@pytest.mark.promise("up-2")
@pytest.mark.parametrize(
    "sent",
    [
        chunked(chunk("x"), headers=(EVENTS,)),
        chunked(chunk("x"), end=False, headers=(EVENTS,)),
        chunked(chunk("x", "stop"), end=False, headers=(EVENTS,)),
        chunked(chunk("x", "stop"), b"data: {", headers=(EVENTS,)),
        b"HTTP/1.1 200 OK\r\n" + EVENTS + b"\r\n\r\n" + chunk("x"),
        chunked(headers=(EVENTS,)),
    ],
)
async def test_a_cut_stream_never_looks_complete(sent: bytes) -> None:
    async with peer(answering(sent)) as server:
        asked = provider(server)
        with pytest.raises(StreamCut) as caught:
            await answer(asked, stream=True)
        assert caught.value.where == "provider x"
        await asked.aclose()
        await server.all_closed()


@pytest.mark.parametrize("tail", [DONE, DONE[:-1], b"data: [DONE]\r\n\r\n", chunk(None, "stop")])
async def test_every_usual_end_mark_is_one(tail: bytes) -> None:
    async with peer(answering(chunked(chunk("x"), tail, headers=(EVENTS,)))) as server:
        asked = provider(server)
        assert (await answer(asked, stream=True))[-1] == Finished(reason="stop", model="gpt-x")
        await asked.aclose()


async def test_a_body_that_does_not_end_after_done_delays_little_and_is_closed() -> None:
    async with peer(keeping(chunked(chunk("x"), DONE, end=False, headers=(EVENTS,)))) as server:
        asked = provider(server)
        assert isinstance((await answer(asked, stream=True))[-1], Finished)
        await server.all_closed()


@pytest.mark.promise("up-2")
@pytest.mark.promise("up-8")
@pytest.mark.parametrize(
    ("start", "drop", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nx: ", b"y", "no answer within 1.2"),
        (chunked(end=False, headers=(EVENTS,)), b"3\r\n:\n\n\r\n", "nothing more within 1.2"),
        (chunked(chunk("x"), end=False, headers=(EVENTS,)), b"1\r\nd\r\n", "nothing more within 0.4"),
        (chunked(chunk("x"), end=False, headers=(EVENTS,)), b"3\r\n:\n\n\r\n", "nothing more within 0.4"),
        (chunked(chunk("x"), end=False, headers=(EVENTS,)), b"", "nothing more within 0.4"),
    ],
)
async def test_slow_loris_silence_and_dribble_end_in_a_timeout(start: bytes, drop: bytes, words: str) -> None:
    async with peer(dribbling(start, drop)) as server:
        with pytest.raises(ProviderTimeout, match=words):
            await answer(provider(server, QUICK), stream=True)
        await server.all_closed()


@pytest.mark.promise("up-2")
async def test_an_answer_in_one_piece_that_dribbles_or_stalls_ends_in_a_timeout() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n"
    async with peer(dribbling(head, b" ")) as dribble, peer(keeping(head)) as stall:
        with pytest.raises(ProviderTimeout, match=r"did not end its answer within 1\.6 s"):
            await answer(provider(dribble, QUICK))
        with pytest.raises(ProviderTimeout, match=r"nothing more within 0\.4 s"):
            await answer(provider(stall, QUICK))
        await dribble.all_closed()
        await stall.all_closed()


@pytest.mark.promise("up-3")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b'{"choices": 5}',
        b'{"choices": []}',
        b'{"choices": [{"index": 0}]}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b'{"choices": [{"message": {"content": "\xff"}}]}',
        b"[" * 100_000,
        b'{"error": ' + b"[" * 100_000,
        b'{"error": {"message": "out of credits"}}',
    ],
)
async def test_nonsense_in_a_200_is_a_typed_error(body: bytes) -> None:
    async with peer(answering(whole(body, b"content-type: application/json"))) as server:
        with pytest.raises(ProviderDown) as caught:
            await answer(provider(server))
        assert caught.value.where == "provider x"
        with pytest.raises(ProviderDown):
            await answer(provider(server), stream=True)


async def test_nonsense_in_a_stream_is_a_typed_error() -> None:
    for bad, words in (
        (b"data: {oops\n\n", "not a chat completion"),
        (event({"error": {"message": "overloaded\nbadly", "code": 1}}), "error in its answer: overloaded badly"),
        (event({"error": "quota"}), "quota"),
        (event({"error": {"other": 1}}), "other"),
    ):
        async with peer(answering(chunked(chunk("x"), bad, headers=(EVENTS,)))) as server:
            with pytest.raises(ProviderDown, match=words):
                await answer(provider(server), stream=True)


async def test_a_page_where_a_stream_was_asked_for_is_down() -> None:
    async with peer(answering(whole(b"<html>", b"content-type: text/html"))) as server:
        with pytest.raises(ProviderDown, match="'text/html' where a stream"):
            await answer(provider(server), stream=True)


@pytest.mark.promise("up-3")
async def test_many_tiny_chunks_cost_bounded_memory() -> None:
    one = chunk("x")
    pieces, count = b"".join(b"1\r\n%c\r\n" % byte for byte in one), 2000
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n" + EVENTS + b"\r\n\r\n"
    tail = b"%x\r\n%s\r\n0\r\n\r\n" % (len(DONE), DONE)
    async with peer(answering(head + pieces * count + tail)) as server:
        asked = provider(server)
        texts = [found.text async for found in asked.answer(new_call(stream=True)) if isinstance(found, Delta)]
        assert sum(map(len, texts)) == count
        await asked.aclose()


ERROR = b'{"error": {"message": "Incorrect key sk-abcdef123 or %s", "type": "x"}}'


@pytest.mark.promise("up-1")
@pytest.mark.parametrize(
    ("status", "kind", "answers_with"),
    [
        (b"400 Bad Request", ProviderRefused, 400),
        (b"401 Unauthorized", ProviderRefused, 502),
        (b"404 Not Found", ProviderRefused, 404),
        (b"408 Timeout", ProviderTimeout, 504),
        (b"429 Too Many", ProviderOverloaded, 429),
        (b"529 Overloaded", ProviderOverloaded, 429),
        (b"500 Oops", ProviderDown, 502),
        (b"503 Away", ProviderDown, 502),
        (b"301 Moved", ProviderDown, 502),
        (b"202 Accepted", ProviderDown, 502),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_statuses_become_errors_without_secrets(
    status: bytes, kind: type[ProviderError], answers_with: int, stream: bool
) -> None:
    body = ERROR % b"my-own-secret"
    async with peer(answering(whole(body, b"retry-after: 7", status=status))) as server:
        asked = provider(server, api_key="my-own-secret")
        with pytest.raises(kind) as caught:
            await answer(asked, stream=stream)
        error = caught.value
        assert (type(error), error.status) == (kind, answers_with)
        assert status[:3].decode() in error.what
        assert "Incorrect key *** or ***" in str(error)
        assert "secret" not in f"{error!r} {error.args}"
        assert error.retry_after == (None if kind is ProviderRefused else 7)
        await asked.aclose()


@pytest.mark.promise("up-1")
@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("retry-after: 1.5", 1.5, 1.5),
        ("retry-after: -3", 0, 0),
        ("retry-after-ms: 250", 0.25, 0.25),
        ("retry-after: {in an hour}", 1800, 3600),
        ("retry-after: Sat, 01 Jan 2000 00:00:00 GMT", 0, 0),
    ],
)
async def test_retry_after_in_every_form(header: str, low: float, high: float) -> None:
    header = header.replace("{in an hour}", email.utils.formatdate(time.time() + 3600, usegmt=True))
    async with peer(answering(whole(b"", header.encode(), status=b"429 No"))) as server:
        with pytest.raises(ProviderOverloaded) as caught:
            await answer(provider(server))
        assert caught.value.retry_after is not None
        assert low <= caught.value.retry_after <= high


@pytest.mark.parametrize("header", ["retry-after: soon", "retry-after: nan", "retry-after: inf", "x: y"])
async def test_a_useless_retry_after_is_none(header: str) -> None:
    async with peer(answering(whole(b"", header.encode(), status=b"429 No"))) as server:
        with pytest.raises(ProviderOverloaded) as caught:
            await answer(provider(server))
        assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"plain words", "answered 500: plain words"),
        (b"<html>a page</html>", "answered 500"),
        (b'{"detail": [{"msg": "field required"}]}', "field required"),
        (b'{"message": "m"}', "answered 500: m"),
        (b"x" * 1_000_000, "answered 500"),
    ],
)
async def test_error_bodies_of_any_shape(body: bytes, words: str) -> None:
    async with peer(answering(whole(body, status=b"500 Oops"))) as server:
        with pytest.raises(ProviderDown, match=words.replace("[", r"\[")) as caught:
            await answer(provider(server))
        assert len(caught.value.what) < 600


async def test_an_error_body_that_does_not_end_is_left() -> None:
    async with peer(keeping(b"HTTP/1.1 500 Oops\r\ncontent-length: 99\r\n\r\nhalf")) as server:
        with pytest.raises(ProviderDown, match="answered 500"):
            await answer(provider(server, QUICK))
        await server.all_closed()


async def test_abandoning_a_stream_closes_its_connection() -> None:
    async with peer(keeping(chunked(chunk("x"), end=False, headers=(EVENTS,)))) as server:
        asked = provider(server)
        events = asked.answer(new_call(stream=True))
        await anext(events)
        assert asked.open_connections == 1
        await events.aclose()
        assert asked.open_connections == 0
        await server.all_closed()


@pytest.mark.promise("up-2")
async def test_a_thousand_faulty_answers_leak_no_socket() -> None:
    faults = [
        chunked(chunk("x"), end=False, headers=(EVENTS,)),
        b"",
        b"garbage\r\n\r\n",
        whole(b"{", b"content-type: application/json"),
        whole(b"no", status=b"500 Oops"),
        chunked(chunk("x"), DONE, headers=(EVENTS,)),
    ]

    def handler(seen: Peer) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await seen.read(reader):
                writer.write(faults[len(seen.requests) % len(faults)])
                if len(seen.requests) % len(faults) < 3:
                    return

        return serve

    async with peer(handler) as server:
        asked = provider(server, ProviderTimeouts())

        async def work() -> None:
            for _ in range(50):
                try:
                    await answer(asked, stream=True)
                except ProviderError:
                    continue

        await asyncio.gather(*[work() for _ in range(20)])
        assert asked.open_connections <= 20
        await asked.aclose()
        await server.all_closed()
        assert asked.open_connections == 0


@pytest.mark.parametrize("settings", [{"base_url": "nowhere"}, {"api_key": "line\nbreak"}, {"headers": {"a b": "c"}}])
async def test_settings_that_cannot_be_sent_are_refused_when_built(settings: dict[str, Any], tmp_path: Path) -> None:
    def others(name: str) -> OpenAIProvider:
        raise ConfigError(name)

    with pytest.raises(ConfigError):
        KIND.build(OpenAIConfig(**settings), Surroundings("x", tmp_path, others))
