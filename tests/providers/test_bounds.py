"""What a provider may send without harm: whatever it is, the error is typed and memory stays bounded."""

import asyncio
import contextlib
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.adapters.providers.http1 import HttpClient, Limits
from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.adapters.providers.openai_stream import ChatStream, chat_answer
from moat.domain.calls import Call
from moat.domain.errors import MoatError, ProviderDown, ProviderOverloaded, StreamCut
from moat.testing.fakes import new_call
from tests.providers.peer import Handler, Peer, answering, chunked, peer

pytestmark = pytest.mark.anyio

EVENTS = b"content-type: text/event-stream"
MEMBERS = [
    "choices", "delta", "message", "content", "text", "type", "thinking", "tool_calls", "function", "name", "arguments",
    "index", "finish_reason", "usage", "prompt_tokens", "completion_tokens", "total_tokens", "reasoning_tokens",
    "completion_tokens_details", "reasoning", "reasoning_content", "x_groq", "error", "code", "refusal", "model",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
    max_leaves=14,
)
SOMETIMES_WHOLE = st.one_of(
    JSON,
    st.builds(lambda inner: {"choices": [{"message": inner, "delta": inner}]}, JSON),
    st.builds(lambda inner: {"choices": [{"message": {}, "delta": {"content": inner, "reasoning": inner}}]}, JSON),
    st.builds(lambda inner: {"choices": [{"message": {}}], "usage": inner}, JSON),
)
TYPED = (ProviderDown, ProviderOverloaded, StreamCut)


def wired(wire: Any) -> Call:
    return msgspec.structs.replace(new_call("Hi", stream=True), wire=wire)


@pytest.mark.promise("up-3")
@settings(max_examples=200, deadline=None)
@given(st.lists(SOMETIMES_WHOLE, max_size=3), st.sampled_from(["openai", "anthropic"]))
def test_wrong_types_are_typed_errors(bodies: list[Any], wire: str) -> None:
    stream = ChatStream(wired(wire), "x")
    with contextlib.suppress(*TYPED):
        for body in bodies:
            stream.feed(b"data: " + msgspec.json.encode(body) + b"\n\n")
        stream.finish()
    for body in bodies:
        with contextlib.suppress(*TYPED):
            delta, finished = chat_answer(wired(wire), msgspec.json.encode(body), where="x")
            assert isinstance(delta.text, str)
            assert isinstance(delta.reasoning, str)
            usage = finished.usage
            assert usage is None or min(usage.input, usage.output, usage.cached) >= 0


@pytest.mark.promise("up-3")
@pytest.mark.parametrize(
    "data",
    [
        rb'{"choices":[{"message":{"content":"\ud800"}}]}',
        rb'{"choices":[{"message":{"content":"\udc00\ud800"}}]}',
        b'{"choices":[{"message":{"content":"\xed\xa0\x80"}}]}',
        b'{"choices":[{"message":{"content":"\xff"}}]}',
        b'{"choices":[{"message":{"content":"\x00"}}]}',
        b'{"choices":' + b"[" * 100_000,
        b'{"choices":[{"message":{"content":NaN}}]}',
        b'{"usage":{"prompt_tokens":1e999},"choices":[{"message":{}}]}',
        b"\xef\xbb\xbf{}",
        b"",
        b"{}",
    ],
)
def test_text_that_is_no_json_or_no_unicode_is_a_typed_error(data: bytes) -> None:
    with pytest.raises(ProviderDown):
        chat_answer(wired("openai"), data, where="x")
    with pytest.raises(MoatError):
        streamed(b"data: " + data.replace(b'"message"', b'"delta"') + b"\n\n")


def streamed(data: bytes) -> None:
    stream = ChatStream(wired("openai"), "x")
    stream.feed(data)
    stream.finish()


async def drain(provider: OpenAIProvider) -> None:
    async for _ in provider.answer(wired("openai")):
        pass


def endless(head: bytes, piece: bytes) -> Any:
    def handler(seen: Peer) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await seen.read(reader)
            writer.write(head)
            while True:
                writer.write(piece)
                await writer.drain()

        return serve

    return handler


@pytest.mark.promise("up-3")
async def test_a_stream_that_never_ends_is_ended() -> None:
    event = b"data: " + msgspec.json.encode({"choices": [{"delta": {"content": "x" * 60_000}}]}) + b"\n\n"
    head = b"HTTP/1.1 200 OK\r\n" + EVENTS + b"\r\ntransfer-encoding: chunked\r\n\r\n"
    async with peer(endless(head, b"%x\r\n%s\r\n" % (len(event), event))) as server:
        provider = OpenAIProvider(OpenAIConfig(base_url=server.url), name="x")
        with pytest.raises(ProviderDown, match="a body of more than 67108864 bytes"):
            await drain(provider)
        await server.all_closed()
        await provider.aclose()


@pytest.mark.promise("up-3")
async def test_a_hundred_thousand_chunks_of_one_byte_cost_no_memory() -> None:
    async with peer(answering(chunked(*[b"x"] * 100_000))) as server:
        client = HttpClient(limits=Limits())
        tracemalloc.start()
        try:
            async with client.request("POST", server.url) as response:
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                body = await response.read(2**20)
                peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
        assert body == b"x" * 100_000
        assert peak < 16 * 2**20
        await client.aclose()
