"""Whatever the intake takes can be sent on and exported; what is no content goes where content does not."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from moat.adapters.duckdb import ParquetFiles
from moat.bootstrap.exporting import JsonLines, OtlpRequests
from moat.domain.spans import Span
from moat.telemetry import conventions
from moat.telemetry.content import is_content, without_content
from moat.telemetry.otlp import Policy, decode, sending
from tests.telemetry.test_otlp_encodings import events, names, request, text, value

SAYING = ("input.value", "output.value", "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.definitions")
odd = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "user", "tool", "text", "tool_call"])
keys = st.sampled_from(
    [
        *("messages", "role", "content", "parts", "type", "text", "tool_calls", "function", "name", "arguments", "id"),
        *("response", "message", "prompt", "image", "document", "finish_reason", "truncated", "contents", "tool"),
    ]
)
shaped = st.recursive(
    odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
).map(json.dumps)
"""JSON that looks like messages, and is not."""
families = st.sampled_from(
    [f"{family}0.{rest}" for family in conventions.FAMILIES for rest in ("message", "tool", "x")]
)
own = st.sampled_from(sorted(conventions.OWN | {conventions.SCOPE_NAME, conventions.TRUNCATED, "moat.kind"}))
happening = st.fixed_dictionaries({}, optional={"name": value, "time_ns": value, "attributes": value})
pair = (
    st.tuples(names | text, value)
    | st.tuples(st.sampled_from(SAYING) | families, shaped)
    | st.tuples(own, value | st.lists(happening, max_size=2))
)


def taken(attributes: list[tuple[str, Any]], policy: Policy | None = None, **changes: Any) -> list[Span]:
    made = request(list(dict(attributes).items()), **changes).SerializeToString()
    return decode(made, "protobuf", policy or Policy()).spans


@settings(max_examples=100, deadline=None)
@given(
    st.lists(pair, max_size=8),
    events,
    st.fixed_dictionaries(
        {},
        optional={
            "parent_span_id": st.binary(max_size=9),
            "start_time_unix_nano": st.integers(0, 2**64 - 1),
            "end_time_unix_nano": st.integers(0, 2**64 - 1),
            "links": st.lists(
                st.fixed_dictionaries({"trace_id": st.binary(max_size=17), "span_id": st.binary(max_size=9)}),
                max_size=2,
            ),
            "kind": st.integers(0, 5),
        },
    ),
)
def test_what_is_taken_can_be_sent(attributes: list[tuple[str, Any]], happened: Any, changes: dict[str, Any]) -> None:
    for policy in (Policy(), Policy(content=False)):
        spans = taken(attributes, policy, events=happened, **changes)
        lines = msgspec.json.Encoder().encode_lines(spans).splitlines()
        kept = [msgspec.json.decode(line, type=Span) for line in lines]
        for content in (True, False):
            read = ExportTraceServiceRequest.FromString(sending.request(kept, content=content))
            for group in read.resource_spans:
                for span in group.scope_spans[0].spans:
                    ids = [(link.trace_id, link.span_id) for link in span.links]
                    assert {len(span.parent_span_id)} <= {0, 8}
                    assert all((len(trace), len(one)) == (16, 8) for trace, one in ids), "collectors refuse others"


def test_what_is_taken_can_be_exported(tmp_path: Path) -> None:
    drawn: list[Span] = []

    @settings(max_examples=60, deadline=None, database=None)
    @given(st.lists(pair, max_size=8), events)
    def draw(attributes: list[tuple[str, Any]], happened: Any) -> None:
        drawn.extend(taken(attributes, events=happened))

    draw()
    (tmp_path / "parquet").mkdir()
    for writer in (
        JsonLines(tmp_path / "x.jsonl"),
        OtlpRequests(tmp_path / "otlp"),
        ParquetFiles(tmp_path / "parquet"),
    ):
        writer.write(drawn)  # type: ignore[attr-defined]
        writer.close()  # type: ignore[attr-defined]
    (body,) = (tmp_path / "otlp").iterdir()
    assert len(decode(body.read_bytes(), "protobuf").spans) == len(drawn) >= 60


MESSAGES = {
    "tool calls that are a number": {"messages": [{"role": "user", "tool_calls": 5}, 7]},
    "a function that is null": {"messages": [{"role": "user", "tool_calls": [{"function": None}]}, 7]},
    "a text and a number": {"text": "x", "tool_calls": 5},
    "a text and names": {"text": "x", "tool_calls": ["search"]},
    "a text and lists": {"text": "x", "tool_calls": [["search"], None]},
}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_looks_like_messages_is_sent(name: str) -> None:
    for attribute in ("input.value", "output.value"):
        (span,) = taken([(attribute, json.dumps(MESSAGES[name]))])
        assert decode(sending.request([span], content=True), "protobuf").rejected == 0


def test_what_only_moat_may_say_is_not_taken_from_a_client() -> None:
    poison = [("moat.events", [{"name": "e", "time_ns": -5}]), ("moat.links", [{"trace_id": "zz"}])]
    poison += [("moat.guards", [None, {"guard": {"a": 1}}]), ("moat.data", "pii"), ("moat.notices", ["x"])]
    (span,) = taken([*poison, ("moat.span_kind", "server"), ("kept", 1)], kind=3)
    assert span.attributes == {"kept": 1, "otel.scope.name": "lib", "moat.span_kind": "client"}


@pytest.mark.parametrize("time_ns", [-5, 2**64, True, 1.5, "now", None])
def test_events_of_older_stores_are_sent_whatever_they_hold(time_ns: Any) -> None:
    (span,) = taken([])
    told = {"moat.events": [{"name": 5, "time_ns": time_ns, "attributes": "x"}, 7], "moat.links": [{"trace_id": 5}, 7]}
    older = msgspec.structs.replace(span, attributes=told, parent_id="secret", error="e", error_message="m")
    assert len(decode(sending.request([older], content=True), "protobuf").spans) == 1


CANARIES = [
    *((name, "canary") for names in conventions.CONTENT.values() for name in names),
    *((f"{family}0.content", "canary") for family in conventions.FAMILIES),
    *((f"{beginning}x", "canary") for beginning in conventions.SAYING),
    *((name, "canary") for name in sorted(conventions.QUOTING)),
]
EVENTS: Any = [
    ("gen_ai.evaluation", CANARIES),
    ("exception", [("exception.type", "E"), ("exception.message", "canary"), ("exception.stacktrace", "canary")]),
    ("retry", [("n", 1), *CANARIES]),
]
FAILED = {"code": 2, "message": "canary"}


@pytest.mark.promise("guard-2")
def test_content_is_one_thing_at_intake_and_sending() -> None:
    (off,) = taken([*CANARIES, ("user.id", "u")], Policy(content=False), events=EVENTS, status=FAILED)
    (whole,) = taken([*CANARIES, ("user.id", "u")], events=EVENTS, status=FAILED)
    assert "canary" in str(whole.attributes[conventions.EVENTS])
    sent = sending.request([whole], content=False)
    (arrived,) = decode(sent, "protobuf").spans
    for span in (off, arrived):
        assert "canary" not in str(span)
        assert (span.user, span.error, len(span.attributes[conventions.EVENTS])) == ("u", "E", 3)
    assert b"canary" not in sent
    assert "canary" not in str(without_content(whole.attributes))


def test_events_that_were_cut_to_text_are_content() -> None:
    (span,) = taken([], events=[("e", [("input.value", "canary" * 5_000)])])
    assert isinstance(span.attributes[conventions.EVENTS], str)
    assert conventions.EVENTS not in without_content(span.attributes)
    assert b"canary" not in sending.request([span], content=False)


def test_what_finds_spans_is_no_content() -> None:
    found = [name for table in (conventions.TEXTS, conventions.COUNTS) for names in table.values() for name in names]
    assert [name for name in found if is_content(name)] == []
