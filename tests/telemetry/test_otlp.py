"""OTLP/JSON as SDKs send it, as nobody should send it, and what is kept of it."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.domain.errors import RequestError
from moat.domain.spans import Span
from moat.telemetry import conventions, otlp
from moat.telemetry.otlp import reading, wire

TRACE, SPAN = "5B8EFFF798038103D269B633813FC60C", "EEE19B7EC3C1B174"


def body(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> bytes:
    group = {"resource": {"attributes": attributes(resource or {})}, "scopeSpans": [{"spans": list(spans)}]}
    return msgspec.json.encode({"resourceSpans": [group]})


def raw(**changes: Any) -> dict[str, Any]:
    base = {"traceId": TRACE, "spanId": SPAN, "startTimeUnixNano": "1544712660000000000"}
    return base | {"endTimeUnixNano": "1544712661000000000", "name": "chat", "kind": 1} | changes


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def text(value: str) -> dict[str, Any]:
    return {"stringValue": value}


def one(body: bytes) -> Span:
    received = otlp.decode(body)
    assert received.response() == b"{}"
    (span,) = received.spans
    return span


def test_a_span_of_an_sdk_becomes_a_span() -> None:
    sent = {
        "user.id": text("u1"),
        "session.id": text("s1"),
        "moat.feature": text("search"),
        "moat.tenant": text("acme"),
        "moat.arm": text("canary"),
        "moat.experiment": text("e"),
        "moat.shadow_of": text("req_1"),
        "gen_ai.provider.name": text("openai"),
        "gen_ai.request.model": text("gpt-x"),
        "gen_ai.response.model": text("gpt-x-2026"),
        "gen_ai.usage.input_tokens": {"intValue": "120"},
        "gen_ai.usage.output_tokens": {"intValue": 30},
        "gen_ai.response.finish_reasons": {"arrayValue": {"values": [text("stop")]}},
        "gen_ai.input.messages": text('[{"role":"user"}]'),
        "gen_ai.output.messages": text("plain"),
        "error.type": text("timeout"),
        "cache": {"boolValue": True},
        "score": {"doubleValue": 0.5},
        "nan": {"doubleValue": "NaN"},
        "map": {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": "1"}}]}},
        "raw": {"bytesValue": "AAE="},
        "none": {},
    }
    resource = {"service.name": text("shop"), "deployment.environment.name": text("production")}
    span = raw(attributes=attributes(sent), parentSpanId="EEE19B7EC3C1B173", status={"code": 2, "message": "too slow"})
    assert one(body(span, resource=resource)) == Span(
        span_id=SPAN.lower(),
        trace_id=TRACE.lower(),
        parent_id="eee19b7ec3c1b173",
        kind="app",
        name="chat",
        started_ns=1544712660000000000,
        duration_ns=1_000_000_000,
        environment="production",
        service="shop",
        tenant="acme",
        arm="canary",
        experiment="e",
        shadow_of="req_1",
        feature="search",
        user="u1",
        session="s1",
        provider="openai",
        model="gpt-x",
        model_answered="gpt-x-2026",
        input_tokens=120,
        output_tokens=30,
        finish_reason="stop",
        error="timeout",
        error_message="too slow",
        input={"messages": [{"role": "user", "content": ""}]},
        output="plain",
        attributes={
            "cache": True,
            "score": 0.5,
            "nan": "NaN",
            "map": {"a": 1},
            "raw": "AAE=",
            "none": None,
        },
    )


def test_older_names_count_and_newer_ones_win() -> None:
    old = {
        "gen_ai.system": text("anthropic"),
        "gen_ai.usage.prompt_tokens": {"intValue": "7"},
        "gen_ai.usage.completion_tokens": {"intValue": "-3"},
        "enduser.id": text("u"),
        "gen_ai.usage.input_tokens": {"intValue": "9"},
    }
    span = one(body(raw(attributes=attributes(old))))
    assert (span.provider, span.input_tokens, span.output_tokens, span.user) == ("anthropic", 9, 0, "u")
    assert span.attributes == {}


@pytest.mark.parametrize("code", [2, "2", "STATUS_CODE_ERROR"])
def test_a_failed_status_is_an_error(code: object) -> None:
    span = one(body(raw(status={"code": code, "message": "broke"})))
    assert (span.error, span.error_message) == ("error", "broke")


def test_a_good_status_is_none() -> None:
    span = one(body(raw(status={"code": 1, "message": "fine"})))
    assert (span.error, span.error_message) == ("", "")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"traceId": "abc"}, "traceId"),
        ({"traceId": "0" * 32}, "traceId"),
        ({"spanId": "z" * 16}, "spanId"),
        ({"spanId": "0" * 16}, "spanId"),
        ({"startTimeUnixNano": "0"}, "startTimeUnixNano"),
        ({"startTimeUnixNano": str(2**63)}, "startTimeUnixNano"),
        ({"startTimeUnixNano": "9" * 10_000}, "startTimeUnixNano"),
        ({"endTimeUnixNano": "soon"}, "endTimeUnixNano"),
        ({"endTimeUnixNano": -1}, "endTimeUnixNano"),
    ],
)
def test_an_impossible_span_is_rejected_by_itself(changes: dict[str, Any], problem: str) -> None:
    received = otlp.decode(body(raw(), raw(**changes), raw(traceId="")))
    assert len(received.spans) == 1
    assert msgspec.json.decode(received.response())["partialSuccess"]["rejectedSpans"] == "2"
    assert received.problem.startswith(f"$.resourceSpans[0].scopeSpans[0].spans[1]: {problem} is not")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b'{"x":' + b"[" * 100_000, "not valid JSON"),
        (b'{"resourceSpans": 5, "x": "\xff"}', r"expected `array \| null`, got `int` at \$.resourceSpans"),
        (b"[]", r"expected `object`, got `array` at \$"),
        (b'{"resourceSpans":[{},{"scopeSpans":[{"spans":[{"traceId":5}]}]}]}', r"at \$.resourceSpans\[1\].scopeSp.*Id"),
    ],
)
def test_another_shape_is_refused_with_its_path(wrong: bytes, says: str) -> None:
    with pytest.raises(RequestError, match=says) as refusal:
        otlp.decode(wrong)
    assert refusal.value.where == "body"


@pytest.mark.parametrize(
    "wrong",
    [b"[", b"[1", b'{"resourceSpans": 5, "x": "\xff}', b'{"resourceSpans":[{"scopeSpans":[{"spans":[1'],
)
def test_what_is_of_another_shape_and_broken_too_is_refused(wrong: bytes) -> None:
    with pytest.raises(RequestError, match="not valid JSON") as refusal:
        otlp.decode(wrong)
    assert refusal.value.where == "body"


@pytest.mark.parametrize("empty", [b"{}", b'{"resourceSpans":null}', b'{"resourceSpans":[{"scopeSpans":[{}]}],"x":1}'])
def test_nothing_is_fine(empty: bytes) -> None:
    assert otlp.decode(empty) == otlp.Received([])


def test_what_is_too_large_is_cut_and_marked() -> None:
    long = "x" * (reading.MAX_CONTENT + 1)
    sent = {
        "long": text(long),
        "list": {"arrayValue": {"values": [text(long)]}},
        "gen_ai.input.messages": text(f'["{long}"]'),
        "huge": {"intValue": "9" * 20},
        "user.id": text(long),
    }
    span = one(body(raw(attributes=attributes(sent), name=long)))
    assert span.attributes["huge"] == "9" * 20
    assert span.attributes[conventions.TRUNCATED] is True
    for value in (span.attributes["long"], span.attributes["list"]):
        assert len(value) < reading.MAX_VALUE + 20
    for value in (span.user, span.name):
        assert len(value) < reading.MAX_WORD + 20
    assert span.input["truncated"] > reading.MAX_CONTENT == len(span.input["text"])
    many = one(body(raw(attributes=attributes({f"a{n}": text("v") for n in range(reading.MAX_ATTRIBUTES + 1)}))))
    assert len(many.attributes) == reading.MAX_ATTRIBUTES + 1
    assert many.attributes[conventions.TRUNCATED] is True


def test_the_number_of_spans_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_SPANS", 2)
    received = otlp.decode(body(raw(), raw(), raw(), raw()))
    assert (len(received.spans), received.rejected) == (2, 2)
    assert "more than 2 spans" in received.problem


def test_a_clock_that_went_back_gives_no_negative_duration() -> None:
    assert one(body(raw(endTimeUnixNano="1"))).duration_ns == 0


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
any_value = st.fixed_dictionaries(
    {},
    optional={
        "stringValue": st.text(),
        "intValue": st.integers() | st.text(),
        "doubleValue": st.floats() | st.text(),
        "arrayValue": st.just({"values": [{"intValue": "3"}]}),
    },
)


@settings(max_examples=100, deadline=None)
@given(
    pairs=st.lists(
        st.tuples(
            st.sampled_from([*sum(conventions.TEXTS.values(), ()), *sum(conventions.COUNTS.values(), ())]), any_value
        )
    ),
    junk=json,
)
def test_whatever_comes_a_span_can_be_written_or_the_request_is_refused(
    pairs: list[tuple[str, Any]], junk: Any
) -> None:
    sent = [{"key": key, "value": value} for key, value in pairs]
    received = otlp.decode(body(raw(attributes=sent)))
    for span in received.spans:
        written = msgspec.json.decode(msgspec.json.encode(span), type=Span)
        assert written.span_id == span.span_id
    with suppress(RequestError):
        otlp.decode(body(raw(attributes=[{"key": "x", "value": junk}]), raw(status=junk)))
