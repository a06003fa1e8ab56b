"""What people say of one tenant's calls is nobody else's to read, whatever spans that one plants beside them."""

import itertools
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from tests.api.test_management import OF_TENANTS, a_path
from tests.api.world import SECRETS, Api

THEIRS, OURS, PLANTED, ALONE, SHARED = (f"{number:032x}" for number in (3, 2, 0xAA, 0xBB, 0xCC))
"""Traces: globex's in staging and acme's in production with a call each; acme's with globex's request id; of acme's
application alone; of applications of both.
"""
NOT_OURS = [
    Feedback(id="g1", at_ns=1, request_id="req_3", tenant="globex", value=0.1, comment="CANARY of globex"),
    Feedback(id="g2", at_ns=2, trace_id=THEIRS, tenant="globex", value=0.1, comment="CANARY of globex"),
    Feedback(id="s1", at_ns=3, request_id="req_3", value=0.1, comment="CANARY of support"),
    Feedback(id="s2", at_ns=4, trace_id=THEIRS, value=0.1, comment="CANARY of support"),
    Feedback(id="s3", at_ns=5, trace_id=SHARED, value=0.1, comment="CANARY of support"),
    Feedback(id="g3", at_ns=6, trace_id=SHARED, tenant="globex", value=0.1, comment="CANARY of globex"),
    Feedback(id="e1", at_ns=7, request_id="req_2", environment="staging", value=0.1, comment="CANARY of staging"),
    Feedback(id="g4", at_ns=8, request_id="req_2", tenant="globex", value=0.1, comment="CANARY of globex"),
]
SAID = [
    Feedback(id="a1", at_ns=11, request_id="req_2", tenant="acme", value=0.9, comment="ours"),
    Feedback(id="a2", at_ns=12, trace_id=OURS, tenant="acme", value=0.9, comment="ours"),
    Feedback(id="a3", at_ns=13, request_id="req_2", value=0.9, comment="support's of ours"),
    Feedback(id="a4", at_ns=14, trace_id=OURS, value=0.9, comment="support's of ours"),
    Feedback(id="a5", at_ns=15, trace_id=ALONE, value=0.9, comment="support's of ours"),
    Feedback(id="a6", at_ns=16, trace_id=SHARED, tenant="acme", value=0.9, comment="ours"),
    Feedback(id="a7", at_ns=17, request_id="req_2", environment="production", value=0.9, comment="of production"),
]


def planted(trace: str, number: int, tenant: str = "acme", **changes: Any) -> Span:
    fields: dict[str, Any] = {"kind": "app", "name": "plant", "started_ns": 1, "duration_ns": 1, "user": "u"}
    place = {"acme": "production", "globex": "staging"}[tenant]
    return Span(**{**fields, "trace_id": trace, "span_id": f"{number:016x}", "tenant": tenant, "environment": place}
                | changes)  # fmt: skip


SPANS = [
    planted(THEIRS, 0xA1, parent_id=f"{3:016x}", request_id="req_3"),
    planted(THEIRS, 0xA2),
    planted(THEIRS, 0xA3, kind="call", started_ns=9, request_id="req_9", session="s"),
    planted(PLANTED, 0xA4, request_id="req_3"),
    planted(PLANTED, 0xA5, kind="call", started_ns=10, request_id="req_10", session="s"),
    planted(ALONE, 0xA6),
    planted(SHARED, 0xA7),
    planted(SHARED, 0xA8, "globex", started_ns=2),
]
QUERIES = [
    "",
    "score.feedback < 0.5",
    "score.feedback < 0.5 and kind = any",
    "kind = app",
    f"trace = {THEIRS}",
    "request = req_3",
    f"kind = any trace = {THEIRS}",
    "request = req_9 or request = req_10",
]


READERS = sorted(path for path in OF_TENANTS if path.split("/")[3] not in ("prompts", "render", "keys", "feedback"))


@pytest.fixture(scope="module")
def told(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Api:
    """With what acme has planted."""
    folder: Path = tmp_path_factory.mktemp("segments")
    encode = msgspec.json.Encoder().encode_lines
    (folder / "spans").write_bytes(encode(SPANS))
    (folder / "said").write_bytes(encode([*NOT_OURS, *SAID]))
    assert api.traces.ingest([folder / "spans"]) == len(SPANS)
    assert api.traces.ingest_feedback([folder / "said"]) == len(NOT_OURS) + len(SAID)
    return api


def read(api: Api, who: str, path: str, **query: str) -> tuple[int, str]:
    asked = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    status, _, body = api.raw("GET", f"{path}?{asked}", Authorization=f"Bearer {SECRETS[who]}")
    return status, body.decode()


def names(api: Api, who: str, path: str, **query: str) -> list[str]:
    status, body = read(api, who, path, **query)
    return sorted(one["id"] for one in msgspec.json.decode(body)) if status == 200 else [str(status)]


@pytest.mark.promise("gate-7")
@pytest.mark.parametrize("who", ["acme-viewer", "bound-viewer"])
def test_no_route_tells_what_is_said_of_others(told: Api, who: str) -> None:
    """One is bound to acme, the other to production, where only acme is."""
    ways: list[dict[str, str]] = [{"q": q} for q in QUERIES]
    ways += [{"by": "user"}, {"trace_id": THEIRS}, {"request_id": "req_3"}, {"wide": "true"}, {"said_by": "person"}]
    asked = 0
    for path, way in itertools.product(READERS, ways):
        status, body = read(told, who, a_path(path), **way)
        asked += status == 200
        assert "CANARY" not in body, (path, way)
    assert asked > 50
    for trace in (THEIRS, OURS, PLANTED, ALONE, SHARED, "req_2", "req_3", "req_9"):
        assert "CANARY" not in read(told, who, "/api/v1/feedback", trace=trace)[1]


@pytest.mark.promise("gate-7")
@pytest.mark.parametrize("who", ["acme-viewer", "bound-viewer"])
def test_what_others_said_moves_no_figure(told: Api, who: str) -> None:
    for q in QUERIES[1:3]:
        for path in ("/api/v1/traces", "/api/v1/export", "/api/v1/sessions", "/api/v1/users"):
            assert '"acme"' not in read(told, who, path, q=q)[1], (path, q)
    for path in ("/api/v1/sessions", "/api/v1/users"):
        assert {one["score"] for one in msgspec.json.decode(read(told, who, path)[1])} <= {None, 0.9}
    rows = msgspec.json.decode(read(told, who, "/api/v1/scores")[1])
    assert {(row["low"], round(row["total"] / row["count"], 9)) for row in rows} == {(0, 0.9)}


def test_what_is_said_of_ones_own_is_told(told: Api) -> None:
    said = "/api/v1/feedback"
    for asked in ("req_2", OURS):
        assert names(told, "acme-viewer", said, trace=asked) == ["a1", "a2", "a3", "a4", "a7"]
    assert names(told, "acme-viewer", "/api/v1/opinions") == ["a1", "a2", "a3", "a4", "a7"]
    assert names(told, "acme-viewer", said, trace=ALONE) == ["a5"]
    assert names(told, "acme-viewer", said, trace=SHARED) == ["a6"]
    assert names(told, "acme-viewer", said, trace=THEIRS) == names(told, "acme-viewer", said, trace=PLANTED) == []
    assert names(told, "acme-viewer", said, trace="req_3") == ["404"]
    # Whoever is bound to nothing sees all that is of the trace.
    assert names(told, "viewer", said, trace=THEIRS) == ["g1", "g2", "s1", "s2"]
    assert names(told, "viewer", said, trace="req_3") == ["g1", "g2", "s1", "s2"]
    assert names(told, "viewer", said, trace=SHARED) == ["a6", "g3", "s3"]
    assert names(told, "viewer", said, trace=PLANTED) == []


def test_a_request_id_that_an_application_says_leads_nowhere(told: Api) -> None:
    """Its span began long before the call, and would have hidden it."""
    assert {span.trace_id for span in told.traces.trace("req_3")} == {THEIRS}
    status, body = read(told, "viewer", "/api/v1/traces/req_3")
    assert (status, {span["trace_id"] for span in msgspec.json.decode(body)["spans"]}) == (200, {THEIRS})
