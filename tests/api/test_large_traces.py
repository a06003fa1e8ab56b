"""A trace of more spans than one answer holds: a batch job's, whose id is the application's choice."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from moat.adapters.remote.traces import RemoteTraces
from moat.domain.spans import Span
from moat.ports.calls import MOST_SPANS
from tests.api.world import Api

TRACE = "b" * 32
SPANS = 2 * MOST_SPANS + 2_000
JOB = Span(span_id="f" * 16, trace_id=TRACE, kind="app", name="job", started_ns=1_000, duration_ns=1, tenant="acme")
STEPS = [
    replace(JOB, span_id=f"{number:016x}", parent_id=JOB.span_id, started_ns=1_000 + number, request_id="req_last")
    for number in range(SPANS - 3)
]
"""Whatever request an application says that they are of."""
LAST = replace(
    JOB, span_id="e" * 16, kind="call", started_ns=900_000, request_id="req_last", tenant="globex",
    input={"messages": [{"role": "user", "content": "The last"}]},
)  # fmt: skip
TRIED = replace(LAST, span_id="d" * 16, parent_id=LAST.span_id, kind="attempt", started_ns=900_001)


@pytest.fixture
def batch(api: Api, tmp_path: Path) -> Api:
    segment = tmp_path / "batch.ndjson"
    segment.write_bytes(msgspec.json.Encoder().encode_lines([TRIED, LAST, *STEPS, JOB]))
    api.traces.ingest([segment])
    return api


def ids(spans: list[Any]) -> list[str]:
    return [span["span_id"] for span in spans]


def test_a_trace_comes_in_parts_each_span_once(batch: Api) -> None:
    first = batch.get(f"/api/v1/traces/{TRACE}")[1]
    assert first["count"] == SPANS
    assert ids(first["spans"]) == [JOB.span_id, *(step.span_id for step in STEPS[: MOST_SPANS - 1])]
    parts = [batch.get(f"/api/v1/traces/{TRACE}", offset=at)[1] for at in range(0, SPANS + MOST_SPANS, MOST_SPANS)]
    assert [(len(part["spans"]), part["count"]) for part in parts] == [
        *((MOST_SPANS, SPANS), (MOST_SPANS, SPANS), (2_000, SPANS), (0, SPANS))
    ]
    assert len({one for part in parts for one in ids(part["spans"])}) == SPANS
    for offset in ("-1", "x", "1" * 10, "٣"):
        status, answer = batch.get(f"/api/v1/traces/{TRACE}", offset=offset)
        assert (status, answer["error"]["param"]) == (400, "offset")


def test_a_request_is_in_the_first_part_wherever_it_stands(batch: Api) -> None:
    found = batch.get("/api/v1/traces/req_last")[1]
    assert (len(found["spans"]), found["count"]) == (MOST_SPANS, SPANS)
    assert ids(found["spans"])[:2] == [JOB.span_id, STEPS[0].span_id]
    assert ids(found["spans"])[-2:] == [LAST.span_id, TRIED.span_id]
    said = batch.get("/api/v1/traces/req_last/messages")[1]
    assert [part["text"] for part in said[-1]["asked"][0]["parts"]] == ["The last"]
    assert said[-1]["span_id"] == LAST.span_id
    assert len(said) == MOST_SPANS - 1, "of the same spans, but for the attempt"


@pytest.mark.promise("gate-7")
def test_a_bound_key_has_its_own_parts(batch: Api) -> None:
    own = batch.get(f"/api/v1/traces/{TRACE}", "acme-viewer")[1]
    assert (len(own["spans"]), own["count"]) == (MOST_SPANS, SPANS - 2)
    rest = batch.get(f"/api/v1/traces/{TRACE}", "acme-viewer", offset=2 * MOST_SPANS)[1]
    assert {span["tenant"] for span in own["spans"] + rest["spans"]} == {"acme"}
    assert batch.get("/api/v1/traces/req_last", "acme-viewer")[0] == 404, "its call is another tenant's"


def test_commands_get_all_of_it(batch: Api) -> None:
    assert RemoteTraces(batch.url, "mk-admin").trace("req_last") == batch.traces.trace("req_last")
    assert len(batch.traces.trace(TRACE)) == SPANS
