"""A limit is changed by a proposal: the file becomes what was asked for, all else of it stays, and nothing in force
moves.
"""

import difflib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.test_proposals import git, where_things_stand
from tests.bootstrap.projects import Project, Server

LIMITS = """
limits:
  # What the contract with the shops says.
  - name: tenant-month
    per: [tenant]
    money: '250.00'   # each
    warn_at: [0.8]
  - {name: key-rate, per: [key], requests: 300, window: minute}  # of the gateway
"""
RULE = {"name": "tenant-month", "per": ["tenant"], "money": "250", "warn_at": [0.8]}


class Office:
    """An engineer's desk."""

    def __init__(self, server: Server, role: str = "engineer") -> None:
        self.server = server
        self.key = server.project.key("--name", role, "--role", role, "--user", f"{role}@example.org")

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return self.server.send(method, path, body, self.key, content_type="application/json")

    def draft(self, **wish: Any) -> tuple[int, Any]:
        return self.send("POST", "/api/v1/limits/drafts", wish)

    def changes(self, **wish: Any) -> list[str]:
        """Lines that go and come."""
        status, made = self.draft(**wish)
        assert status == 200, made
        lines = difflib.ndiff(made["before"].splitlines(), made["text"].splitlines())
        return [line for line in lines if line.startswith(("- ", "+ "))]

    def propose(self, draft: Any, **more: Any) -> tuple[int, Any]:
        file = {part: draft[part] for part in ("path", "text", "base")}
        return self.send("POST", "/api/v1/proposals", {"message": "why", "files": [file], **more})


def commit(project: Project) -> None:
    git(project, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-qam", "Limits")


@pytest.fixture
def limited(project: Project) -> Project:
    """A project with limits."""
    with (project.root / "moat.yaml").open("a", encoding="utf-8") as file:
        file.write(LIMITS)
    commit(project)
    return project


@pytest.fixture
def office(limited: Project) -> Iterator[Office]:
    """Of somebody whose project is served."""
    with limited.serving() as server:
        yield Office(server)


@pytest.mark.promise("guard-4")
def test_a_budget_is_raised_by_a_branch_with_that_line_alone(office: Office) -> None:
    project = office.server.project
    before, rules = where_things_stand(project), office.send("GET", "/api/v1/limits/rules")
    status, draft = office.draft(limit="tenant-month", rule=RULE | {"money": "400.00"})
    assert (status, draft["edited"], draft["base"]) == (200, False, before[1])
    status, made = office.propose(draft, title="limits: more for shops")
    assert (status, made["branch"], made["files"]) == (201, "propose/moat", ["moat.yaml"])
    told = git(project, "diff", "--unified=0", "--no-color", "HEAD", made["branch"]).splitlines()
    assert [line for line in told if line[:1] in "+-" and line[:3] not in ("+++", "---")] == [
        "-    money: '250.00'   # each",
        "+    money: '400.00'   # each",
    ]
    assert git(project, "log", "-1", "--format=%ae", made["branch"]) == "engineer@example.org"
    assert (where_things_stand(project), office.send("GET", "/api/v1/limits/rules")) == (before, rules)


def test_what_is_asked_for_and_nothing_else_changes(office: Office) -> None:
    assert office.changes(limit="tenant-month", rule=RULE) == []
    assert office.changes(limit="tenant-month", rule=RULE | {"action": "warn", "per": []}) == [
        "-     per: [tenant]",
        "+     action: warn",
    ]
    assert office.changes(limit="key-rate") == [
        "-   - {name: key-rate, per: [key], requests: 300, window: minute}  # of the gateway"
    ]
    assert office.changes(rule={"name": "at-once", "per": ["user"], "concurrent": 4}) == [
        "+   - {name: at-once, per: [user], concurrent: 4}"
    ]
    rules = office.server.get("/api/v1/limits/rules")[1]
    assert {one["place"] for one in rules if one["limit"] == "console-playground"} == {"built in"}
    assert office.changes(per_day="7.50") == ["+ ", "+ console:", '+   playground: {per_day: "7.50"}']
    assert office.changes(limit="console-playground", per_day="5.00")[-1].endswith('{per_day: "5.00"}')


REFUSED: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({}, 400, "nothing is asked for"),
    ({"limit": "no-such"}, 404, "tenant-month, key-rate"),
    ({"rule": {"name": "key-rate", "tokens": 5}}, 400, "two limits are called 'key-rate'"),
    ({"rule": {"name": "x", "tokens": 5, "money": "5"}}, 400, "tokens and money"),
    ({"rule": {"name": "x", "money": "lots"}}, 400, "'lots' is not an amount"),
    ({"rule": {"name": "x", "tokens": -1}}, 400, "$.rule.tokens"),
    ({"rule": {"name": "x", "tokens": 1, "timezone": "Europe/Nowhere"}}, 400, "no time zone"),
    ({"limit": "console-playground"}, 400, "`per_day`"),
    ({"per_day": "-1"}, 400, "'-1' is no budget"),
    ({"per_day": "1", "rule": RULE}, 400, "one change at a time"),
)


def test_what_could_not_be_in_force_is_no_draft(office: Office) -> None:
    for wish, status, says in REFUSED:
        got, refused = office.draft(**wish)
        error = refused["error"]
        assert (got, says in f"{error['param']} {error['message']}") == (status, True), refused


def test_what_the_environment_states_is_changed_there(limited: Project) -> None:
    limited.environ["MONTHLY_TOKEN_BUDGET"] = "5000"
    with limited.serving() as server:
        status, refused = Office(server).draft(limit="monthly-token-budget")
    assert status == 400
    assert "MONTHLY_TOKEN_BUDGET" in refused["error"]["message"]


def test_a_change_of_others_is_not_taken_back(office: Office) -> None:
    project = office.server.project
    draft = office.draft(limit="key-rate")[1]
    project.replace("moat.yaml", {"requests: 300": "requests: 400"})
    assert office.draft(limit="tenant-month")[1]["before"] == draft["before"]
    commit(project)
    status, refused = office.propose(draft)
    assert (status, "has changed since" in refused["error"]["message"]) == (409, True)
    assert office.propose(office.draft(limit="key-rate")[1])[0] == 201
    assert office.propose(draft | {"base": "0" * 40})[0] == 400


def test_who_may_not_is_refused(office: Office) -> None:
    draft = office.draft(limit="key-rate")[1]
    expert = Office(office.server, "expert")
    assert expert.draft(limit="key-rate")[0] == 403
    status, refused = expert.propose(draft)
    assert (status, "engineers and admins" in refused["error"]["message"]) == (403, True)
    assert git(office.server.project, "branch", "--list", "propose/*") == ""


@pytest.mark.promise("inj-3")
def test_a_configuration_that_would_not_load_is_not_proposed(limited: Project) -> None:
    limited.environ["PAYROLL_KEY"] = "s3cr3t-of-the-server"
    with limited.serving() as server:
        office = Office(server)
        draft = office.draft(limit="key-rate")[1]
        wrong = {
            "project: support-assistant": "projekt: x",
            "simulated/support-small]": "nobody/support-small]",
            "require: [support]": "require: [no-such-suite]",
            "rules: simulation/support.yaml": "rule: simulation/support.yaml",
            "kind: simulated,": "kind: simulted,",
        }
        for old, new in wrong.items():
            assert old in draft["text"]
            status, refused = office.propose(draft | {"text": draft["text"].replace(old, new)})
            assert (status, refused["error"]["code"]) in ((400, "invalid_config"), (400, "invalid_prompt")), refused
        told = draft["text"].replace("rules: simulation/support.yaml", 'rules: a.yaml, seed: "${PAYROLL_KEY}"')
        assert "s3cr3t" not in str(office.propose(draft | {"text": told}))
        status, refused = office.propose(draft | {"text": draft["text"] + 'git: {webhook_secret: "plain"}\n'})
        assert (status, "a secret stands in the file" in refused["error"]["message"]) == (400, True)


def test_a_file_of_a_proposal_is_read_from_its_branch(office: Office) -> None:
    draft = office.draft(limit="key-rate")[1]
    branch = office.propose(draft)[1]["branch"]
    viewer = Office(office.server, "viewer")
    status, file = viewer.send("GET", f"/api/v1/proposals/file?branch={branch}&path=moat.yaml")
    assert (status, file["text"], file["branch"]) == (200, draft["text"], branch)
    others = ("branch=main&path=moat.yaml", f"branch={branch}&path=prompts.lock", f"branch={branch}~1&path=moat.yaml")
    for query in (*others, f"branch={branch}&path=../moat.yaml", "branch=propose/none&path=moat.yaml"):
        assert viewer.send("GET", f"/api/v1/proposals/file?{query}")[0] == 404, query
