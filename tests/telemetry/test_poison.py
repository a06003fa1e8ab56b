"""Spans that no sound application sends, from the wire to every question and export: each is kept or named, none stops
the others, and one that comes again or late counts once.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.adapters.duckdb import DuckTraces
from moat.bootstrap.exporting import export
from moat.cli.trace_columns import COLUMNS, to_csv
from moat.cli.trace_view import print_trace
from moat.domain.spans import Span
from moat.ports.traces import Retention, TraceFilter
from moat.telemetry.otlp import decode
from moat.telemetry.segments import sealed
from moat.telemetry.shipper import Shipper
from moat.telemetry.spool import SegmentSpool
from tests.telemetry.test_otlp_encodings import request

HOUR = 3600 * 10**9
LAST = 2**63 - 1
"""In the year 2262: the last moment that a span can have."""
MODEL = ("gen_ai.operation.name", "chat")

POISON: dict[str, tuple[list[tuple[str, Any]], dict[str, Any]]] = {
    "not a number": ([("gen_ai.usage.cost", math.nan), ("x", math.inf), ("gen_ai.usage.input_tokens", math.nan)], {}),
    "1970": ([], {"start_time_unix_nano": 1, "end_time_unix_nano": 2}),
    "from 1970 to 2262": ([], {"start_time_unix_nano": 1, "end_time_unix_nano": LAST}),
    "ended before it began": ([], {"end_time_unix_nano": 5}),
    "never ended": ([], {"end_time_unix_nano": 0}),
    "its own parent": ([], {"parent_span_id": b"\2" * 8}),
    "zeros and controls": ([("user.id", "a\0b\x1b[2J\u202e"), ("input.value", "\0" * 50)], {"name": "\0\n"}),
    "negative counts": ([("gen_ai.usage.input_tokens", -5), ("gen_ai.usage.cost", -1.0)], {}),
    "huge counts": ([("gen_ai.usage.input_tokens", LAST), ("gen_ai.usage.cost", 1e300)], {}),
    "bytes": ([("b", b"\xff\xfe"), ("input.value", b"\xff\0")], {}),
    "half a character": ([("user.id", "MARK"), ("input.value", "MARK")], {"name": "MARK"}),
    "JSON that is none": ([("gen_ai.input.messages", '[{"role": "user", '), ("gen_ai.output.messages", "{}")], {}),
    "keys that mean something": ([("__proto__", "x"), ("a/b~c.d", 1), ("'; DROP TABLE spans; --", "x"), ("", 1)], {}),
}
REJECTED: dict[str, dict[str, Any]] = {
    "before all time": {"start_time_unix_nano": 0},
    "after all time": {"start_time_unix_nano": 2**63},
    "in the year 2262": {"start_time_unix_nano": LAST, "end_time_unix_nano": LAST},
    "without an end": {"end_time_unix_nano": 2**64 - 1},
    "without an id": {"trace_id": b"\0" * 16},
    "with half an id": {"span_id": b"\1" * 4},
}


def taken(number: int, name: str) -> list[Span]:
    """What intake makes of it, by both encodings' common reader."""
    attributes, changes = POISON[name]
    ids = {"trace_id": number.to_bytes(16, "big"), "span_id": b"\2" * 8}
    made = request([MODEL, *attributes], **{**ids, **changes}).SerializeToString()
    received = decode(made.replace(b"MARK", b"\xed\xa0\x80\xff"), "protobuf")
    assert received.rejected == 0, received.problem
    return [msgspec.structs.replace(span, tenant="acme") for span in received.spans]


@contextmanager
def kept(folder: Path, *batches: list[Span]) -> Iterator[DuckTraces]:
    """A store that took these, one shipment each."""
    spool = SegmentSpool(folder / "spool")
    spool.open()
    with closing(DuckTraces.open(folder / "traces.duckdb")) as store:
        shipper = Shipper(folder / "spool", store, spool=spool)
        for batch in batches:
            spool.append(batch)
            shipper.drain()
        spool.close()
        assert sealed(folder / "spool") == []
        yield store


def test_poison_spans_are_kept_and_every_question_is_answered(tmp_path: Path) -> None:
    made = [taken(number, name) for number, name in enumerate(POISON, start=1)]
    # As calls too: most questions are about those.
    calls = [
        msgspec.structs.replace(span, kind="call", span_id=f"{number:016x}", user="u", session="s")
        for number, (span,) in enumerate(made, start=1)
    ]
    with kept(tmp_path, *made, calls) as store:
        assert (store.kept().spans, store.kept().rejects) == (2 * len(POISON), 0)
        everything = TraceFilter(q="kind = any")
        found = store.search(everything, 1000)
        assert {span.trace_id for span in found} == {span.trace_id for (span,) in made}
        for (span,) in made:
            assert span in store.trace(span.trace_id)
            assert span.duration_ns >= 0
            print_trace(store.trace(span.trace_id), [])
        questions: list[Callable[[], Any]] = [
            lambda: store.usages(["model", "tenant"], TraceFilter()),
            lambda: store.series([], TraceFilter(), HOUR),
            lambda: store.spending(["tenant"], TraceFilter(), HOUR),
            lambda: store.sessions(TraceFilter()),
            lambda: store.users(TraceFilter(q="latency > 1s or tokens > 5 or cost > $0.01 or attributes.x > 0")),
        ]
        assert all(question() for question in questions)
        for number, form in enumerate(("jsonl", "otlp", "parquet")):
            assert export(store, everything, form, tmp_path / str(number)).spans == 2 * len(POISON)  # type: ignore[arg-type]
        for column in COLUMNS.values():
            assert all(isinstance(column.show(span), str) for span in found)
        assert len(to_csv(found, COLUMNS).splitlines()) > len(found)
        store.expire(Retention(spans_ns=HOUR))
        assert store.kept().first_ns > HOUR


def test_what_can_be_no_span_is_named_and_the_others_pass() -> None:
    whole = request([MODEL])
    for changes in REJECTED.values():
        whole.MergeFrom(request([MODEL], **changes))
    received = decode(whole.SerializeToString(), "protobuf")
    assert (len(received.spans), received.rejected) == (1, len(REJECTED))
    assert "startTimeUnixNano" in received.problem


@pytest.mark.promise("keep-1")
def test_spans_that_come_again_or_late_count_once(tmp_path: Path) -> None:
    """An exporter that was not answered sends again; a phone sends when it has a network."""
    now = 1_790_000_000_000_000_000

    def at(number: int, ago: int) -> Span:
        started = now - ago * 24 * HOUR
        (span,) = decode(
            request([MODEL], trace_id=number.to_bytes(16, "big"), start_time_unix_nano=started).SerializeToString(),
            "protobuf",
        ).spans
        return span

    new, late = [at(n, 0) for n in range(1, 50)], [at(n, 300) for n in range(50, 60)]
    with kept(tmp_path, new, new + late, late[:3] + new[-3:] * 2, new) as store:
        found = store.search(TraceFilter(q="kind = app"), 1000)
        assert sorted(span.trace_id for span in found) == [span.trace_id for span in new + late]
        assert [span.started_ns for span in found] == sorted((s.started_ns for s in new + late), reverse=True)
        assert len(store.search(TraceFilter(q="kind = app", until_ns=now - 24 * HOUR))) == len(late)
