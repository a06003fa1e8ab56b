"""A change is proposed as a branch: nothing that is checked out or served moves."""

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from moat.bootstrap.project import Project as Files
from moat.bootstrap.proposing import Proposing
from moat.bootstrap.state import open_state
from moat.domain.audit import Act, AuditQuery
from moat.domain.errors import Unavailable
from moat.domain.releases import prompt_digest
from moat.ports.drafts import Person, ProposedFile
from moat.prompts.catalog import Catalog
from tests.api.test_drafts import NEW, Desk
from tests.bootstrap.projects import PROMPT, Project, environment, eventually

ADA = Person("Ada", "ada@example.org")
PATH = f"prompts/{PROMPT}/{NEW}.yaml"


def git(project: Project, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=project.root, env=environment(), check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def where_things_stand(project: Project) -> tuple[str, ...]:
    return (
        git(project, "status", "--porcelain"),
        git(project, "rev-parse", "HEAD"),
        git(project, "branch", "--show-current"),
    )


@pytest.mark.promise("guard-4")
def test_a_proposal_is_a_branch_in_its_authors_name_and_nothing_else_moves(project: Project) -> None:
    with project.serving() as server:
        before, desk = where_things_stand(project), Desk(server)
        wish = desk.draft(message="Shorter answers.\n\nPeople stop reading.", title="Shorter answers")
        status, made = desk.send("POST", "/api/v1/proposals", wish)
        assert status == 201, made
        assert git(project, "show", f"{made['branch']}:{PATH}") == desk.text.strip()
        assert git(project, "log", "-1", "--format=%ae %s", made["branch"]) == "grace@example.org Shorter answers"
        assert git(project, "diff", "--name-only", "HEAD", made["branch"]) == PATH
        assert where_things_stand(project) == before

        again = desk.send("POST", "/api/v1/proposals", wish)[1]
        assert again["branch"] != made["branch"]
        listed = desk.send("GET", "/api/v1/proposals")[1]
        assert {one["branch"] for one in listed} >= {made["branch"], again["branch"]}

        def known() -> dict[str, Any]:
            (prompt,) = (one for one in server.get("/api/v1/prompts")[1] if one["name"] == PROMPT)
            return {one["version"]: one for one in prompt["versions"]}

        waiting = eventually(lambda: known().get(NEW))
        assert (waiting["releasable"], set(waiting["branches"])) == (False, {made["branch"], again["branch"]})
        assert (known()["1.2.0"]["releasable"], known()["1.2.0"]["branches"]) == (True, [])
        past = server.get(f"/api/v1/lineage/{PROMPT}?version={NEW}")[1]["versions"][0]
        assert (set(past["proposed"]), past.get("problem", "")) == ({made["branch"], again["branch"]}, "")
        served = server.get("/api/v1/serving")[1]
        assert all(NEW not in str(one) for one in served)
    entries = project.ok("audit", "list", "--action", "prompt.propose", "--json").json
    assert [one["entry"]["actor"] for one in entries] == ["grace@example.org"] * 2


def proposing(project: Project, audit: Any) -> Proposing:
    files = Files(project.root)
    return Proposing(project.root, lambda: files.settings, audit)


def test_of_many_at_once_each_gets_a_branch_of_its_own(project: Project) -> None:
    with open_state(Files(project.root)) as state:
        start = threading.Barrier(6)

        def propose(number: int) -> str:
            file = ProposedFile(path="evals/datasets/more.jsonl", text=f'{{"id": "{number}"}}\n')
            start.wait()
            return proposing(project, state.audit).make((file,), "more", f"number {number}", ADA).branch

        with ThreadPoolExecutor(6) as pool:
            made = list(pool.map(propose, range(6)))
        written = {one.entry.subject: one.content for one in state.audit.entries(AuditQuery(action="prompt.propose"))}
    assert len(set(made)) == 6
    assert written.keys() == set(made)
    for number, branch in enumerate(made):
        content = written[branch]
        assert content is not None
        assert content.reason == f"number {number}"
        assert git(project, "rev-parse", branch) == content.detail["commit"]


def test_what_cannot_be_written_down_is_not_there(project: Project) -> None:
    class Full:
        def record(self, act: Act) -> None:
            raise Unavailable("the disk is full")

    file = ProposedFile(path="evals/datasets/more.jsonl", text='{"id": "1"}\n')
    with pytest.raises(Unavailable, match="full"):
        proposing(project, Full()).make((file,), "more", "more cases", ADA)
    assert git(project, "branch", "--list", "propose/*") == ""


ELSEWHERE = (
    *(
        "../prompts/a/1.0.0.yaml",
        "prompts/../moat.yaml",
        "sub/moat.yaml",
        "/etc/passwd",
        "prompts/.git/config",
        ".git/hooks/pre-commit",
    ),
    *("prompts.lock", "evals/scorers.py", "prompts/a/1.0.0.py", "prompts/a\x00/1.0.0.yaml", "prompts//1.0.0.yaml"),
    *("policies/baseline.yaml", "prompts/-x/1.0.0.yaml", "prompts\\a\\1.0.0.yaml", ".github/workflows/x.yaml"),
)


@pytest.mark.promise("inj-3")
def test_only_prompts_tools_and_evals_have_a_place_in_it(desk: Desk) -> None:
    branches = git(desk.server.project, "branch", "--list")
    for path in ELSEWHERE:
        wish: dict[str, Any] = {"message": "x", "files": [{"path": path, "text": "a: 1\n"}]}
        assert desk.send("POST", "/api/v1/proposals", wish)[0] == 400, path
    assert git(desk.server.project, "branch", "--list") == branches


def test_what_lint_finds_wrong_is_not_proposed(desk: Desk) -> None:
    wrong = desk.text.replace("{{ question }}", "{{ qestion }}")
    assert wrong != desk.text
    status, refused = desk.send("POST", "/api/v1/proposals", desk.draft(wrong, message="x"))
    assert status == 400
    assert "qestion" in refused["error"]["message"]


def test_partials_are_proposed_with_the_version_and_break_no_other(desk: Desk) -> None:
    project = desk.server.project
    (project.root / "prompts.lock").write_text(f"{PROMPT}@1.2.0: {_digest(project)}\n")
    git(project, "add", "prompts.lock")
    git(project, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "published")
    wish = desk.draft(message="x", partials={"tone": "Be brief."})
    status, refused = desk.send("POST", "/api/v1/proposals", wish)
    assert status == 400
    assert f"{PROMPT}@1.2.0 is published" in refused["error"]["message"]

    text = desk.text.replace('{% include "tone" %}', '{% include "tone-2" %}')
    wish = desk.draft(text, message="x", partials={"tone-2": "Be brief.\n"})
    status, made = desk.send("POST", "/api/v1/proposals", wish)
    assert (status, sorted(made["files"])) == (201, ["prompts/_partials/tone-2.j2", PATH])
    assert git(project, "show", f"{made['branch']}:prompts/_partials/tone-2.j2") == "Be brief."
    both = wish | {"files": [{"path": PATH, "text": text}]}
    assert desk.send("POST", "/api/v1/proposals", both)[0] == 400, "files or a draft"


def _digest(project: Project) -> str:
    return prompt_digest(Catalog.load(project.root).get(PROMPT, "1.2.0"))


@pytest.fixture
def desk(project: Project) -> Iterator[Desk]:
    """Of somebody whose project is served."""
    with project.serving() as server:
        yield Desk(server)
