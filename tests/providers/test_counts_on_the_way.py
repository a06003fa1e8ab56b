"""What providers have counted is told as soon as they say it, and is no piece of the answer."""

from dataclasses import replace as with_fields

import msgspec
import pytest

from moat.adapters.providers.anthropic_answer import Stream
from moat.adapters.providers.bedrock import BedrockConfig, BedrockProvider
from moat.adapters.providers.gemini_answer import Reader
from moat.adapters.providers.http1 import request_head
from moat.adapters.providers.openai_stream import ChatStream
from moat.domain.calls import Call, Delta, Deployment, Event, Finished, Wire
from moat.domain.errors import ProviderDown, ProviderOverloaded
from moat.domain.usage import Usage
from moat.pipeline.recipe import build
from moat.pipeline.stages.cache import Cache
from moat.testing.fakes import FixedModels, fake_ports, new_call
from moat.testing.scripted import ScriptedProvider
from tests.pipeline.test_compose import drain
from tests.providers.peer import answering, peer, whole


def sent(**body: object) -> bytes:
    return b"event: " + str(body["type"]).encode() + b"\ndata: " + msgspec.json.encode(body) + b"\n\n"


def asked(wire: Wire) -> Call:
    return msgspec.structs.replace(new_call("Hi", stream=True), wire=wire)


@pytest.mark.parametrize("wire", ["anthropic", "openai"])
def test_anthropics_counts_come_with_message_start(wire: Wire) -> None:
    stream = Stream(asked(wire), "", where="here")
    start = sent(type="message_start", message={"model": "m", "usage": {"input_tokens": 9, "output_tokens": 1}})
    assert stream.feed(start) == [Delta(usage=Usage(input=9, output=1))]
    text = sent(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "Hi"})
    (piece,) = stream.feed(text)
    assert (piece.text, piece.usage) == ("Hi", None)
    assert piece.raw == (start + text if wire == "anthropic" else None)
    end = sent(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 7})
    (last,) = stream.feed(end)
    assert last.usage == Usage(input=9, output=7)
    assert last.only_counts == (wire != "anthropic")
    stream.feed(sent(type="message_stop"))
    assert stream.finish()[-1] == Finished(reason="stop", usage=Usage(input=9, output=7), model="m")


@pytest.mark.parametrize("wire", ["gemini", "openai"])
def test_geminis_counts_come_in_each_response(wire: Wire) -> None:
    reader = Reader(asked(wire), where="here")
    body = msgspec.json.encode({"usageMetadata": {"promptTokenCount": 9, "thoughtsTokenCount": 2}})
    piece = reader.take(body, b"data")
    assert piece is not None
    assert piece.usage == Usage(input=9, output=2, reasoning=2)
    assert piece.only_counts == (wire != "gemini")


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("place", ["usage", "x_groq"])
def test_counts_of_a_chunk_come_with_it(wire: Wire, place: str) -> None:
    stream = ChatStream(asked(wire), "here")
    counts = {"prompt_tokens": 9, "completion_tokens": 1}
    body = {
        "choices": [{"index": 0, "delta": {"content": "Hi"}}],
        place: counts if place == "usage" else {"usage": counts},
    }
    data = b"data: " + msgspec.json.encode(body) + b"\n\n"
    piece = stream.feed(data)
    assert piece == Delta(text="Hi", usage=Usage(input=9, output=1), raw=data if wire == "openai" else None)
    alone = stream.feed(b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}\n\n')
    assert alone == Delta(usage=Usage(input=9, output=4))
    assert alone.only_counts


@pytest.mark.anyio
async def test_another_try_may_follow_what_only_counts() -> None:
    main = ScriptedProvider([Delta(usage=Usage(input=9)), ProviderOverloaded("busy")])
    models = FixedModels({"assistant": ["main/large", "spare/small"]}, {"main": main, "spare": ScriptedProvider("Hi")})
    events = await drain(build(with_fields(fake_ports(main), models=models))(new_call()))
    assert [event.text for event in events if isinstance(event, Delta)] == ["Hi"]


@pytest.mark.anyio
async def test_a_failure_after_a_piece_is_still_final() -> None:
    steps = [Delta(usage=Usage(input=9)), Delta(text="Hal"), ProviderDown("gone")]
    with pytest.raises(ProviderDown):
        await drain(build(fake_ports(ScriptedProvider(steps)))(new_call()))


@pytest.mark.anyio
async def test_a_cache_keeps_no_counts() -> None:
    kept: list[Event] = []

    class Keeping:
        def key(self, call: Call) -> bytes:
            return b"k"

        def find(self, call: Call, key: bytes) -> None:
            return None

        def count(self, call: Call) -> None:
            pass

        def keep(self, call: Call, key: bytes, events: list[Event], cost: int) -> None:
            kept.extend(events)

    async def answer(call: Call):  # type: ignore[no-untyped-def]
        yield Delta(usage=Usage(input=1))
        yield Delta(text="Hi", usage=Usage(input=1, output=1))
        yield Finished(reason="stop")

    stage = Cache(with_fields(fake_ports(ScriptedProvider()), cache=Keeping()))  # type: ignore[arg-type]
    assert len([event async for event in stage(new_call(), answer)]) == 3
    assert kept == [Delta(text="Hi"), Finished(reason="stop")]


@pytest.mark.anyio
async def test_signatures_fill_no_cache_of_heads() -> None:
    said = {"output": {"message": {"content": [{"text": "Hi"}]}}, "stopReason": "end_turn"}
    answers = [whole(msgspec.json.encode(said), b"content-type: application/json")] * 3
    async with peer(answering(*answers)) as server:
        config = BedrockConfig(
            region="eu-central-1", base_url=server.url, access_key_id="AK", secret_access_key="s", session_token="t"
        )
        provider = BedrockProvider(config)
        before = request_head.cache_info().misses
        for text in ("a", "b", "c"):
            call = msgspec.structs.replace(new_call(text), deployment=Deployment("b", "m"))
            first, *_ = [event async for event in provider.answer(call)]
            assert first == Delta(text="Hi")
        await provider.aclose()
        assert request_head.cache_info().misses == before + 1
        for request in server.requests:
            head = request.partition(b"\r\n\r\n")[0].lower()
            assert head.count(b"\r\nauthorization: aws4-hmac-sha256 ") == 1
            assert head.count(b"\r\nx-amz-security-token: t") == 1
            assert head.count(b"\r\nx-amz-date: ") == 1
