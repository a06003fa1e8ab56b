"""Google's models over a server that answers like the Gemini API, from fixtures written after its documentation."""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from moat.adapters.providers.exchange import ProviderTimeouts
from moat.adapters.providers.gemini import KIND, ApiKey, GeminiConfig, GeminiProvider
from moat.domain.calls import Call, Delta, Deployment, Event, Finished, ToolCallDelta
from moat.domain.errors import (
    ConfigError,
    ContextOverflow,
    ProviderDown,
    ProviderError,
    ProviderOverloaded,
    ProviderRefused,
    ProviderTimeout,
    StreamCut,
    Unsupported,
)
from moat.domain.usage import Usage
from moat.testing.fakes import new_call
from tests.providers.gemini_server import KEY, GeminiServer, Reply, fixture, gemini_server, says
from tests.providers.peer import answering, chunked, dribbling, keeping, peer, whole

pytestmark = pytest.mark.anyio

EVENTS = b"content-type: text/event-stream"
PATIENT = ProviderTimeouts(connect=20, first_token=20, idle=20)
QUICK = ProviderTimeouts(connect=5, first_token=0.6, idle=0.1)


def provider(url: str, timeouts: ProviderTimeouts = PATIENT, **settings: Any) -> GeminiProvider:
    config = GeminiConfig(base_url=f"{url}/v1beta", api_key=KEY, timeouts=timeouts, **settings)
    return GeminiProvider(ApiKey(config), config, name="g")


async def ask(url: str, call: Call, timeouts: ProviderTimeouts = PATIENT) -> list[Event]:
    asked = provider(url, timeouts)
    try:
        return [event async for event in asked.answer(call)]
    finally:
        await asked.aclose()


async def refusal(url: str, call: Call) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await ask(url, call)
    return caught.value


async def test_an_answer_in_one_piece_with_every_kind_of_token() -> None:
    with gemini_server(fixture("generate.json")) as server:
        events = await ask(server.url, new_call("What are the Alps?", temperature=0.2, max_tokens=50))
    usage = Usage(input=1222, output=66, cached=1024, reasoning=57, audio_input=60, cached_audio=24)
    assert events == [
        Delta(text="The Alps are a mountain range.", usage=usage),
        Finished(reason="stop", usage=usage, model="gemini-2.5-flash"),
    ]
    (asked,) = server.asked
    assert (asked.path, asked.query) == ("/v1beta/models/large:generateContent", "")
    assert asked.body == {
        "contents": [{"role": "user", "parts": [{"text": "What are the Alps?"}]}],
        "generationConfig": {"temperature": 0.2, "maxOutputTokens": 50},
    }


async def test_a_stream_of_thoughts_and_parallel_calls() -> None:
    with gemini_server(fixture("stream_tools.sse")) as server:
        events = await ask(server.url, new_call("Weather?", stream=True))
    thought, first, second, end = events
    assert isinstance(thought, Delta)
    assert thought == Delta(reasoning="**Looking up**\n\nTwo cities are asked for.", usage=thought.usage)
    assert thought.usage is not None
    assert isinstance(first, Delta)
    assert isinstance(second, Delta)
    (paris,), (zurich,) = first.tool_calls, second.tool_calls
    assert (paris.index, paris.name, paris.arguments) == (0, "get_weather", '{"city":"Paris","days":2}')
    assert (paris.signature, zurich.signature) == ("CiQB0e2Kb0p2YXJpcw==", "")
    assert (zurich.index, json.loads(zurich.arguments)) == (1, {"city": "Zürich"})
    assert paris.id.startswith("call_")
    assert paris.id != zurich.id
    usage = Usage(input=61, output=65, reasoning=34)
    assert end == Finished(reason="tool_calls", usage=usage, model="gemini-3-pro-preview")
    assert server.asked[0].query == "alt=sse"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_speaks_gemini_gets_the_bytes_as_they_came(stream: bool) -> None:
    sent = fixture("stream_tools.sse" if stream else "generate.json")
    with gemini_server(sent) as server:
        events = await ask(server.url, msgspec.structs.replace(new_call(stream=stream), wire="gemini"))
    assert b"".join(event.raw or b"" for event in events if isinstance(event, Delta)) == sent


async def test_reasons_of_an_end() -> None:
    reasons = {
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "CONTINUATION": "length",
        "SAFETY": "content_filter",
        "RECITATION": "content_filter",
        "PROHIBITED_CONTENT": "content_filter",
        "SPII": "content_filter",
        "BLOCKLIST": "content_filter",
        "SOMETHING_NEW": "content_filter",
    }
    with gemini_server(*(says("Hm", reason=theirs) for theirs in reasons)) as server:
        ends = [(await ask(server.url, new_call()))[-1] for _ in reasons]
    assert [end.reason for end in ends if isinstance(end, Finished)] == list(reasons.values())


async def test_a_blocked_prompt_is_an_answer_that_says_so() -> None:
    with gemini_server(fixture("blocked.json")) as server:
        events = await ask(server.url, new_call())
    assert events == [
        Delta(refusal="Google blocked the prompt: PROHIBITED_CONTENT", usage=Usage(input=7)),
        Finished(reason="content_filter", usage=Usage(input=7), model="gemini-2.5-flash"),
    ]


async def test_a_malformed_function_call_is_no_answer_and_may_be_tried_again() -> None:
    with gemini_server(says(reason="MALFORMED_FUNCTION_CALL")) as server:
        error = await refusal(server.url, new_call())
    assert isinstance(error, ProviderDown)
    assert error.retryable
    assert "MALFORMED_FUNCTION_CALL" in error.what


async def test_a_picture_is_for_clients_that_speak_gemini() -> None:
    picture = says({"inlineData": {"mimeType": "image/png", "data": "aGk="}})
    with gemini_server(picture) as server:
        assert isinstance(await refusal(server.url, new_call()), Unsupported)
        events = await ask(server.url, msgspec.structs.replace(new_call(), wire="gemini"))
    assert isinstance(events[0], Delta)
    assert b"aGk=" in (events[0].raw or b"")


@pytest.mark.parametrize(
    ("name", "status", "kind", "answered"),
    [
        ("error_quota.json", 429, ProviderOverloaded, 429),
        ("error_long.json", 400, ContextOverflow, 400),
        ("error_key.json", 400, ProviderRefused, 502),
    ],
)
async def test_googles_errors(name: str, status: int, kind: type[ProviderError], answered: int) -> None:
    with gemini_server(Reply(json.loads(fixture(name)), status)) as server:
        error = await refusal(server.url, new_call())
    assert type(error) is kind
    assert error.status == answered
    assert error.retry_after == (8.25 if status == 429 else None)
    assert "\n" not in error.what


async def test_other_statuses() -> None:
    kinds = {
        400: ProviderRefused,
        403: ProviderRefused,
        404: ProviderRefused,
        408: ProviderTimeout,
        500: ProviderDown,
        503: ProviderDown,
        504: ProviderDown,
    }
    replies = [Reply({"error": {"code": status, "message": "no", "status": "X"}}, status) for status in kinds]
    with gemini_server(*replies) as server:
        errors = [await refusal(server.url, new_call()) for _ in kinds]
    assert {int(error.what[9:12]): type(error) for error in errors} == kinds
    assert all(error.what.endswith(": no") for error in errors)


async def test_vertex_says_too_long_in_other_words() -> None:
    message = "Unable to submit request because the input token count is 1500000 but model only supports up to 1048576."
    with gemini_server(
        Reply({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}, 400)
    ) as server:
        assert isinstance(await refusal(server.url, new_call()), ContextOverflow)


async def test_a_header_says_better_when_to_come_back() -> None:
    reply = Reply(json.loads(fixture("error_quota.json")), 429, {"retry-after": "3"})
    with gemini_server(reply) as server:
        assert (await refusal(server.url, new_call())).retry_after == 3


async def test_an_error_within_a_stream_is_the_error_it_names() -> None:
    for body, kind in (
        ({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}, ProviderDown),
        ({"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}}, ProviderOverloaded),
        ({"error": "what?"}, ProviderDown),
    ):
        with gemini_server([says("Hel", reason=None), body]) as server:
            assert type(await refusal(server.url, new_call(stream=True))) is kind


@pytest.mark.promise("up-2")
async def test_streams_cut_at_every_byte_are_never_complete() -> None:
    pieces = [says("Hel", reason=None), says("lo, 世界!")]
    sent = b"".join(b"data: " + msgspec.json.encode({"candidates": one["candidates"]}) + b"\n\n" for one in pieces)
    complete = 0
    for cut in range(1, len(sent) + 1):
        async with peer(answering(chunked(sent[:cut], headers=(EVENTS,)))) as at:
            try:
                events = await ask(at.url, new_call(stream=True))
            except StreamCut:
                continue
        assert "".join(event.text for event in events if isinstance(event, Delta)) == "Hello, 世界!"
        complete += 1
    assert complete == 1


async def test_a_connection_that_breaks_after_the_end_harms_nobody() -> None:
    sent = fixture("stream_text.sse")
    async with peer(answering(chunked(sent, end=False, headers=(EVENTS,)))) as at:
        events = await ask(at.url, new_call(stream=True))
    assert events[-1] == Finished(reason="stop", usage=Usage(input=4, output=5), model="gemini-2.5-flash")


async def test_a_server_that_never_ends_its_body_holds_nobody() -> None:
    async with peer(keeping(chunked(fixture("stream_text.sse"), end=False, headers=(EVENTS,)))) as at:
        events = await ask(at.url, new_call(stream=True))
        assert isinstance(events[-1], Finished)
        await at.all_closed()


async def test_silence_is_a_timeout() -> None:
    first = chunked(b"data: " + json.dumps(says("Hel", reason=None)).encode() + b"\n\n", end=False, headers=(EVENTS,))
    async with peer(keeping(first)) as at:
        with pytest.raises(ProviderTimeout):
            await ask(at.url, new_call(stream=True), QUICK)
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"
    async with peer(dribbling(head, b" ")) as at:
        with pytest.raises(ProviderTimeout):
            await ask(at.url, new_call(), QUICK)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"null", b'{"candidates": 3}', b'{"candidates": [{"content": {"parts": [7]}}]}', b"{}", b"\xff"],
)
async def test_nonsense_is_no_answer(body: bytes) -> None:
    async with peer(answering(whole(body, b"content-type: application/json"))) as at:
        with pytest.raises(ProviderDown):
            await ask(at.url, new_call())


async def test_an_error_where_a_stream_was_asked_for() -> None:
    error = fixture("error_quota.json")
    async with peer(answering(whole(b"[" + error + b"]", b"content-type: application/json"))) as at:
        with pytest.raises(ProviderOverloaded):
            await ask(at.url, new_call(stream=True))


async def test_a_page_where_a_stream_was_asked_for() -> None:
    async with peer(answering(whole(b"<html>", b"content-type: text/html"))) as at:
        with pytest.raises(ProviderDown, match="text/html"):
            await ask(at.url, new_call(stream=True))


@pytest.mark.parametrize("usage", [None, "many", {"promptTokenCount": -3}, {"promptTokenCount": "x"}, {}])
async def test_a_usage_that_makes_no_sense_is_none(usage: Any) -> None:
    with gemini_server(says("Hi", usageMetadata=usage)) as server:
        events = await ask(server.url, new_call())
    assert events[-1] == Finished(reason="stop", usage=None, model="gemini-2.5-flash")


async def test_keys_are_in_no_address_and_in_no_error() -> None:
    echo = Reply({"error": {"code": 403, "message": f"the key {KEY} may not", "status": "PERMISSION_DENIED"}}, 403)
    with gemini_server(echo) as server:
        error = await refusal(server.url, new_call())
    assert KEY not in str(error)
    assert "***" in str(error)
    assert KEY not in server.asked[0].path + server.asked[0].query
    assert server.asked[0].headers["x-goog-api-key"] == KEY


async def test_models_by_their_path_and_further_headers() -> None:
    call = msgspec.structs.replace(new_call(), deployment=Deployment("g", "tunedModels/mine 1"))
    with gemini_server(says("Hi")) as server:
        asked = provider(server.url, headers={"X-Team": "a"})
        assert [event async for event in asked.answer(call)]
        await asked.aclose()
    assert server.asked[0].path == "/v1beta/tunedModels/mine 1:generateContent"
    assert server.asked[0].headers["x-team"] == "a"


async def test_a_closed_answer_gives_its_connection_back() -> None:
    stream = chunked(fixture("stream_text.sse"), end=False, headers=(EVENTS,))
    async with peer(keeping(stream)) as at:
        asked = provider(at.url)
        events: AsyncIterator[Event] = asked.answer(new_call(stream=True))
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
        await at.all_closed()
        assert asked.open_connections == 0
        await asked.aclose()


@pytest.mark.parametrize("settings", [{"base_url": "ftp://x"}, {"headers": {"a b": "c"}}, {"api_key": "a\nb"}])
def test_what_cannot_be_sent_is_refused_when_it_is_configured(settings: dict[str, Any]) -> None:
    config = KIND.config(**{"api_key": "k", **settings})
    with pytest.raises(ConfigError):
        ApiKey(config)  # type: ignore[arg-type]


@pytest.mark.parametrize("operation", ["moderations", "rerank", "images", "speech", "transcription"])
async def test_other_operations_are_not_offered(operation: Any) -> None:
    call = msgspec.structs.replace(new_call(), operation=operation)
    assert isinstance(await refusal("http://127.0.0.1:1", call), Unsupported)


async def test_calls_keep_the_ids_they_come_with() -> None:
    made = says({"functionCall": {"id": "c7", "name": "f"}})
    with gemini_server(made) as server:
        events = await ask(server.url, new_call())
    assert isinstance(events[0], Delta)
    assert events[0].tool_calls == (ToolCallDelta(index=0, id="c7", name="f", arguments="{}"),)
    assert isinstance(server, GeminiServer)
