"""Changes over the API of a real server: who did it is recorded, and the next request sees it."""

import hashlib
import hmac
import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.bootstrap.projects import PROMPT, Project, Server, eventually

DRAFT = {
    "description": "Says hello.",
    "model": "assistant",
    "variables": {"name": {"type": "string"}},
    "messages": [
        {"role": "system", "content": 'Be brief. {% include "tone" %}'},
        {"role": "user", "content": "{{ name }}"},
    ],
    "tools": ["lookup_order@1.0.0"],
}


def free_staging(project: Project) -> None:
    """No rule stands in the way in either environment."""
    project.replace("moat.yaml", {"require: [support]": "require: []"})


def order(version: str, environment: str = "staging", **fields: Any) -> dict[str, Any]:
    return {"prompt": PROMPT, "version": version, "environment": environment, **fields}


def served(server: Server, environment: str = "staging") -> str:
    status, body = server.get(f"/api/v1/prompts/{PROMPT}?environment={environment}")
    assert status == 200, body
    version: str = body["prompt"]["version"]
    return version


def test_a_registered_version_can_be_used_at_once(project: Project) -> None:
    admin = project.key("--role", "admin", "--user", "grace@example.org")
    app = project.key()
    with project.serving() as server:
        body = {"name": "team/hello", "version": "1.0.0", "prompt": DRAFT}
        status, made = server.send("POST", "/api/v1/prompts", body, admin, content_type="application/json")
        assert (status, made["author"], made["source"]) == (201, "grace@example.org", "api"), made
        assert "tone" in made["content"]["partials"], "the project's partials belong to it"
        assert made["content"]["tool_definitions"][0]["function"]["name"] == "lookup_order"
        status, found = server.get("/api/v1/prompts/team/hello?version=1.0.0", app)
        assert (status, found["digest"]) == (200, made["digest"])
        asked = {"version": "1.0.0", "variables": {"name": "Ada {{ 7 * 7 }}"}}
        status, rendered = server.send("POST", "/api/v1/render/team/hello", asked, app, content_type="application/json")
        assert (status, rendered["messages"][1]) == (200, {"role": "user", "content": "Ada {{ 7 * 7 }}"})

        again = server.send("POST", "/api/v1/prompts", body, admin, content_type="application/json")
        assert again == (200, made), "the same content is no change"
        other = {**body, "prompt": {**DRAFT, "params": {"temperature": 0.1}}}
        status, refused = server.send("POST", "/api/v1/prompts", other, admin, content_type="application/json")
        assert (status, refused["error"]["code"]) == (409, "conflict")
        listed = server.get("/api/v1/prompts")[1]
        assert [p["versions"] for p in listed if p["name"] == "team/hello"] == [
            [{"version": "1.0.0", "digest": made["digest"], "releasable": True, "branches": []}]
        ]
        assert not (project.root / "prompts" / "team").exists(), "files are git's"


def test_a_version_that_lint_would_refuse_is_refused_with_all_that_is_wrong(project: Project) -> None:
    with project.serving() as server:

        def refused(name: str = "team/hello", version: str = "1.0.0", **change: Any) -> str:
            body = {"name": name, "version": version, "prompt": {**DRAFT, **change}}
            status, answer = server.send("POST", "/api/v1/prompts", body, content_type="application/json")
            assert status == 400, answer
            text: str = answer["error"]["message"]
            return text

        text = refused(model="nobody", messages=[{"role": "user", "content": "{{ nme }}"}])
        assert all(rule in text for rule in ("unknown-model", "undeclared-variable", "unused-variable")), text
        assert "sk-" in refused(messages=[{"role": "user", "content": "sk-proj-" + "a1B2" * 12 + " {{ name }}"}])
        assert "$.messages[0].role" in refused(messages=[{"role": "nobody", "content": "{{ name }}"}])
        assert "nope" in refused(nope=1)
        assert "lookup_ordr" in refused(tools=["lookup_ordr@1.0.0"])
        assert "latest" in refused(tools=["lookup_order@latest"])
        for name in ("../up", "/etc/passwd", "a//b", "a\0b", "", "a" * 100, "_partials/x"):
            refused(name=name)
        for version in ("latest", "1.0", "../1.0.0", "1.0.0/../../x"):
            refused(version=version)
        assert server.get("/api/v1/prompts/team/hello?version=1.0.0")[0] == 404
        assert not (project.root.parent / "up").exists()


def test_from_release_to_rollback(project: Project) -> None:
    free_staging(project)
    admin = project.key("--role", "admin", "--user", "grace@example.org")
    with project.serving() as server:

        def send(path: str, body: dict[str, Any]) -> tuple[int, Any]:
            return server.send("POST", f"/api/v1/{path}", body, admin, content_type="application/json")

        def rollout(action: str, **fields: Any) -> tuple[int, Any]:
            return send("rollouts", {"prompt": PROMPT, "environment": "staging", "action": action, **fields})

        status, made = send("releases", order("1.0.0", reason="first"))
        assigned = made["assignment"]
        assert (status, assigned["actor"], assigned["reason"]) == (201, "grace@example.org", "first"), made
        assert served(server) == "1.0.0"
        status, canary = send("releases", order("1.1.0", plan={"strategy": "canary", "percent": 10}))
        assert (status, canary["assignment"]["progress"]) == (201, "open"), canary
        (open_one,) = server.get("/api/v1/rollouts", admin)[1]
        assert [(arm["name"], arm["weight"]) for arm in open_one["arms"]] == [("canary", 10.0), ("stable", 90.0)]
        split = server.get(f"/api/v1/prompts/{PROMPT}?environment=staging", admin)[1]["split"]
        assert [arm["prompt"]["version"] for arm in split["arms"]] == ["1.1.0", "1.0.0"]
        assert send("releases", order("1.2.0"))[0] == 409, "a rollout is under way"

        assert [rollout(action)[1]["progress"] for action in ("pause", "resume")] == ["paused", "open"]
        assert [arm["weight"] for arm in rollout("promote", percent=40)[1]["arms"]] == [40.0, 60.0]
        status, done = rollout("promote", reason="fine")
        assert (status, done["progress"], served(server)) == (200, "closed", "1.1.0")
        send("releases", order("1.2.0", plan={"strategy": "canary", "percent": 50}))
        status, back = rollout("abort", reason="worse")
        assert (status, back["reason"], served(server)) == (200, "worse", "1.1.0")

        status, back = send("rollbacks", {"prompt": PROMPT, "environment": "staging", "reason": "complaints"})
        assert (status, back["actor"], served(server)) == (200, "grace@example.org", "1.0.0")
        history = server.get(f"/api/v1/history?prompt={PROMPT}&environment=staging", admin)[1]
        assert [a["sequence"] for a in history] == list(range(len(history), 0, -1))
        assert {a["actor"] for a in history} == {"grace@example.org"}
        lineage = server.get(f"/api/v1/lineage/{PROMPT}?version=1.0.0", admin)[1]
        assert len(lineage["versions"][0]["servings"]) >= 2
        changes = server.get(f"/api/v1/diff/{PROMPT}?from=1.0.0&to=1.1.0", admin)[1]
        assert changes["texts"]

        for path, body, status in (
            ("releases", order("9.9.9"), 404),
            ("releases", order("latest"), 404),
            ("releases", order("1.0.0", "nowhere"), 400),
            ("rollbacks", {"prompt": "no/such", "environment": "staging"}, 404),
        ):
            found, answer = send(path, body)
            assert found == status, answer
        assert rollout("pause")[0] == 404, "nothing is under way"


def test_what_was_decided_about_is_what_changes(project: Project) -> None:
    """Two people see the same release, and both take it back: one of them is told that it is gone already."""
    free_staging(project)
    ada = project.key("--role", "engineer", "--user", "ada@example.org")
    grace = project.key("--role", "engineer", "--user", "grace@example.org")
    with project.serving() as server:

        def send(path: str, body: dict[str, Any], key: str = ada) -> tuple[int, Any]:
            return server.send("POST", f"/api/v1/{path}", body, key, content_type="application/json")

        for version in ("1.0.0", "1.2.0", "1.1.0"):
            seen = send("releases", order(version))[1]["assignment"]["sequence"]
        back = {"prompt": PROMPT, "environment": "staging", "sequence": seen}
        assert send("rollbacks", back)[0] == 200
        status, refused = send("rollbacks", back, grace)
        assert (status, refused["error"]["param"]) == (409, "sequence")
        assert "serves 1.2.0, since number 4 by ada@example.org" in refused["error"]["message"]
        assert served(server) == "1.2.0"

        began = send("releases", order("1.1.0", plan={"strategy": "canary", "percent": 10}))[1]["assignment"]
        step = {"prompt": PROMPT, "environment": "staging", "sequence": began["sequence"]}
        assert send("rollouts", {**step, "action": "promote", "percent": 40})[0] == 200
        for action in ("promote", "pause", "resume", "abort"):
            status, refused = send("rollouts", {**step, "action": action}, grace)
            assert (status, "1.1.0 (canary) and 1.2.0 (stable)" in refused["error"]["message"]) == (409, True), refused
        (current,) = [a for a in server.get("/api/v1/environments")[1] if a["environment"] == "staging"]
        assert [arm["weight"] for arm in current["arms"]] == [40.0, 60.0]
        assert send("rollouts", {**step, "sequence": current["sequence"], "action": "abort"}, grace)[0] == 200


def test_only_a_person_approves(project: Project) -> None:
    project.replace("moat.yaml", {"  staging:\n": "  staging:\n    approvals: 1\n"})
    robot, ada, grace = (
        project.key("--role", "admin", "--name", "robot"),
        project.key("--role", "admin", "--user", "ada@example.org"),
        project.key("--role", "admin", "--user", "grace@example.org"),
    )
    with project.serving() as server:

        def send(path: str, body: dict[str, Any], key: str) -> tuple[int, Any]:
            return server.send("POST", f"/api/v1/{path}", body, key, content_type="application/json")

        status, answer = send("releases", order("1.0.0"), ada)
        assert (status, "approv" in answer["error"]["message"]) == (409, True), answer
        subprocess.run(["git", "config", "user.email", "ada@example.org"], cwd=project.root, check=True)
        made = project.ok("release", "approve", f"{PROMPT}@1.0.0", "--to", "staging", "--json").json
        release = made["release"] if isinstance(made["release"], str) else made["release"]["id"]
        body = {"release": release, "environment": "staging", "comment": "Read it."}
        status, answer = send("approvals", body, robot)
        assert (status, "person" in answer["error"]["message"]) == (403, True)
        status, answer = send("approvals", body, grace)
        assert (status, answer["actor"], answer["comment"]) == (201, "grace@example.org", "Read it.")
        assert send("releases", order("1.0.0"), ada)[0] == 201


def test_of_many_at_once_each_is_in_the_history_or_refused(project: Project) -> None:
    free_staging(project)
    with project.serving() as server:
        start = threading.Barrier(8)

        def release(number: int) -> int:
            start.wait()
            body = order(f"1.{number % 3}.0")
            return server.send("POST", "/api/v1/releases", body, content_type="application/json")[0]

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(release, range(8)))
        history = server.get(f"/api/v1/history?prompt={PROMPT}&environment=staging")[1]
        assert set(statuses) <= {201, 409}
        assert 1 <= len(history) <= statuses.count(201)
        assert [a["sequence"] for a in history] == list(range(len(history), 0, -1))
        (current,) = [a for a in server.get("/api/v1/environments")[1] if a["environment"] == "staging"]
        assert current == history[0]


def test_a_signed_push_releases_what_was_merged(project: Project) -> None:
    project.replace("moat.yaml", {"  staging:\n": "  staging:\n    auto: merge\n"})
    with (project.root / "moat.yaml").open("a", encoding="utf-8") as config:
        config.write('git: {webhook_secret: "${HOOK}"}\n')
    project.environ["HOOK"] = "hush"
    git = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    subprocess.run([*git, "commit", "-qam", "Release by merging"], cwd=project.root, check=True)
    push = json.dumps({"ref": "refs/heads/main"}).encode()
    sign = "sha256=" + hmac.new(b"hush", push, hashlib.sha256).hexdigest()
    with project.serving() as server:

        def hear(signature: str) -> int:
            connection = server.connection()
            headers = {"content-type": "application/json", "x-hub-signature-256": signature}
            connection.request("POST", "/api/v1/webhooks/git", push, headers)
            with connection.getresponse() as response:
                response.read()
            connection.close()
            return response.status

        assert hear("sha256=0") == 401
        assert server.get("/api/v1/status")[1]["sync"] is None
        assert hear(sign) == 202
        report = eventually(lambda: server.get("/api/v1/status")[1]["sync"])
        assert {step["outcome"] for step in report["steps"] if step["prompt"] == PROMPT} == {"released"}, report
        eventually(lambda: server.get(f"/api/v1/prompts/{PROMPT}?environment=staging")[0] == 200)
        before = server.get(f"/api/v1/history?prompt={PROMPT}&environment=staging")[1]
        assert hear(sign) == 202, "a push that is replayed"
        eventually(lambda: {s["outcome"] for s in server.get("/api/v1/status")[1]["sync"]["steps"]} == {"unchanged"})
        assert server.get(f"/api/v1/history?prompt={PROMPT}&environment=staging")[1] == before
