"""What is another tenant's is, to a key of one tenant, what nobody has: on every route that reads, by every name."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.api.records import FILTER
from moat.api.routes import ENDPOINTS
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from tests.api.world import SECRETS, Api, open_api

OF_THE_MONTH = "/api/v1/spend/forecast"
"""Knows these calls as little as any, so long ago they were: `test_overview` has whose a forecast is."""
READS = [e.path for e in ENDPOINTS if e.method == "GET" and "q" in e.query and e.path != OF_THE_MONTH]
NAMES = ("session", "user", "feature", "model", "request_id", "trace_id", "error")
"""Fields by which a call can be found, and that say whose it is."""
FINDING = {"guard": "", "kind": "email", "place": "input", "path": "", "start": 0, "end": 1, "score": 1}
ROUTES = {"/api/v1/traces", "/api/v1/usage", "/api/v1/scores", "/api/v1/sessions", "/api/v1/users", "/api/v1/export",
          "/api/v1/opinions", "/api/v1/spend", "/api/v1/spend/deployments", "/api/v1/calls", "/api/v1/calls/count",
          "/api/v1/findings", "/api/v1/measures"}  # fmt: skip


@pytest.fixture(scope="module")
def api(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """With a call of each of two tenants, told apart by every name, and opinions of both."""
    folder = tmp_path_factory.mktemp("tenants")
    with open_api(template, folder) as opened:
        spans, said = [], []
        for number, tenant in enumerate(("acme", "globex"), 100):
            common: dict[str, Any] = {
                name: f"{name}-{tenant}" for name in ("session", "user", "feature", "model", "error")
            }
            found = {"guard": f"guard-{tenant}", "action": "flag", "not_run": "", "findings": [FINDING]}
            common["attributes"] = {"moat.guards": [found]}
            common |= {"trace_id": f"{number:032x}", "request_id": f"req_{tenant}", "tenant": tenant}
            span = Span(span_id=f"{number:016x}", kind="call", name="chat", started_ns=number, duration_ns=1, **common)
            spans += [span, msgspec.structs.replace(span, span_id=f"{number + 50:016x}", kind="attempt", cost=7)]
            said.append(Feedback(id=tenant, at_ns=number, request_id=f"req_{tenant}", tenant=tenant, value=0.5))
            said.append(Feedback(id=f"{tenant}2", at_ns=number, trace_id=f"{number:032x}", tenant=tenant, value=1.0))
        for kind, lines, ingest in (
            ("spans", spans, opened.traces.ingest),
            ("said", said, opened.traces.ingest_feedback),
        ):
            segment = folder / f"{kind}.ndjson"
            segment.write_bytes(msgspec.json.Encoder().encode_lines(lines))
            ingest([segment])
        yield opened


def asked(api: Api, path: str, who: str = "acme-viewer", **query: Any) -> tuple[int, list[Any]]:
    """Status and lines."""
    address = path + "?" + "&".join(f"{name}={value.replace(' ', '%20')}" for name, value in query.items())
    status, _, body = api.raw("GET", address, Authorization=f"Bearer {SECRETS[who]}")
    return status, [json.loads(line) for line in body.splitlines()]


def value(name: str, tenant: str) -> str:
    """Of the tenant's call."""
    numbers = {"acme": 100, "globex": 101, "nobody": 999}
    return {"request_id": f"req_{tenant}", "trace_id": f"{numbers[tenant]:032x}"}.get(name, f"{name}-{tenant}")


def test_every_route_with_a_filter_is_tried_here() -> None:
    assert set(READS) == ROUTES
    assert set(NAMES) <= set(FILTER)


@pytest.mark.promise("gate-7")
@pytest.mark.parametrize("path", sorted(ROUTES))
def test_a_filter_finds_another_tenants_as_little_as_nobodys(api: Api, path: str) -> None:
    grouped = ("usage", "scores", "spend", "measures")
    by = {"by": "user,session"} if path.removeprefix("/api/v1/") in grouped else {}
    for name in NAMES:
        others, nobodys = (asked(api, path, **{name: value(name, tenant)}, **by) for tenant in ("globex", "nobody"))
        assert others == nobodys, name
        assert others[0] == 200
        assert b"globex" not in json.dumps(others).encode()
        own, seen = (asked(api, path, who, **{name: value(name, "acme")}, **by) for who in ("acme-viewer", "viewer"))
        assert own == seen, name
        assert own != nobodys, "there is something to be found"
    for clause in (
        "tenant = {}",
        "user = user-{}",
        "session = session-{}",
        "request = req_{}",
        "score.feedback and feature = feature-{}",
    ):
        others, nobodys = (asked(api, path, q=clause.format(tenant), **by) for tenant in ("globex", "nobody"))
        assert others == nobodys, clause
    refused = {json.dumps(asked(api, path, tenant=tenant, **by)) for tenant in ("globex", "nobody")}
    assert len(refused) == 1
    assert json.loads(refused.pop())[0] == 404


@pytest.mark.promise("gate-7")
def test_an_id_of_another_tenant_is_no_id(api: Api) -> None:
    ids = [value(name, tenant) for name, tenant in itertools.product(("trace_id", "request_id"), ("globex", "nobody"))]
    for answers in (
        [asked(api, f"/api/v1/traces/{one}") for one in ids],
        [asked(api, "/api/v1/feedback", trace=one) for one in ids],
    ):
        assert {json.dumps(answer) for answer in answers} == {json.dumps(answers[0])}
        assert answers[0][0] == 404
    for name in ("trace_id", "request_id"):
        [found] = asked(api, f"/api/v1/traces/{value(name, 'acme')}")[1]
        assert {span["tenant"] for span in found["spans"]} == {"acme"}
        [said] = asked(api, "/api/v1/feedback", trace=value(name, "acme"))[1]
        assert said
        assert {one["tenant"] for one in said} == {"acme"}


@pytest.mark.promise("gate-7")
def test_no_score_of_another_tenants_call_is_taken(api: Api) -> None:
    def give(**about: str) -> tuple[int, Any]:
        own = {"request_id": "req_acme", "name": "x", "value": 1}
        return api.post("/api/v1/scores", {"scores": [own, {"name": "x", "value": 1, **about}]}, "acme-admin")

    refused = [give(request_id="req_globex"), give(trace_id=value("trace_id", "globex"))]
    assert refused == [refused[0]] * 2
    assert refused[0][0] == 404
    assert api.opinions.opinions == [], "all or none"
    assert give(trace_id=value("trace_id", "acme"))[0] == 200
    assert {one.tenant for one in api.opinions.opinions} == {"acme"}
