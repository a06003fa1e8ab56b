"""The Bedrock provider against servers that answer as AWS does, and servers that do not.

The answers were written from AWS's API reference; the shapes are checked against botocore's description of the API.
"""

import datetime
from functools import partial
from pathlib import Path
from typing import Any

import botocore.session
import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.parsers import RestJSONParser
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.adapters.providers.bedrock import KIND
from moat.adapters.providers.bedrock_answer import Stream, whole
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
from moat.ports.kinds import Surroundings
from moat.ports.models import Provider
from moat.testing.fakes import new_call
from tests.providers.eventstreams import encode
from tests.providers.peer import answering, chunked, dribbling, peer
from tests.providers.peer import whole as response
from tests.refusing import unless_refused

pytestmark = pytest.mark.anyio

MODEL = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI", "session_token": "tok+en/=="}
STREAM = b"content-type: application/vnd.amazon.eventstream"


def build(url: str, **settings: Any) -> Provider:
    def source(name: str) -> Provider:
        raise AssertionError(name)

    block = {"kind": "bedrock", "region": "eu-west-1", "base_url": url, **(KEYS if "api_key" not in settings else {})}
    return KIND.build(msgspec.convert(block | settings, KIND.config), Surroundings("aws", Path(), source))


def call_for(model: str = MODEL, operation: str = "chat", **options: Any) -> Call:
    call = new_call("Hi", **options)
    return msgspec.structs.replace(call, operation=operation, deployment=Deployment("aws", model))


async def ask(provider: Provider, call: Call) -> list[Event]:
    try:
        return [event async for event in provider.answer(call)]
    finally:
        await provider.aclose()


def event(kind: str, payload: dict[str, Any]) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return encode(headers, msgspec.json.encode({**payload, "p": "abcdefgh"}))


def exception(kind: str, message: str) -> bytes:
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return encode(headers, msgspec.json.encode({"message": message}))


START = event("messageStart", {"role": "assistant"})
HELLO = event("contentBlockDelta", {"delta": {"text": "Hello"}, "contentBlockIndex": 0})
STOP = event("messageStop", {"stopReason": "end_turn"})
USAGE = {
    "inputTokens": 7,
    "outputTokens": 3,
    "totalTokens": 35,
    "cacheReadInputTokens": 5,
    "cacheWriteInputTokens": 20,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 12}, {"ttl": "5m", "inputTokens": 8}],
}
METADATA = event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 551}})
USED = Usage(input=32, output=3, cached=5, cache_write=20, cache_write_long=12)

ANSWER = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}},
                {"reasoningContent": {"redactedContent": "QUJD"}},
                {"text": "Hello"},
                {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"at": 1}}},
                {"toolUse": {"toolUseId": "t2", "name": "list", "input": {}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": USAGE,
    "metrics": {"latencyMs": 551},
}


def test_the_answers_of_these_tests_have_the_shapes_of_the_api() -> None:
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = model.operation_model("Converse").output_shape
    parsed = RestJSONParser().parse({"body": msgspec.json.encode(ANSWER), "headers": {}, "status_code": 200}, shape)
    assert parsed["usage"] == USAGE
    assert parsed["output"]["message"]["content"][4]["toolUse"]["name"] == "list"
    assert parsed["output"]["message"]["content"][1]["reasoningContent"]["redactedContent"] == b"ABC"
    assert parsed["stopReason"] == "tool_use"


async def test_an_answer_in_one_piece_to_a_request_that_aws_would_accept() -> None:
    async with peer(answering(response(msgspec.json.encode(ANSWER)))) as server:
        events = await ask(build(server.url), call_for(max_tokens=5))
        assert events == [
            Delta(reasoning="Hm.", signature="sig"),
            Delta(redacted="QUJD"),
            Delta(text="Hello"),
            Delta(tool_calls=(ToolCallDelta(index=0, id="t1", name="look", arguments='{"at":1}'),)),
            Delta(tool_calls=(ToolCallDelta(index=1, id="t2", name="list", arguments="{}"),)),
            Finished(reason="tool_calls", usage=USED),
        ]
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        assert path.startswith("/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Feu.")
        assert path.endswith("/converse")
        assert msgspec.json.decode(body) == {
            "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
            "inferenceConfig": {"maxTokens": 5},
        }
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        request = AWSRequest("POST", server.url + path, data=body)
        names = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
        for name in names:
            request.headers[name] = headers[name]
        assert {"host", "x-amz-date", "x-amz-security-token"} <= set(names)
        request.context["timestamp"] = headers["x-amz-date"]
        signer = _AsGiven(Credentials(*KEYS.values()), "bedrock", "eu-west-1")
        text = signer.string_to_sign(request, signer.canonical_request(request))
        assert headers["authorization"].endswith(signer.signature(text, request))
        sent = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%S%z")
        assert abs(datetime.datetime.now(datetime.UTC) - sent) < datetime.timedelta(minutes=5)


class _AsGiven(SigV4Auth):  # type: ignore[misc]
    """AWS's signer over the headers that were signed, as its servers check them."""

    def headers_to_sign(self, request: AWSRequest) -> Any:
        return request.headers


async def test_a_stream_with_everything_and_its_connection_is_kept() -> None:
    sent = chunked(
        START
        + event("contentBlockDelta", {"delta": {"reasoningContent": {"text": "Hm."}}, "contentBlockIndex": 0})[:40],
        event("contentBlockDelta", {"delta": {"reasoningContent": {"text": "Hm."}}, "contentBlockIndex": 0})[40:]
        + event("contentBlockDelta", {"delta": {"reasoningContent": {"signature": "sig"}}, "contentBlockIndex": 0})
        + event(
            "contentBlockDelta", {"delta": {"reasoningContent": {"redactedContent": "QUJD"}}, "contentBlockIndex": 1}
        ),
        event("contentBlockDelta", {"delta": {"text": ""}, "contentBlockIndex": 2})
        + event("contentBlockDelta", {"delta": {"text": "Hello"}, "contentBlockIndex": 2})
        + event("contentBlockStop", {"contentBlockIndex": 2}),
        event("contentBlockStart", {"start": {"toolUse": {"toolUseId": "t1", "name": "look"}}, "contentBlockIndex": 3})
        + event("contentBlockDelta", {"delta": {"toolUse": {"input": '{"at"'}}, "contentBlockIndex": 3})
        + event("contentBlockDelta", {"delta": {"toolUse": {"input": ": 1}"}}, "contentBlockIndex": 3})
        + event("contentBlockStop", {"contentBlockIndex": 3})
        + event(
            "contentBlockStart", {"start": {"toolUse": {"toolUseId": "t2", "name": "list"}}, "contentBlockIndex": 4}
        )
        + event("somethingNew", {"x": 1}),
        event("messageStop", {"stopReason": "tool_use"}) + METADATA,
        headers=(STREAM,),
    )
    async with peer(answering(sent, sent)) as server:
        provider = build(server.url)
        for _ in range(2):
            events = [found async for found in provider.answer(call_for(stream=True))]
            assert events == [
                Delta(reasoning="Hm."),
                Delta(signature="sig"),
                Delta(redacted="QUJD"),
                Delta(text="Hello"),
                Delta(tool_calls=(ToolCallDelta(index=0, id="t1", name="look"),)),
                Delta(tool_calls=(ToolCallDelta(index=0, arguments='{"at"'),)),
                Delta(tool_calls=(ToolCallDelta(index=0, arguments=": 1}"),)),
                Delta(tool_calls=(ToolCallDelta(index=1, id="t2", name="list"),)),
                Finished(reason="tool_calls", usage=USED),
            ]
        assert server.connections == 1
        assert b"/converse-stream HTTP/1.1" in server.requests[0]
        await provider.aclose()


async def test_an_answer_by_a_forced_tool_is_text() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    tool = {"toolUseId": "t1", "name": "json_answer"}
    streamed = chunked(
        START
        + event("contentBlockStart", {"start": {"toolUse": tool}, "contentBlockIndex": 0})
        + event("contentBlockDelta", {"delta": {"toolUse": {"input": '{"a":1}'}}, "contentBlockIndex": 0})
        + event("messageStop", {"stopReason": "tool_use"})
        + METADATA,
        headers=(STREAM,),
    )
    block = {"toolUse": {**tool, "input": {"a": 1}}}
    answer = {**ANSWER, "output": {"message": {"role": "assistant", "content": [block]}}}
    for stream, sent in ((True, streamed), (False, response(msgspec.json.encode(answer)))):
        async with peer(answering(sent)) as server:
            provider = build(server.url, structured_outputs="tool")
            events = await ask(provider, call_for(stream=stream, response_format=form))
            assert events == [Delta(text='{"a":1}'), Finished(reason="stop", usage=USED)]


@pytest.mark.parametrize(
    ("reason", "fields", "expected"),
    [
        ("end_turn", None, Finished(reason="stop")),
        ("stop_sequence", {"stop_sequence": "END"}, Finished(reason="stop", stop_sequence="END")),
        ("max_tokens", None, Finished(reason="length")),
        ("model_context_window_exceeded", None, Finished(reason="length")),
        ("guardrail_intervened", None, Finished(reason="content_filter")),
        ("content_filtered", [], Finished(reason="content_filter")),
    ],
)
def test_stop_reasons(reason: str, fields: Any, expected: Finished) -> None:
    raw = {"output": {"message": {"content": []}}, "stopReason": reason, "additionalModelResponseFields": fields}
    assert whole(msgspec.json.encode(raw), "", where="x") == [expected]
    stream = Stream("", where="x")
    stream.feed(event("messageStop", {"stopReason": reason, "additionalModelResponseFields": fields}))
    assert stream.finish() == expected


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use", "anything"])
def test_a_malformed_answer_is_a_failure(reason: str) -> None:
    with pytest.raises(ProviderDown, match=reason):
        whole(msgspec.json.encode({**ANSWER, "stopReason": reason}), "", where="x")


@pytest.mark.promise("up-2")
@pytest.mark.parametrize(
    ("sent", "kind", "words"),
    [
        ([START, HELLO], StreamCut, "end mark"),
        ([START, HELLO, STOP[:-1]], StreamCut, "end mark"),
        ([START, HELLO, exception("throttlingException", "slow down")], ProviderOverloaded, "slow down"),
        ([START, exception("internalServerException", "oops")], ProviderDown, "oops"),
        ([START, exception("serviceUnavailableException", "away")], ProviderDown, "away"),
        ([START, exception("modelStreamErrorException", "model broke")], ProviderDown, "model broke"),
        ([START, exception("modelTimeoutException", "too slow")], ProviderTimeout, "too slow"),
        ([exception("validationException", "bad")], ProviderRefused, "bad"),
        ([exception("validationException", "Input is too long for requested model.")], ContextOverflow, "too long"),
        ([exception("brandNewException", "new")], ProviderDown, "new"),
        (
            [encode({":message-type": "error", ":error-code": "InternalError", ":error-message": "x"}, b"")],
            ProviderDown,
            "InternalError",
        ),
        ([START, HELLO[:30] + b"\0" + HELLO[31:]], ProviderDown, "checksum"),
        (
            [START, event("contentBlockDelta", {"delta": {"text": 7}, "contentBlockIndex": 0})],
            ProviderDown,
            "not an answer",
        ),
        (
            [event("contentBlockDelta", {"delta": {"toolUse": {"input": "{"}}, "contentBlockIndex": 5})],
            ProviderDown,
            "did not begin",
        ),
        ([encode({":event-type": "messageStop"}, b"\xff")], ProviderDown, "not an answer"),
    ],
)
async def test_streams_that_break_off(sent: list[bytes], kind: type[ProviderError], words: str) -> None:
    async with peer(answering(chunked(*sent, headers=(STREAM,)))) as server:
        with pytest.raises(kind, match=words):
            await ask(build(server.url), call_for(stream=True))
        await server.all_closed()


def test_a_stream_cut_at_any_byte_is_never_whole() -> None:
    data = START + HELLO + STOP + METADATA
    for cut in range(len(data)):
        stream = Stream("", where="x")
        stream.feed(data[:cut])
        if cut == len(data) - len(METADATA):
            assert stream.finish() == Finished(reason="stop")  # complete, only its usage is not known
        else:
            with pytest.raises(StreamCut):
                stream.finish()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["output", "message", "content", "text", "toolUse", "input", "name", "delta", "start", "usage",
             "inputTokens", "stopReason", "reasoningContent", "contentBlockIndex", "toolUseId"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
KINDS = st.sampled_from(["messageStart", "contentBlockStart", "contentBlockDelta", "messageStop", "metadata", "x"])


@pytest.mark.promise("up-3")
@settings(max_examples=150, deadline=None)
@given(JSON)
def test_wrong_types_are_typed_errors(answer: Any) -> None:
    sound = {"output": {"message": {"content": [{"text": "x"}]}}, "stopReason": "end_turn"}
    for said in (answer, sound):
        read = partial(whole, msgspec.json.encode(said), "", where="x")
        found = unless_refused(read, ProviderDown, is_sound=said is sound)
        assert found is None or [isinstance(each, Delta) for each in found] == [True] * (len(found) - 1) + [False]
        assert said is not sound or found == [Delta(text="x"), Finished(reason="stop")]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(KINDS, JSON), max_size=4))
def test_wrong_types_in_streams_are_typed_errors(events: list[tuple[str, Any]]) -> None:
    wild = [encode({":event-type": kind}, msgspec.json.encode(payload)) for kind, payload in events]
    sound = [START, HELLO, STOP]
    for sent in (wild, sound):
        stream = Stream("", where="x")
        fed = unless_refused(partial(stream.feed, b"".join(sent)), ProviderDown, is_sound=sent is sound)
        assert all(isinstance(delta, Delta) for delta in fed or ())
        end = unless_refused(stream.finish, (ProviderDown, StreamCut), is_sound=sent is sound)
        assert end is None or isinstance(end, Finished)
        assert sent is not sound or (fed, end) == ([Delta(text="Hello")], Finished(reason="stop"))


@pytest.mark.parametrize(
    ("status", "name", "body", "kind", "answers"),
    [
        (b"429 Too Many", b"ThrottlingException", {"message": "Too many tokens, please wait"}, ProviderOverloaded, 429),
        (b"400 Bad Request", b"ServiceQuotaExceededException", {"message": "quota"}, ProviderOverloaded, 429),
        (b"400 Bad", b"ValidationException:http://internal.amazon/", {"message": "bad"}, ProviderRefused, 400),
        (b"400 Bad Request", b"ValidationException", {"message": "Input is too long for it."}, ContextOverflow, 400),
        (b"403 Forbidden", b"ExpiredTokenException", {"message": "token tok+en/== expired"}, ProviderRefused, 502),
        (b"403 Forbidden", b"AccessDeniedException", {"Message": "no"}, ProviderRefused, 502),
        (b"404 Not Found", b"ResourceNotFoundException", {"message": "no model"}, ProviderRefused, 404),
        (b"408 Request Timeout", b"ModelTimeoutException", {"message": "slow"}, ProviderTimeout, 504),
        (b"424 Failed Dependency", b"ModelErrorException", {"message": "model"}, ProviderDown, 502),
        (b"429 Too Many Requests", b"ModelNotReadyException", {"message": "wait"}, ProviderOverloaded, 429),
        (b"500 Internal Server Error", b"aws#InternalServerException", {}, ProviderDown, 502),
        (b"503 Service Unavailable", b"", {"message": "away"}, ProviderDown, 502),
        (b"302 Found", b"", {}, ProviderDown, 502),
    ],
)  # fmt: skip
async def test_statuses(status: bytes, name: bytes, body: Any, kind: type[ProviderError], answers: int) -> None:
    sent = response(
        msgspec.json.encode(body), b"x-amzn-errortype: " + name, b"location: http://10.0.0.1/", status=status
    )
    async with peer(answering(sent)) as server:
        with pytest.raises(kind) as caught:
            await ask(build(server.url), call_for())
        assert type(caught.value) is kind
        assert caught.value.status == answers
        assert "tok+en" not in str(caught.value)


async def test_nonsense_and_silence_are_typed_errors() -> None:
    quick = {"timeouts": {"connect": 5, "first_token": 0.5, "idle": 0.1}}
    async with peer(answering(response(b"<html>"))) as server:
        with pytest.raises(ProviderDown, match="not an answer"):
            await ask(build(server.url), call_for())
    async with peer(answering(response(b'{"output": {}}'))) as server:
        with pytest.raises(ProviderDown, match="without a message"):
            await ask(build(server.url), call_for())
    async with peer(answering(response(b"{}", b"content-type: application/json"))) as server:
        with pytest.raises(ProviderDown, match="where a stream was asked for"):
            await ask(build(server.url), call_for(stream=True))
    begun = b"HTTP/1.1 200 OK\r\n" + STREAM + b"\r\ntransfer-encoding: chunked\r\n\r\n"
    async with peer(dribbling(begun, b"")) as server:
        with pytest.raises(ProviderTimeout):
            await ask(build(server.url, **quick), call_for(stream=True))
        await server.all_closed()
    async with peer(dribbling(b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n", b" ")) as server:
        with pytest.raises(ProviderTimeout, match="did not end its answer"):
            await ask(build(server.url, **quick), call_for())


async def test_an_abandoned_stream_closes_its_connection() -> None:
    async with peer(dribbling(chunked(START + HELLO, end=False, headers=(STREAM,)), b"")) as server:
        provider = build(server.url)
        events = provider.answer(call_for(stream=True))
        assert await anext(events) == Delta(text="Hello")
        await events.aclose()
        await server.all_closed()
        await provider.aclose()


TITAN, COHERE = "amazon.titan-embed-text-v2:0", "cohere.embed-english-v3"


async def test_embeddings() -> None:
    titan = response(msgspec.json.encode({"embedding": [0.5, -1.0], "inputTextTokenCount": 4}))
    async with peer(answering(titan)) as server:
        call = call_for(TITAN, "embeddings", input="Hi", dimensions=2)
        delta, finished = await ask(build(server.url), call)
        assert isinstance(delta, Delta)
        found = msgspec.json.decode(delta.raw or b"")
        assert found["data"] == [{"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}]
        assert found["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
        assert finished == Finished(reason="stop", usage=Usage(input=4))
        assert b"POST /model/amazon.titan-embed-text-v2%3A0/invoke " in server.requests[0]
        assert server.requests[0].endswith(b'{"inputText":"Hi","dimensions":2}')
    for vectors in ([[0.5], [1.0]], {"float": [[0.5], [1.0]]}):
        cohere = response(msgspec.json.encode({"embeddings": vectors}), b"X-Amzn-Bedrock-Input-Token-Count: 6")
        async with peer(answering(cohere)) as server:
            call = call_for(COHERE, "embeddings", input=["a", "b"], encoding_format="base64")
            delta, finished = await ask(build(server.url), call)
            assert isinstance(delta, Delta)
            data = msgspec.json.decode(delta.raw or b"")["data"]
            assert [each["embedding"] for each in data] == ["AAAAPw==", "AACAPw=="]
            assert finished == Finished(reason="stop", usage=Usage(input=6))


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (TITAN, {"input": ["a", "b"]}),
        (TITAN, {"input": [1, 2]}),
        (TITAN, {"input": "a", "bedrock": 7}),
        (TITAN, {"input": "a", "truncate": "END"}),
        (COHERE, {}),
        ("amazon.nova-lite-v1:0", {"input": "a"}),
    ],
)
async def test_embeddings_that_cannot_be_had(model: str, params: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        await ask(build("http://127.0.0.1:9"), call_for(model, "embeddings", **params))


async def test_embeddings_that_are_none() -> None:
    for body in (b"[]", b'{"embedding": "x"}', b'{"embedding": [1e999]}'):
        async with peer(answering(response(body))) as server:
            with pytest.raises(ProviderDown):
                await ask(build(server.url), call_for(TITAN, "embeddings", input="a"))
    async with peer(answering(response(b'{"embeddings": [[1.0]]}'))) as server:
        with pytest.raises(ProviderDown, match="1 embeddings for 2 texts"):
            await ask(build(server.url), call_for(COHERE, "embeddings", input=["a", "b"]))


async def test_other_operations_are_unsupported() -> None:
    with pytest.raises(Unsupported, match="speech"):
        await ask(build("http://127.0.0.1:9"), call_for(operation="speech"))


async def test_an_api_key_is_a_bearer_token() -> None:
    async with peer(answering(response(msgspec.json.encode(ANSWER)))) as server:
        await ask(build(server.url, api_key="bedrock-key-1"), call_for())
        assert b"authorization: Bearer bedrock-key-1" in server.requests[0]
        assert b"x-amz-date" not in server.requests[0]


def test_blocks_that_cannot_be_used() -> None:
    assert KIND.config(region="eu-west-1").base_url == "https://bedrock-runtime.eu-west-1.amazonaws.com"
    assert KIND.config(region="cn-north-1").base_url.endswith(".amazonaws.com.cn")
    with pytest.raises(ConfigError, match="or `api_key`"):
        build("http://127.0.0.1:9", api_key="")
    with pytest.raises(ConfigError, match="or `api_key`"):
        build("http://127.0.0.1:9", api_key="k", **KEYS)
    with pytest.raises(ConfigError, match="metadata"):
        build("http://169.254.169.254")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"region": "eu west/1"}, KIND.config)
