"""What a key bound to an environment or a tenant cannot tell from what does not exist."""

import json
import re
from typing import Any

import pytest

from tests.api.world import SECRETS, Api
from tests.bootstrap.projects import PROMPT

RequestOf = tuple[str, str, Any]


def answer(api: Api, who: str, request: RequestOf) -> tuple[int, dict[str, str], bytes]:
    """All of an answer that can tell something: without the request's id and the date."""
    method, path, content = request
    headers = {"Authorization": f"Bearer {SECRETS[who]}", "Content_Type": "application/json"}
    body = None if content is None else json.dumps(content).encode()
    status, received, raw = api.raw(method, path, body, **headers)
    return status, {n: v for n, v in received.items() if n not in ("x-request-id", "request-id", "date")}, raw


def get(path: str) -> RequestOf:
    return "GET", path, None


def chat(reference: str, **headers: str) -> RequestOf:
    return "POST", "/v1/chat/completions", {"prompt": {"id": reference, "variables": {"question": "?"}}}


THERE_AND_NOT = [
    pytest.param("bound", get(f"/api/v1/prompts/{PROMPT}?environment=staging"),
                 get(f"/api/v1/prompts/{PROMPT}?environment=nowhere"), id="environment"),
    pytest.param("bound", get(f"/api/v1/prompts/{PROMPT}?version=1.2.0"),
                 get(f"/api/v1/prompts/{PROMPT}?version=9.9.9"), id="version"),
    pytest.param("bound", get(f"/api/v1/prompts/{PROMPT}?version=1.2.0"),
                 get("/api/v1/prompts/no/such?version=1.2.0"), id="prompt"),
    pytest.param("bound", get(f"/api/v1/prompts/{PROMPT}?version=latest"),
                 get("/api/v1/prompts/no/such?environment=production"), id="latest"),
    pytest.param("bound", ("POST", f"/api/v1/render/{PROMPT}", {"environment": "staging"}),
                 ("POST", "/api/v1/render/no/such", {"version": "9.9.9"}), id="render"),
    pytest.param("bound", chat(f"{PROMPT}@staging"), chat(f"{PROMPT}@nowhere"), id="chat, environment"),
    pytest.param("bound", chat(f"{PROMPT}@1.2.0"), chat(f"{PROMPT}@9.9.9"), id="chat, version"),
    pytest.param("bound", chat(f"{PROMPT}@latest"), chat("no/such@production"), id="chat, prompt"),
    pytest.param("bound-viewer", get("/api/v1/releases/rel_1.2.0"), get("/api/v1/releases/rel_0"), id="release"),
    pytest.param("bound-viewer", get(f"/api/v1/history?prompt={PROMPT}&environment=staging"),
                 get(f"/api/v1/history?prompt={PROMPT}&environment=nowhere"), id="history"),
    pytest.param("bound-viewer", get("/api/v1/approvals?release=rel_1.0.0&environment=staging"),
                 get("/api/v1/approvals?release=rel_1.0.0&environment=nowhere"), id="approvals"),
    pytest.param("bound-viewer", get(f"/api/v1/clearance?prompt={PROMPT}&environment=staging&release=rel_1.2.0"),
                 get("/api/v1/clearance?prompt=no/such&environment=nowhere&release=rel_0"), id="clearance"),
    pytest.param("bound-viewer", get(f"/api/v1/clearance?prompt={PROMPT}&environment=production&release=rel_1.2.0"),
                 get(f"/api/v1/clearance?prompt={PROMPT}&environment=production&release=rel_0"),
                 id="clearance of a release"),
    pytest.param("bound-viewer", get("/api/v1/measures?environment=staging"),
                 get("/api/v1/measures?environment=nowhere"), id="measures"),
    pytest.param("bound-viewer", get("/api/v1/traces?environment=staging"),
                 get("/api/v1/traces?environment=nowhere"), id="traces"),
    pytest.param("bound-viewer", get("/api/v1/traces/req_1"), get("/api/v1/traces/req_99"), id="trace"),
    pytest.param("acme-viewer", get("/api/v1/traces?tenant=globex"), get("/api/v1/traces?tenant=nobody"), id="tenant"),
    pytest.param("acme-viewer", get("/api/v1/usage?tenant=globex"), get("/api/v1/usage?tenant=nobody"), id="usage"),
    pytest.param("acme-viewer", get("/api/v1/traces/req_1"), get("/api/v1/traces/req_99"), id="tenant's trace"),
    *(
        pytest.param("bound-admin", ("POST", path, {**content, "environment": "staging"}),
                     ("POST", path, {**content, "environment": "nowhere"}), id=path)
        for path, content in {
            "/api/v1/releases": {"prompt": PROMPT, "version": "1.0.0"},
            "/api/v1/approvals": {"release": "rel_1.0.0"},
            "/api/v1/rollbacks": {"prompt": PROMPT},
            "/api/v1/rollouts": {"prompt": PROMPT, "action": "pause"},
        }.items()
    ),
]  # fmt: skip


@pytest.mark.promise("gate-7")
@pytest.mark.parametrize(("who", "there", "nowhere"), THERE_AND_NOT)
def test_what_is_not_its_own_does_not_exist(api: Api, who: str, there: RequestOf, nowhere: RequestOf) -> None:
    found = answer(api, who, there)
    assert found[0] == 404
    assert found == answer(api, who, nowhere)
    others = {"bound": "app", "bound-viewer": "viewer", "acme-viewer": "viewer", "bound-admin": None}[who]
    if others and "latest" not in str(there):
        assert answer(api, others, there)[0] != 404, "it is there for others"


@pytest.mark.promise("gate-7")
def test_a_header_that_names_another_environment_finds_none(api: Api) -> None:
    body = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    answers = [
        api.raw("POST", "/v1/chat/completions", body, Authorization="Bearer mk-bound", X_Moat_Environment=name)
        for name in ("staging", "nowhere")
    ]
    assert answers[0][0] == 404
    assert answers[0][2] == answers[1][2]


@pytest.mark.promise("gate-7")
def test_lists_hold_what_is_its_own(api: Api) -> None:
    assert {a["environment"] for a in api.get("/api/v1/environments", "bound-viewer")[1]} == {"production"}
    assert api.get("/api/v1/rollouts", "bound-viewer") == (200, [])
    assert len(api.get("/api/v1/rollouts", "viewer")[1]) == 1
    assert [release["id"] for release in api.get("/api/v1/releases", "bound-viewer")[1]] == ["rel_1.0.0"]
    assert len(api.get("/api/v1/releases", "viewer")[1]) == 3
    assert {call["environment"] for call in api.get("/api/v1/traces", "bound-viewer")[1]} == {"production"}
    assert {call["tenant"] for call in api.get("/api/v1/traces", "acme-viewer")[1]} == {"acme"}
    assert [row["group"] for row in api.get("/api/v1/usage", "acme-viewer", by="tenant")[1]] == [["acme"]]
    assert [row["group"] for row in api.get("/api/v1/measures", "acme-viewer", by="tenant")[1]] == [["acme"]]
    assert [rules["name"] for rules in api.get("/api/v1/environments/rules", "bound-viewer")[1]] == ["production"]
    assert [span["request_id"] for span in api.get("/api/v1/traces/req_2", "acme-viewer")[1]["spans"]] == ["req_2"]


@pytest.mark.promise("gate-7")
def test_what_is_its_own_is_there(api: Api) -> None:
    assert api.get(f"/api/v1/prompts/{PROMPT}", "bound", environment="production")[0] == 200
    assert api.get(f"/api/v1/prompts/{PROMPT}", "bound", version="1.0.0")[0] == 200
    assert api.get("/api/v1/releases/rel_1.0.0", "bound-viewer")[0] == 200
    own = {"environment": "production", "release": "rel_1.0.0"}
    assert api.get("/api/v1/approvals", "bound-viewer", **own) == (200, [])
    assert api.get("/api/v1/clearance", "bound-viewer", prompt=PROMPT, **own)[1]["served"]
    assert len(api.get("/api/v1/history", "bound-viewer", prompt=PROMPT, environment="production")[1]) == 1


@pytest.mark.promise("gate-7")
def test_no_answer_to_a_bound_key_names_what_is_not_its_own(api: Api) -> None:
    for path in (f"prompts/{PROMPT}?version=1.1.0", "prompts/support/answr?environment=production", "status", "runs"):
        _, _, body = answer(api, "bound", get(f"/api/v1/{path}"))
        assert not re.search(rb"1\.[12]\.0|staging|support/answer", body), body


@pytest.mark.promise("gate-7")
def test_what_is_about_the_whole_project_is_for_no_bound_key(api: Api) -> None:
    paths = ("/metrics", "/api/v1/status", "/api/v1/prompts", f"/api/v1/versions/{PROMPT}", "/api/v1/versions/no/such")
    for path in paths:
        answers = {who: answer(api, who, get(path)) for who in ("bound-viewer", "bound-admin", "acme-viewer")}
        assert {found[0] for found in answers.values()} == {403}, path
        assert answers["bound-viewer"] == answers["bound-admin"]
    assert answer(api, "viewer", get("/metrics"))[0] == 200
