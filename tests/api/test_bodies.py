"""What a changing request may hold: bounded, JSON, and the fields there are."""

import json
from typing import Any

import pytest

from moat.api.endpoint import ANYONE, MAX_STRANGERS_BODY
from moat.api.routes import ENDPOINTS
from moat.api.services import MAX_BODY
from tests.api.world import Api
from tests.bootstrap.projects import PROMPT

SCORE = {
    "request_id": "req_0",
    "trace_id": "none",
    "id": "none",
    "name": "none",
    "value": 1,
    "by": "none",
    "categories": ["none"],
    "comment": "none",
    "correction": {"none": "none"},
}
DRAFT = {"name": "a", "version": "1.0.0", "text": "messages: []"}
GOOD: dict[str, dict[str, Any]] = {
    "/api/v1/prompts": {"name": "a", "version": "1.0.0", "prompt": {}},
    "/api/v1/render/{name:path}": {"version": "1.0.0"},
    "/api/v1/drafts/lint": DRAFT,
    "/api/v1/drafts/preview": DRAFT,
    "/api/v1/drafts/run": DRAFT,
    "/api/v1/drafts/evals": DRAFT | {"suite": "none"},
    "/api/v1/proposals": {"files": [{"path": "none", "text": "none"}], "message": "none"},
    "/api/v1/releases": {"prompt": PROMPT, "version": "9.9.9", "environment": "staging"},
    "/api/v1/approvals": {"release": "rel_0", "environment": "staging"},
    "/api/v1/rollbacks": {"prompt": "no/such", "environment": "staging"},
    "/api/v1/rollouts": {"prompt": "no/such", "environment": "staging", "action": "pause"},
    "/api/v1/refresh": {},
    "/api/v1/scores": {"scores": [SCORE]},
    "/api/v1/opinions": SCORE,
    "/api/v1/searches": {"name": "none", "expression": "error"},
    "/api/v1/replays": {"request_id": "req_0"},
    "/api/v1/guards/try": {"text": "none"},
    "/api/v1/alerts/silences": {"match": {"environment": "none"}, "length": "1h", "why": "none"},
    "/api/v1/alerts/silences/lift": {"id": "sil_0"},
    "/api/v1/spend/reprice": {"dry_run": True},
    "/api/v1/upkeep/expire": {"dry_run": True},
    "/api/v1/upkeep/compact": {},
    "/api/v1/upkeep/copy": {},
    "/api/v1/providers/trust": {"provider": "nothing", "host": "https://example.org"},
    "/api/v1/limits/drafts": {"limit": "none"},
    "/api/v1/spikes/reset": {"scope": "key", "value": "key_0", "reason": "none"},
    "/api/v1/tool-approvals/{id}": {"decision": "deny"},
    "/api/v1/session": {"email": "ada@example.org", "password": "not hers"},
    "/api/v1/invitations/look": {"token": "none"},
    "/api/v1/invitations/accept": {"token": "none", "password": "a few long words"},
    "/api/v1/accounts": {"email": "ada@example.org", "role": "viewer"},
    "/api/v1/accounts/{id}": {"disabled": False},
    "/api/v1/datasets/{name:path}/cases": {"request_id": "req_0"},
    "/api/v1/keys": {"name": "shop", "environment": "nowhere"},
    "/api/v1/keys/{id}": {"name": "shop"},
    "/api/v1/keys/{id}/rotate": {"overlap": 0},
}
"""A body of every route's shape, which finds nothing to change; what it adds is about nothing."""
EMPTY = ("/api/v1/refresh", "/api/v1/spend/reprice", "/api/v1/upkeep/compact", "/api/v1/upkeep/copy")
"""Routes for which nothing need be said, and that take nothing away then."""
ADMIN = {"Authorization": "Bearer mk-admin"}
BODIES = {e.path: e for e in ENDPOINTS if e.body is not None}


def a_path(template: str) -> str:
    return template.replace("{name:path}", PROMPT).replace("{id}", "key_0")


def test_every_changing_route_is_tried_here() -> None:
    bare = {"/api/v1/accounts/{id}/invite", "/api/v1/webhooks/git"}
    assert {e.path for e in ENDPOINTS if e.method not in ("GET", "DELETE")} == {*GOOD, *bare}
    assert {e.path for e in ENDPOINTS if e.body is not None} == {*GOOD, "/api/v1/webhooks/git"}


@pytest.mark.promise("gate-3")
@pytest.mark.parametrize("path", GOOD)
def test_a_field_that_is_not_of_the_request_is_refused(api: Api, path: str) -> None:
    shape, method = BODIES[path].body, BODIES[path].method
    assert shape is not None
    for field in ("actor", "user", "author", "role", "id", "overridden", "commit", "evidence", "created_ns", "nope"):
        if field in shape.__struct_fields__:
            continue
        content = json.dumps({**GOOD[path], field: "mallory"}).encode()
        status, _, answer = api.raw(method, a_path(path), content, Content_Type="application/json", **ADMIN)
        assert (status, field in json.loads(answer)["error"]["message"]) == (400, True), (field, answer)
    status, body = api.post("/api/v1/releases", {**GOOD["/api/v1/releases"], "plan": {"nope": 1}})
    assert (status, body["error"]["param"]) == (400, "$.plan")
    for field in ("tenant", "environment", "source", "at_ns", "attributes"):
        status, body = api.post("/api/v1/scores", {"scores": [SCORE | {field: "globex"}]})
        assert (status, body["error"]["param"]) == (400, "$.scores[0]")


@pytest.mark.parametrize("path", GOOD)
def test_a_body_of_another_type_is_refused(api: Api, path: str) -> None:
    address, method = a_path(path), BODIES[path].method
    body = json.dumps(GOOD[path]).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        status, _, answer = api.raw(method, address, body, Content_Type=kind, **ADMIN)
        assert (status, json.loads(answer)["error"]["param"]) == (415, "content-type"), kind
    status, _, answer = api.raw(
        method, address, body, Content_Type="application/json", Content_Encoding="gzip", **ADMIN
    )
    assert (status, json.loads(answer)["error"]["param"]) == (415, "content-encoding")


def most(path: str) -> int:
    """Bytes: little of what anybody may send."""
    return MAX_STRANGERS_BODY if BODIES[path].roles is ANYONE else MAX_BODY


NONSENSE = (b"", b"{", b"[]", b"null", b'"a"', b"\xff", b"[" * 100_000, b"{}", b"{}{}")


@pytest.mark.parametrize(
    ("path", "body"), [(p, b) for p in GOOD for b in NONSENSE if (p, b) != ("/api/v1/upkeep/expire", b"{}")]
)
def test_nonsense_is_refused(api: Api, path: str, body: bytes) -> None:
    address, method = a_path(path), BODIES[path].method
    status, _, answer = api.raw(method, address, body, Content_Type="application/json; charset=utf-8", **ADMIN)
    if body == b"{}" and path in EMPTY:
        assert status == 200
        return
    wanted = 413 if len(body) > most(path) else 400
    assert (status, json.loads(answer)["error"]["type"]) == (wanted, "invalid_request_error"), answer


def test_what_does_not_fit_is_named_by_its_path(api: Api) -> None:
    def refused(path: str, **change: Any) -> tuple[int, str]:
        status, body = api.post(path, {**GOOD[path], **change})
        return status, body["error"]["param"]

    assert refused("/api/v1/releases", version=1) == (400, "$.version")
    assert refused("/api/v1/releases", plan={"arms": [{"release": 1}]}) == (400, "$.plan.arms[0].release")
    assert refused("/api/v1/rollouts", action="burn") == (400, "$.action")
    assert refused("/api/v1/rollouts", percent=10) == (400, "$")
    assert refused("/api/v1/rollouts", arm="b") == (400, "$")


@pytest.mark.parametrize("path", GOOD)
def test_a_body_is_bounded(api: Api, path: str) -> None:
    address, method = a_path(path), BODIES[path].method
    status, _, answer = api.raw(method, address, b" " * (MAX_BODY + 1), Content_Type="application/json", **ADMIN)
    said = "2 MiB" if most(path) == MAX_BODY else "16 KiB"
    assert (status, said in json.loads(answer)["error"]["message"]) == (413, True)
    if most(path) < MAX_BODY:
        return
    lists = b"[" + b"[]," * 200_000 + b"1]"
    status, _, answer = api.raw(method, address, lists, Content_Type="application/json", **ADMIN)
    assert (status, "values" in json.loads(answer)["error"]["message"]) == (400, True)


def test_a_query_is_no_way_in(api: Api) -> None:
    status, body = api.post("/api/v1/rollbacks?environment=production", GOOD["/api/v1/rollbacks"])
    assert (status, body["error"]["param"]) == (400, "environment")
