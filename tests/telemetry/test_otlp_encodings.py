"""Protobuf and JSON of one request give the same spans; nothing that comes makes the intake fall over."""

import base64
import subprocess
import sys
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from moat.domain.errors import Overloaded, RequestError
from moat.telemetry import conventions
from moat.telemetry.otlp import Received, decode, protobuf, refusal, wire, writing


def request(attributes: list[tuple[str, Any]], *, events: Any = (), **changes: Any) -> ExportTraceServiceRequest:
    """One span."""
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="shop")))
    scope = group.scope_spans.add()
    scope.scope.name = "lib"
    fields: dict[str, Any] = {
        "trace_id": b"\1" * 16,
        "span_id": b"\2" * 8,
        "name": "n",
        "kind": 3,
        "start_time_unix_nano": 10**18,
        "end_time_unix_nano": 10**18 + 5,
    }
    span = scope.spans.add(**{**fields, **changes})
    span.attributes.extend(KeyValue(key=key, value=any_value(value)) for key, value in attributes)
    for name, told in events:
        event = span.events.add(name=name, time_unix_nano=10**18 + 1)
        event.attributes.extend(KeyValue(key=key, value=any_value(value)) for key, value in told)
    return made


def any_value(value: Any) -> AnyValue:
    made = AnyValue()
    match value:
        case bool():
            made.bool_value = value
        case int():
            made.int_value = value
        case float():
            made.double_value = value
        case str():
            made.string_value = value
        case bytes():
            made.bytes_value = value
        case list():
            made.array_value.SetInParent()
            made.array_value.values.extend(any_value(item) for item in value)
        case dict():
            made.kvlist_value.SetInParent()
            made.kvlist_value.values.extend(KeyValue(key=key, value=any_value(item)) for key, item in value.items())
    return made


def as_json(made: ExportTraceServiceRequest) -> bytes:
    """OTLP's JSON: as protobuf's, but for ids in hex."""
    body = json_format.MessageToDict(made)
    for group in body.get("resourceSpans", []):
        for scope in group.get("scopeSpans", []):
            for span in scope.get("spans", []):
                for one in (span, *span.get("links", [])):
                    for name in {"traceId", "spanId", "parentSpanId"} & one.keys():
                        one[name] = base64.b64decode(one[name]).hex()
    return msgspec.json.encode(body)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
value = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | text
    | st.binary(max_size=8)
    | st.sampled_from(['[{"role":"user","content":"a"}]', '{"messages":[]}', "[", '"x"', "null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    [
        *conventions.FIELDS,
        *(
            f"{family}{number}.{rest}"
            for family in conventions.FAMILIES
            for number in (0, 2)
            for rest in ("role", "content")
        ),
        "llm.input_messages.0.message.tool_calls.0.tool_call.function.name",
        "gen_ai.completion.0.tool_calls.0.name",
        "gen_ai.prompt.0",
        "other",
    ]
)
events = st.lists(
    st.tuples(
        st.sampled_from([*conventions.SAID_IN_EVENTS, *conventions.FIRST_TOKENS, conventions.EXCEPTION, "other"]),
        st.lists(
            st.tuples(names | st.sampled_from(["gen_ai.event.content", "exception.type", "content"]), value), max_size=3
        ),
    ),
    max_size=3,
)


@settings(max_examples=300, deadline=None)
@given(attributes=st.lists(st.tuples(names | text, value), max_size=8), happened=events, failed=st.booleans())
def test_both_encodings_give_the_same_spans(attributes: list[tuple[str, Any]], happened: Any, failed: bool) -> None:
    unique = list(dict(attributes).items())
    made = request(unique, events=happened, status={"code": 2 if failed else 0, "message": "m"})
    from_protobuf, from_json = decode(made.SerializeToString(), "protobuf"), decode(as_json(made))
    assert len(from_protobuf.spans) == 1
    lines = msgspec.json.Encoder().encode_lines
    assert lines(from_protobuf.spans) == lines(from_json.spans)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(body: bytes) -> None:
    for encoding in ("json", "protobuf"):
        with suppress(RequestError):
            for span in decode(body, encoding).spans:  # type: ignore[arg-type]
                assert (len(span.trace_id), len(span.span_id), span.started_ns > 0) == (32, 16, True)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_request_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(
        request(
            [("gen_ai.prompt.0.content", "hello"), ("list", [1, {"a": 2.5}])], events=[("e", [("a", 1)])]
        ).SerializeToString()
    )
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(RequestError):
        received = decode(bytes(body), "protobuf")
        assert msgspec.json.Encoder().encode_lines(received.spans).count(b"\n") == len(received.spans)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\x0a", "ends in the middle"),
        (b"\x0a\x05", "longer than what it stands in"),
        (b"\x0b", "wire type 3"),
        (b"\x08" + b"\xff" * 11, "more than 64 bits"),
        (b"\x09\x00", "longer than what it stands in"),
    ],
)
def test_what_is_no_protobuf_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        decode(body, "protobuf")


def test_unknown_fields_are_passed_over() -> None:
    body = request([("a", 1)]).SerializeToString() + b"\xa0\x1f\x07\xaa\x1f\x02ab\xad\x1f1234\xa9\x1f12345678"
    assert len(decode(body, "protobuf").spans) == 1


def nested(depth: int) -> bytes:
    """A span with a list in a list in a list ..."""
    inner = b""
    for _ in range(depth):
        inner = writing.message(5, writing.message(1, inner))
    attribute = writing.text(1, "deep") + writing.message(2, inner)
    ids = writing.message(1, b"\1" * 16) + writing.message(2, b"\2" * 8) + writing.fixed64(7, 5) + writing.fixed64(8, 6)
    return writing.message(1, writing.message(2, writing.message(2, ids + writing.message(9, attribute))))


def test_what_lies_too_deep_is_left_out() -> None:
    (shallow,) = decode(nested(wire.MAX_DEPTH), "protobuf").spans
    assert conventions.TRUNCATED not in shallow.attributes
    (deep,) = decode(nested(10_000), "protobuf").spans
    assert deep.attributes[conventions.TRUNCATED] is True
    assert wire.MARK in str(deep.attributes["deep"])


BOMBS = {
    "spans": writing.message(1, writing.message(2, b"\x12\x00" * 3_000_000)),
    "scopes": writing.message(1, b"\x12\x00" * 3_000_000),
    "attributes": writing.message(1, writing.message(2, writing.message(2, b"\x4a\x00" * 3_000_000))),
    "numbers": b"\x08\x01" * 3_000_000,
    "values": writing.message(
        1,
        writing.message(
            2, writing.message(2, writing.message(9, writing.message(2, writing.message(5, b"\x0a\x00" * 3_000_000))))
        ),
    ),
}
JSON_BOMBS = {
    "groups": b'{"resourceSpans":[' + b"{}," * 2_000_000 + b"{}]}",
    "spans": b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"1," * 2_000_000 + b"1]}]}]}",
    "attributes": b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[' + b"{}," * 2_000_000 + b"{}]}]}]}]}",
}


@pytest.mark.parametrize(
    ("name", "encoding"), [*((name, "protobuf") for name in BOMBS), *((name, "json") for name in JSON_BOMBS)]
)
def test_a_few_bytes_do_not_become_many_objects(name: str, encoding: Any) -> None:
    with pytest.raises(RequestError, match="too many values") as refused:
        decode((BOMBS if encoding == "protobuf" else JSON_BOMBS)[name], encoding)
    assert refused.value.status == 413


MEASURED = """
import resource
from contextlib import suppress
from moat.domain.errors import RequestError
from moat.telemetry.otlp import decode
from tests.telemetry.test_otlp_encodings import BOMBS, JSON_BOMBS
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for bombs, encoding in ((BOMBS, "protobuf"), (JSON_BOMBS, "json")):
    for body in bombs.values():
        with suppress(RequestError):
            decode(body, encoding)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.promise("inj-6")
def test_bombs_take_little_memory() -> None:
    told = subprocess.run([sys.executable, "-c", MEASURED], check=True, capture_output=True, timeout=120)
    assert int(told.stdout) < 100, "MiB"


def test_long_texts_full_of_commas_are_no_bomb() -> None:
    content = '[{"role":"user","content":"' + "a,{[" * 500_000 + '"}]'
    assert len(decode(as_json(request([("gen_ai.input.messages", content)]))).spans) == 1


def test_what_all_spans_share_is_kept_short() -> None:
    made = request([])
    made.resource_spans[0].resource.attributes[0].value.string_value = "s" * 10_000
    (span,) = decode(made.SerializeToString(), "protobuf").spans
    assert len(span.service) < 300


def test_answers_are_what_clients_decode() -> None:
    received = Received([], 3, "$.x: too old")
    told = ExportTraceServiceResponse.FromString(received.response("protobuf")).partial_success
    assert (told.rejected_spans, told.error_message) == (3, "$.x: too old")
    assert protobuf.read_partial(received.response("protobuf")) == (3, "$.x: too old")
    assert ExportTraceServiceResponse.FromString(Received([]).response("protobuf")) == ExportTraceServiceResponse()
    said = Status.FromString(refusal(Overloaded("too many"), "protobuf"))
    assert (said.code, said.message) == (14, "too many")
    assert msgspec.json.decode(refusal(RequestError("no"), "json")) == {"code": 3, "message": "no"}
