"""What an OpenAI-compatible server answers besides chat, and what it counts: tables and faults."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.adapters.providers.openai_operations import PATHS, OperationStream, ask, read_answer
from moat.domain.calls import Call, Delta, Event, Finished
from moat.domain.errors import ProviderDown, ProviderError, RequestError, StreamCut
from moat.domain.usage import Usage
from moat.testing.fakes import new_call
from moat.testing.loopback import on_loopback


def call_of(operation: str, *, stream: bool = False, **params: Any) -> Call:
    return msgspec.structs.replace(new_call(stream=stream, **params), operation=operation, messages=[])


TOKENS_HEARD = {
    "type": "tokens",
    "input_tokens": 14,
    "output_tokens": 45,
    "input_token_details": {"audio_tokens": 13, "text_tokens": 1},
}
TOKENS_SAID = {
    "prompt_tokens": 5,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
DRAWN = {
    "input_tokens": 50,
    "output_tokens": 910,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens_details": {"text_tokens": 10, "image_tokens": 900},
}
SEARCHED = {"billed_units": {"search_units": 2}, "tokens": {"input_tokens": 9, "output_tokens": 0}}


@pytest.mark.promise("money-6")
@pytest.mark.parametrize(
    ("operation", "body", "usage"),
    [
        ("embeddings", {"usage": {"prompt_tokens": 8, "total_tokens": 8}}, Usage(input=8)),
        ("embeddings", {"usage": {"prompt_tokens": 8.0}}, Usage(input=8)),
        ("embeddings", {"usage": {"prompt_tokens": 0, "total_tokens": 0}}, Usage()),
        ("embeddings", {"usage": {"prompt_tokens": -5}}, Usage()),
        ("embeddings", {"usage": {"prompt_tokens": "eight"}}, None),
        ("embeddings", {"usage": [8]}, None),
        ("embeddings", {"usage": {}}, None),
        ("embeddings", {"usage": None}, None),
        ("embeddings", {}, None),
        ("completions", {"usage": TOKENS_SAID}, Usage(input=5, output=7, cached=4, reasoning=2)),
        ("moderations", {"results": []}, None),
        ("rerank", {"usage": {"total_tokens": 44}}, Usage(input=44)),
        ("rerank", {"usage": {"total_tokens": 44, "prompt_tokens": 40}}, Usage(input=40)),
        ("rerank", {"meta": {"billed_units": {"search_units": 1}}}, Usage(units=1)),
        ("rerank", {"meta": SEARCHED}, Usage(input=9, units=2)),
        ("rerank", {"meta": {"billed_units": None}}, None),
        ("rerank", {"meta": "free"}, None),
        ("images", {"data": [{}, {}]}, Usage(units=2)),
        (
            "images",
            {"data": [{}], "usage": {"input_tokens": 3, "output_tokens": 900}},
            Usage(input=3, output=900, image_output=900),
        ),
        (
            "image_edits",
            {"data": [{}], "usage": DRAWN},
            Usage(input=50, image_input=40, output=910, image_output=900),
        ),
        ("image_edits", {"data": [{}], "usage": {"total_tokens": "x"}}, Usage(units=1)),
        ("image_variations", {"data": "none"}, None),
        ("transcription", {"usage": TOKENS_HEARD}, Usage(input=14, output=45, audio_input=13)),
        ("transcription", {"usage": {"type": "duration", "seconds": 9.01}}, Usage(units=10)),
        ("transcription", {"duration": "2.5"}, Usage(units=3)),
        ("transcription", {"duration": "a while"}, None),
        ("transcription", {"duration": "NaN"}, None),
        ("transcription", {"duration": -1}, None),
        ("transcription", {"duration": 1e30}, None),
        ("translation", {"duration": 4}, Usage(units=4)),
    ],
)
def test_usage_is_read_where_each_server_puts_it(operation: str, body: Any, usage: Usage | None) -> None:
    raw = json.dumps(body).encode()

    delta, finished = read_answer(call_of(operation), raw, "application/json", where="provider x")

    assert (delta.raw, finished.usage, finished.reason) == (raw, usage, "stop")


def test_speech_counts_characters_and_keeps_its_type() -> None:
    delta, finished = read_answer(call_of("speech", input="Grüezi"), b"ID3\xff", "audio/mpeg", where="")

    assert (delta.raw, delta.content_type, delta.text) == (b"ID3\xff", "audio/mpeg", "")
    assert finished.usage == Usage(units=6)


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (b"1\n00:00:00,000 --> 00:00:02,500\nGood\n\n2\n00:00:02,500 --> 01:02:03,001\nday\n", 3724),
        (b"WEBVTT\n\n00:00.000 --> 00:02.000\nGood day\n", 2),
        (b"Good day\n", None),
        (b"--> 99999:00:00,000", None),
    ],
)
def test_subtitles_say_how_long_they_are(raw: bytes, usage: int | None) -> None:
    finished = read_answer(call_of("transcription"), raw, "text/plain", where="")[1]

    assert finished.usage == (None if usage is None else Usage(units=usage, estimated=True))


@pytest.mark.parametrize(("operation", "kind"), [("speech", "application/octet-stream"), ("translation", "text/plain")])
def test_bytes_without_a_type_get_the_usual_one(operation: str, kind: str) -> None:
    assert read_answer(call_of(operation), b"\xff", "", where="")[0].content_type == kind


@pytest.mark.parametrize(
    ("operation", "raw", "what"),
    [
        ("embeddings", b"", "not an answer"),
        ("embeddings", b"<html>", "not an answer"),
        ("embeddings", b"[]", "not an answer"),
        ("embeddings", b'{"error": {"message": "no such model"}}', "no such model"),
        ("embeddings", b'{"type": "error"}', "error"),
        ("embeddings", b'{"a": ' + b"[" * 100_000, "not an answer"),
    ],
)
def test_what_is_no_answer_is_an_error(operation: str, raw: bytes, what: str) -> None:
    with pytest.raises(ProviderDown, match=what):
        read_answer(call_of(operation), raw, "application/json", where="provider x")


@pytest.mark.parametrize(("raw", "kind", "what"), [(b"", "audio/mpeg", "nothing"), (b"<html>", "text/html", "page")])
def test_silence_and_web_pages_are_no_speech(raw: bytes, kind: str, what: str) -> None:
    for operation in ("speech", "transcription"):
        with pytest.raises(ProviderDown, match=what):
            read_answer(call_of(operation, input="a"), raw, kind, where="provider x")


def test_requests_carry_the_deployments_model_and_their_own_words() -> None:
    asked = ask(call_of("embeddings", input="a", dimensions=3))
    streamed = ask(call_of("completions", stream=True, prompt="a", stream_options={"x": 1}))
    spoken = ask(call_of("speech", stream=True, input="a", stream_format="sse"))

    assert json.loads(asked.body) == {"model": "large", "input": "a", "dimensions": 3}
    assert json.loads(streamed.body) == {
        "model": "large",
        "prompt": "a",
        "stream": True,
        "stream_options": {"x": 1, "include_usage": True},
    }
    assert json.loads(spoken.body) == {"model": "large", "input": "a", "stream_format": "sse"}


def test_a_form_with_two_models_is_not_sent() -> None:
    part = b'--cut\r\nContent-Disposition: form-data; name="model"\r\n\r\nmine\r\n'
    call = msgspec.structs.replace(
        call_of("transcription"), upload=part * 2 + b"--cut--", upload_type="multipart/form-data; boundary=cut"
    )
    with pytest.raises(RequestError):
        ask(call)


def line(body: Any) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def feed(call: Call, *chunks: bytes) -> list[Event]:
    stream = OperationStream(call, "provider x")
    deltas = [delta for chunk in chunks if (delta := stream.feed(chunk)) is not None]
    return [*deltas, stream.finish()]


COMPLETION = (
    line({"model": "m", "choices": [{"index": 1, "text": "no"}, {"index": 0, "text": "On"}]})
    + b": still there\n\n"
    + line({"model": "m", "choices": [{"index": 0, "text": "ce", "finish_reason": "length"}]})
    + line({"model": "m", "choices": [], "usage": TOKENS_SAID})
    + b"data: [DONE]\n\n"
)


@given(st.integers(0, len(COMPLETION)), st.integers(0, len(COMPLETION)))
def test_a_stream_is_the_same_wherever_it_is_cut_into_reads(one: int, two: int) -> None:
    first, second = sorted((one, two))
    chunks = [piece for piece in (COMPLETION[:first], COMPLETION[first:second], COMPLETION[second:]) if piece]

    *deltas, finished = feed(call_of("completions", stream=True), *chunks)

    assert "".join(delta.text for delta in deltas if isinstance(delta, Delta)) == "Once"
    assert b"".join(delta.raw or b"" for delta in deltas if isinstance(delta, Delta)) == COMPLETION.replace(
        b": still there\n\n", b""
    ).replace(line({"model": "m", "choices": [], "usage": TOKENS_SAID}), b"").replace(b"data: [DONE]\n\n", b"")
    assert finished == Finished(reason="length", usage=Usage(input=5, output=7, cached=4, reasoning=2), model="m")


@given(st.integers(0, len(COMPLETION) - len(b"\ndata: [DONE]\n\n")))
def test_a_stream_that_stops_anywhere_is_cut_or_complete(at: int) -> None:
    """Without its end mark it is complete only when it said why it ended."""
    said_why = COMPLETION.index(b'"length"') + len(b'"length"}]}\n\n')
    try:
        feed(call_of("completions", stream=True), COMPLETION[:at])
        complete = True
    except StreamCut:
        complete = False
    assert complete <= (at >= said_why)


@pytest.mark.promise("money-6")
def test_several_images_of_one_stream_are_added_up() -> None:
    last = line(
        {"type": "image_generation.completed", "b64_json": "", "usage": {"input_tokens": 2, "output_tokens": 9}}
    )
    plain = line({"type": "image_edit.completed", "b64_json": ""})

    assert feed(call_of("images", stream=True), last + last)[-1] == Finished(
        reason="stop", usage=Usage(input=4, output=18, image_output=18)
    )
    assert feed(call_of("image_edits", stream=True), plain + plain)[-1] == Finished(reason="stop", usage=Usage(units=2))
    with pytest.raises(StreamCut):
        feed(call_of("images", stream=True), line({"type": "image_generation.partial_image"}))


def test_streamed_speech_and_transcripts_end_with_their_own_event() -> None:
    sounds = line({"type": "speech.audio.delta", "audio": "aGk="}) + line(
        {"type": "speech.audio.done", "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}}
    )
    words = line({"type": "transcript.text.delta", "delta": "Hi"}) + line(
        {"type": "transcript.text.done", "text": "Hi", "usage": TOKENS_HEARD}
    )

    assert feed(call_of("speech", stream=True, input="Hi"), sounds)[-1] == Finished(
        reason="stop", usage=Usage(input=3, output=4)
    )
    delta, finished = feed(call_of("transcription", stream=True), words)
    assert isinstance(delta, Delta)
    assert (delta.text, delta.raw) == ("Hi", words)
    assert finished == Finished(reason="stop", usage=Usage(input=14, output=45, audio_input=13))


@pytest.mark.parametrize(
    "event", [{"error": {"message": "sorry"}}, {"type": "error", "error": {"message": "sorry"}, "code": 1}]
)
def test_an_error_in_the_middle_ends_the_stream(event: Any) -> None:
    with pytest.raises(ProviderDown, match="sorry"):
        feed(call_of("completions", stream=True), COMPLETION[: COMPLETION.index(b": still")], line(event))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["index", "text", "a"]), inner),
    max_leaves=6,
)
members = st.dictionaries(
    st.sampled_from(["usage", "meta", "data", "choices", "text", "delta", "type", "model", "duration", "error"]),
    json_values,
)


@given(members, st.sampled_from(sorted(PATHS.keys() - {"chat"})))
def test_members_of_any_type_are_read_or_refused(body: dict[str, Any], operation: str) -> None:
    """Nothing but our own errors comes out, and no negative count."""
    raw = json.dumps(body).encode()
    try:
        usage = read_answer(call_of(operation), raw, "application/json", where="")[1].usage
        feed(call_of(operation, stream=True), line(body))
    except ProviderError:
        return
    assert usage is None or min(usage.input, usage.output, usage.units) >= 0


@pytest.mark.anyio
async def test_each_operation_goes_to_its_own_place() -> None:
    seen: list[str] = []

    async def server(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        seen.append(scope["path"])
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    with on_loopback(server) as url:
        provider = OpenAIProvider(OpenAIConfig(base_url=f"{url}/v1/"))
        for operation in PATHS.keys() - {"chat"}:
            assert [event async for event in provider.answer(call_of(operation))]
        await provider.aclose()

    assert sorted(seen) == sorted(f"/v1{path}" for operation, path in PATHS.items() if operation != "chat")
