"""Tables of calls and what is beside them: each key sees its own, and what is not understood is refused."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.domain.spans import Span
from tests.api.world import Api


def walked(api: Api, who: str = "admin", **query: Any) -> list[str]:
    found, before = [], ""
    while True:
        status, page = api.get("/api/v1/calls", who, **query, **({"before": before} if before else {}))
        assert status == 200, page
        found += [row["request_id"] for row in page["calls"]]
        if not (before := page["next"]):
            return found


def test_pages_lead_from_the_newest_call_to_the_oldest(api: Api) -> None:
    everything = [f"req_{n}" for n in (5, 4, 3, 2, 1)]
    for limit in (1, 2, 5, 1000):
        assert walked(api, limit=limit) == everything
    assert walked(api, limit=2, failed="true") == ["req_3"]
    assert walked(api, q="cost >= $0", limit=2) == everything
    (row,) = api.get("/api/v1/calls", failed="true")[1]["calls"]
    assert (row["tenant"], row["error"], row["cost"], row["started_ns"]) == ("globex", "provider_down", 3, 3)


@pytest.mark.promise("gate-7")
def test_a_bound_key_pages_through_its_own(api: Api) -> None:
    assert walked(api, "acme-viewer", limit=1) == ["req_4", "req_2"]
    foreign = api.get("/api/v1/calls", limit=4)[1]["next"]
    assert [row["tenant"] for row in api.get("/api/v1/calls", "acme-viewer", before=foreign)[1]["calls"]] == []
    assert api.get("/api/v1/calls/count", "acme-viewer")[1]["calls"] == 2
    for path in ("calls", "calls/count", "findings"):
        other = api.get(f"/api/v1/{path}", "acme-viewer", tenant="globex")
        assert other == api.get(f"/api/v1/{path}", "acme-viewer", tenant="unknown")
        assert other[0] == 404
    assert api.get("/api/v1/traces/req_1/messages", "acme-viewer")[0] == 404


@pytest.mark.parametrize(
    "before", ["x", "!!!!", "W10", "bnVsbA", "A" * 5000, "WzEsImEiLCJiIiwwXQ", "é", "Wy0xLCJhIiwiYiIsZmFsc2Vd"]
)
def test_what_is_no_place_is_refused(api: Api, before: str) -> None:
    status, answer = api.get("/api/v1/calls", before=before)
    assert (status, answer["error"]["param"]) == (400, "before")


def test_the_bar_counts_what_the_table_shows(api: Api) -> None:
    found = api.get("/api/v1/calls/count", since_ns=1, until_ns=6)[1]
    assert (found["calls"], found["failed"]) == (5, 1)
    assert [(slot["calls"], slot["failed"]) for slot in found["slots"]] == [(5, 1)]
    status, answer = api.get("/api/v1/calls/count", q="tennant = x")
    assert (status, "Did you mean" in answer["error"]["message"]) == (400, True)


def test_messages_and_findings_are_told_of_what_is_stored(api: Api, tmp_path: Path) -> None:
    email = {"guard": "pii", "kind": "email", "place": "input", "path": "text", "start": 0, "end": 1, "score": 1}
    verdict = {"guard": "pii", "action": "redact", "findings": [email], "not_run": ""}
    call = Span(
        span_id="a" * 16, trace_id="a" * 32, kind="call", name="chat", started_ns=9, duration_ns=1, tenant="initech",
        request_id="req_said", guard="redact", attributes={"moat.guards": [verdict]},
        input={"messages": [{"role": "user", "content": "Hi"}], "params": {"n": 1}}, output={"text": "Hello"},
    )  # fmt: skip
    tried = msgspec.structs.replace(call, span_id="b" * 16, kind="attempt", parent_id="a" * 16, attributes={})
    segment = tmp_path / "said.ndjson"
    segment.write_bytes(msgspec.json.Encoder().encode_lines([call, tried]))
    api.traces.ingest([segment])
    (said,) = api.get("/api/v1/traces/req_said/messages")[1]
    assert [part["text"] for message in (*said["asked"], *said["answered"]) for part in message["parts"]] == [
        "Hi",
        "Hello",
    ]
    (found,) = api.get("/api/v1/findings", tenant="initech")[1]
    assert (found["guard"], found["kind"], found["action"], found["calls"]) == ("pii", "email", "redact", 1)
    assert api.get("/api/v1/findings", tenant="initech", limit=1, step_ns=60 * 10**9)[1][0]["slot_ns"] == 0
