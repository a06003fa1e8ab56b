"""Nobody changes anything over the API without an entry of the audit log that says who."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from moat.adapters.sqlite import SqliteState, SqliteToolApprovals, SqliteTrips
from moat.api.routes import ENDPOINTS
from moat.domain.tool_approvals import ToolCall
from moat.domain.trips import Trip
from tests.api.test_changes import DRAFT, free_staging, order
from tests.api.world import KEYS, Api
from tests.bootstrap.projects import PROMPT, Project, Server, eventually

pytestmark = pytest.mark.promise("guard-4")

ADA = "ada@example.org"
NO_ACT = {
    "POST /api/v1/drafts/lint": "it reads",
    "POST /api/v1/drafts/preview": "it reads",
    "POST /api/v1/drafts/run": "a try is a call, and recorded as one",
    "POST /api/v1/drafts/evals": "a try is a run, and recorded as one",
    "DELETE /api/v1/drafts/evals/{id}": "a try is a run, and recorded as one",
    "POST /api/v1/limits/drafts": "it reads",
    "POST /api/v1/guards/try": "nothing is kept",
    "POST /api/v1/proposals": "its entries: tests/api/test_proposals.py",
    "POST /api/v1/replays": "a replay is a call, and recorded as one",
    "POST /api/v1/render/{name:path}": "it reads",
    "POST /api/v1/refresh": "the server looks at what was changed by others",
    "POST /api/v1/opinions": "opinions are data about calls, and say themselves who gave them",
    "POST /api/v1/scores": "scores are data about calls, and say themselves who gave them",
    "POST /api/v1/session": "its entries are those of people: tests/api/test_sessions.py",
    "DELETE /api/v1/session": "who signs out changes nothing of others'",
    "POST /api/v1/invitations/look": "it reads",
    "POST /api/v1/invitations/accept": "its entries are those of people: tests/api/test_sessions.py",
    "POST /api/v1/webhooks/git": "what a merge releases has the entries of releases",
}
"""Routes that are no GET, and are no administrative action."""


class Acting:
    """Somebody who changes things, and what the log says of it."""

    def __init__(self, server: Server, key: str) -> None:
        self._server = server
        self._key = key
        self._seen = self._entries()[0]["entry"]["sequence"]
        self.routes: set[str] = set()
        self.actors: set[str] = set()

    def _entries(self) -> list[dict[str, Any]]:
        status, found = self._server.get("/api/v1/audit?limit=1000", self._key)
        assert status == 200, found
        entries: list[dict[str, Any]] = found
        return entries

    def calls(self) -> list[dict[str, Any]]:
        """Recorded ones."""
        found: list[dict[str, Any]] = self._server.get("/api/v1/traces?limit=1", self._key)[1]
        return found

    def new(self) -> list[dict[str, Any]]:
        """Entries since the last look, oldest first."""
        found = [one for one in self._entries() if one["entry"]["sequence"] > self._seen]
        self._seen += len(found)
        return found[::-1]

    def does(self, route: str, body: Any, *actions: str, **gaps: str) -> Any:
        """It must succeed, and leave these entries."""
        method, _, path = route.partition(" ")
        address = path.replace(":path", "").format(**gaps)
        status, answer = self._server.send(method, address, body, self._key, content_type="application/json")
        assert status in (200, 201, 202), (route, answer)
        new = self.new()
        assert [one["entry"]["action"] for one in new] == list(actions), route
        assert {one["entry"]["actor"] for one in new} == {ADA}, new
        self.routes.add(route)
        return answer


@contextmanager
def acting(project: Project) -> Iterator[Acting]:
    free_staging(project)
    cloud = '{kind: openai, base_url: "https://api.example.org/v1", api_key: "${CLOUD_KEY}"}'
    project.replace("moat.yaml", {"providers:\n": f"providers:\n  cloud: {cloud}\n"})
    project.environ["CLOUD_KEY"] = "sk-cloud"
    key, app = project.key("--role", "admin", "--user", ADA), project.key()
    with project.serving() as server:
        assert server.ask("Where is my order?", app, at="1.0.0")[0] == 200
        yield Acting(server, key)


def test_every_route_that_changes_something_leaves_its_entry(project: Project) -> None:
    with acting(project) as ada:
        new = {"name": "team/hello", "version": "1.0.0", "prompt": DRAFT}
        ada.does("POST /api/v1/prompts", new, "prompt.register")
        made = ada.does("POST /api/v1/releases", order("1.0.0"), "release.create", "release.assign")
        ada.does("POST /api/v1/releases", order("1.1.0"), "release.create", "release.assign")
        approval = {"release": made["release"]["id"], "environment": "staging", "comment": "Read it."}
        ada.does("POST /api/v1/approvals", approval, "release.approve")
        ada.does("POST /api/v1/rollbacks", {"prompt": PROMPT, "environment": "staging"}, "release.assign")
        canary = order("1.1.0", plan={"strategy": "canary", "percent": 10})
        ada.does("POST /api/v1/releases", canary, "release.create", "release.assign")
        for action in ("pause", "resume", "promote"):
            steered = {"prompt": PROMPT, "environment": "staging", "action": action}
            ada.does("POST /api/v1/rollouts", steered, "release.assign")

        silence = ada.does("POST /api/v1/alerts/silences", {"length": "1h", "why": "repairs"}, "silence.add")
        ada.does("POST /api/v1/alerts/silences/lift", {"id": silence["id"]}, "silence.lift")
        ada.does("POST /api/v1/spend/reprice", {}, "spend.reprice")
        ada.does("POST /api/v1/upkeep/expire", {}, "traces.expire")
        ada.does("POST /api/v1/upkeep/compact", {}, "traces.compact")
        ada.does("POST /api/v1/upkeep/copy", {}, "traces.copy")

        state = SqliteState.open(project.root / ".moat" / "state.db")
        trip = Trip(id="trip_1", scope="feature", value="chat", why="much", at_ns=1, spent=2, usual=1)
        SqliteTrips(state).add(trip)
        trust = {"provider": "cloud", "host": "https://api.example.org"}
        ada.does("POST /api/v1/providers/trust", trust, "host.trust")
        (asked,) = SqliteToolApprovals(state).take([ToolCall(digest="d", tool="refund")])
        decision = {"decision": "approve", "reason": "it was late"}
        ada.does("POST /api/v1/tool-approvals/{id}", decision, "approval.grant", id=asked.id)
        state.close()
        reset = {"scope": "feature", "value": "chat", "reason": "a launch"}
        ada.does("POST /api/v1/spikes/reset", reset, "spike.reset")

        key = ada.does("POST /api/v1/keys", {"name": "shop"}, "key.create")["key"]["id"]
        ada.does("PATCH /api/v1/keys/{id}", {"name": "market"}, "key.change", id=key)
        ada.does("POST /api/v1/keys/{id}/rotate", {"overlap": 0}, "key.rotate", id=key)
        ada.does("DELETE /api/v1/keys/{id}", None, "key.revoke", id=key)
        ada.does("POST /api/v1/searches", {"name": "slow", "expression": "latency > 5s"}, "search.save")
        ada.does("DELETE /api/v1/searches/{name}", None, "search.forget", name="slow")
        [call] = eventually(lambda: ada.calls())
        case = {"request_id": call["request_id"]}
        ada.does("POST /api/v1/datasets/{name:path}/cases", case, "traces.export", name="support")
        wish = {"email": "bob@example.org", "role": "viewer"}
        id = ada.does("POST /api/v1/accounts", wish, "account.create")["account"]["id"]
        ada.does("PATCH /api/v1/accounts/{id}", {"role": "expert"}, "account.change", id=id)
        ada.does("POST /api/v1/accounts/{id}/invite", None, "account.invite", id=id)
        tried = ada.routes | NO_ACT.keys()
    assert tried == {f"{e.method} {e.path}" for e in ENDPOINTS if e.method != "GET"}
    assert project.ok("audit", "verify").out.startswith("whole: ")


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_only_a_person_with_a_key_of_their_own_approves_a_tool_call(api: Api, decision: str) -> None:
    (waiting,) = api.state.approvals.take([ToolCall(digest=decision, tool="refund")])
    path, before = f"/api/v1/tool-approvals/{waiting.id}", api.get("/api/v1/audit")[1][0]["entry"]["sequence"]
    asked = {"decision": decision, "reason": "it was late"}
    assert [api.post(path, asked, who)[0] for who in ("app", "viewer", "robot", "acme-admin")] == [403] * 4
    status, done = api.post(path, asked)
    assert (status, done["decided_by"], done["reason"]) == (200, "grace@example.org", "it was late")
    assert api.post(path, asked)[0] == 409
    assert api.post("/api/v1/tool-approvals/apr_0", asked)[0] == 404
    new = [one["entry"] for one in api.get("/api/v1/audit")[1] if one["entry"]["sequence"] > before]
    action = {"approve": "approval.grant", "deny": "approval.deny"}[decision]
    assert [(one["action"], one["actor"], one["subject"]) for one in new] == [(action, "grace@example.org", waiting.id)]
    state = {"approve": "approved", "deny": "denied"}[decision]
    assert [one["id"] for one in api.get("/api/v1/tool-approvals", state=state)[1]] == [waiting.id]
    assert waiting.id not in [one["id"] for one in api.get("/api/v1/tool-approvals", state="pending")[1]]
    assert api.get("/api/v1/tool-approvals", state="maybe")[0] == 400
    assert api.get(path, "viewer")[1] == done


def test_nobody_approves_with_the_key_that_asked(api: Api) -> None:
    (asked,) = api.state.approvals.take([ToolCall(digest="1", tool="refund", key=KEYS["admin"].id)])
    status, answer = api.post(f"/api/v1/tool-approvals/{asked.id}", {"decision": "approve"})
    assert (status, "cannot approve it" in answer["error"]["message"]) == (403, True)


def test_an_export_leaves_its_entry_before_it_begins(api: Api) -> None:
    status, _, body = api.raw("GET", "/api/v1/export?tenant=acme", Authorization="Bearer mk-acme-viewer")
    assert (status, b"acme" in body) == (200, True)
    last = api.get("/api/v1/audit")[1][0]
    assert (last["entry"]["action"], last["entry"]["actor"]) == ("traces.export", KEYS["acme-viewer"].actor)
    assert last["content"]["detail"] == {"tenant": "acme"}
    with closing(sqlite3.connect(api.files.state_path, isolation_level=None)) as connection:
        connection.execute("CREATE TRIGGER b BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END")
        status, _, body = api.raw("GET", "/api/v1/export", Authorization="Bearer mk-viewer")
    assert (status, b"acme" in body) == (503, False)


def test_what_only_looks_leaves_none(project: Project) -> None:
    with acting(project) as ada:
        server = ada._server
        server.send("POST", "/api/v1/upkeep/expire", {"dry_run": True}, content_type="application/json")
        server.send("POST", "/api/v1/spend/reprice", {"dry_run": True}, content_type="application/json")
        assert server.get("/api/v1/keys")[0] == 200
        refused = server.send("POST", "/api/v1/keys", {"name": ""}, content_type="application/json")
        assert refused[0] == 400
        assert ada.new() == []


def test_a_change_whose_entry_cannot_be_written_is_refused(project: Project) -> None:
    with acting(project) as ada:
        with closing(sqlite3.connect(project.root / ".moat" / "state.db", isolation_level=None)) as connection:
            connection.execute("CREATE TRIGGER b BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END")
        for path, body in (
            ("keys", {"name": "shop"}),
            ("releases", order("1.0.0")),
            ("alerts/silences", {"length": "1h", "why": "repairs"}),
            ("upkeep/copy", {}),
            ("spend/reprice", {}),
        ):
            status, answer = ada._server.send("POST", f"/api/v1/{path}", body, content_type="application/json")
            assert (status, "no room" in answer["error"]["message"]) == (503, True), answer
        keys = ada._server.get("/api/v1/keys")[1]
        assert [key["name"] for key in keys if key["name"] == "shop"] == []
        assert ada._server.get("/api/v1/releases")[1] == []


def test_the_log_is_read_a_page_at_a_time_and_verified(project: Project) -> None:
    with acting(project) as ada:
        for name in "abc":
            ada.does("POST /api/v1/keys", {"name": name}, "key.create")
        get = ada._server.get
        newest = get("/api/v1/audit?action=key&limit=2")[1]
        assert [one["content"]["detail"]["name"] for one in newest] == ["c", "b"]
        last = newest[-1]["entry"]["sequence"]
        (older,) = get(f"/api/v1/audit?action=key.create&limit=1&before={last}")[1]
        assert older["content"]["detail"]["name"] == "a"
        assert get(f"/api/v1/audit/{last}")[1] == newest[-1]
        found = get("/api/v1/audit/verification")[1]
        assert (found["count"], found["problems"], found["last"]) == (0, [], newest[0]["entry"]["sequence"])
        assert get("/api/v1/audit?since_ns=x")[0] == 400
        for wrong in ("999", "x", "1" * 40, "-1"):
            assert get(f"/api/v1/audit/{wrong}")[0] == 404


def test_only_administrators_read_it(api: Api) -> None:
    for path in ("audit", "audit/1", "audit/verification"):
        assert [api.get(f"/api/v1/{path}", who)[0] for who in ("admin", "viewer", "app", "bound-admin")] == [
            *(200, 403, 403, 403)
        ]
