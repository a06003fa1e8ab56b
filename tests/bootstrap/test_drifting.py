"""Drift of real projects: files and commits change under what is served, and everybody says so."""

import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from tests.bootstrap.projects import PROMPT, Project, Server, eventually

FILE = f"prompts/{PROMPT}/1.0.0.yaml"


def git(project: Project, *arguments: str) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", *who, *arguments], cwd=project.root, check=True, capture_output=True)


def rows(project: Project) -> list[Any]:
    served: list[Any] = project.ok("status", "--json").json["served"]
    return served


def kinds(project: Project) -> list[str]:
    """What `moat status` says about the one release; that it was never evaluated is the same in all these tests."""
    (row,) = rows(project)
    return [drift["kind"] for drift in row["drift"] if drift["kind"] != "never-evaluated"]


def test_each_step_away_from_git_is_told(project: Project) -> None:
    project.release("1.0.0")
    assert kinds(project) == []
    text = (project.root / FILE).read_text("utf-8")

    (project.root / FILE).write_text(f"# another comment\n{text}", "utf-8")
    assert kinds(project) == ["not-committed"], "the same content, in a file that no commit holds as it is"

    project.replace(FILE, {"You ": "You do "})
    assert kinds(project) == ["edited"]
    told = project.ok("status").out
    assert f"drift: staging {PROMPT}@1.0.0: edited: {FILE} says something else" in told

    (project.root / FILE).write_text("messages: [", "utf-8")
    assert kinds(project) == ["broken-file"]

    (project.root / FILE).unlink()
    assert kinds(project) == ["not-in-files"]
    git(project, "checkout", "--", FILE)
    assert kinds(project) == []


def test_a_partial_and_a_new_file_count(project: Project) -> None:
    new = project.root / f"prompts/{PROMPT}/9.0.0.yaml"
    new.write_text((project.root / FILE).read_text("utf-8"), "utf-8")
    project.release("9.0.0")
    assert kinds(project) == ["not-committed"]
    git(project, "add", "--all")
    assert kinds(project) == ["not-committed"], "staged is not committed"
    git(project, "commit", "-qm", "New")
    assert kinds(project) == []


def test_the_lock_and_the_model_count(project: Project) -> None:
    project.release("1.0.0")
    lock = project.root / "prompts.lock"
    published = lock.read_text("utf-8")
    lock.write_text(published.replace("sha256:", "sha256:0"), "utf-8")
    assert kinds(project) == ["locked-otherwise"]
    lock.unlink()
    assert kinds(project) == ["not-locked"]
    lock.write_text(published, "utf-8")
    project.replace("moat.yaml", {"use: [simulated/support-large, ": "use: ["})
    assert kinds(project) == ["model-changed"]


def test_without_git_nothing_is_said_about_commits(project: Project) -> None:
    project.release("1.0.0")
    (project.root / ".git").rename(project.root / "was.git")
    (project.root / FILE).write_text("# a comment\n" + (project.root / FILE).read_text("utf-8"), "utf-8")
    assert kinds(project) == []


def test_before_the_first_commit_nothing_is_committed(project: Project) -> None:
    (project.root / ".git").rename(project.root / "was.git")
    git(project, "init", "-q")
    project.release("1.0.0")
    assert kinds(project) == ["not-committed"]


def test_status_survives_what_it_cannot_read(project: Project) -> None:
    project.release("1.0.0")
    (project.root / "prompts.lock").write_text("- no lock\n", "utf-8")
    done = project.ok("status", "--json").json
    assert "prompts.lock" in done["drift_unknown"]
    told = project.ok("status").out
    assert "drift is not known: prompts.lock" in told
    assert "not known" in told


def test_a_release_says_what_is_wrong_with_it(project: Project) -> None:
    (project.root / FILE).write_text("# a comment\n" + (project.root / FILE).read_text("utf-8"), "utf-8")
    done = project.ok("release", "create", f"{PROMPT}@1.0.0", "--to", "staging", "--json").json
    assert [drift["kind"] for drift in done["drift"]] == ["not-committed", "never-evaluated"]
    id = done["release"]["id"]
    assert "not-committed" in project.ok("release", "show", id).out


def metrics(server: Server) -> str:
    request = urllib.request.Request(f"{server.url}/metrics", headers={"authorization": f"Bearer {server.token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def test_a_running_server_follows_files_and_commits(project: Project) -> None:
    project.release("1.0.0")
    series = f'moat_prompt_drift{{environment="staging",kind="%s",prompt="{PROMPT}"}} 1.0'
    with project.serving() as server:

        def told(kind: str) -> bool:
            return series % kind in metrics(server)

        eventually(lambda: told("never-evaluated"))
        assert not told("not-committed")
        project.replace(FILE, {"owner: support": "owner: somebody"})
        eventually(lambda: told("not-committed"))
        git(project, "commit", "-qam", "Described")
        eventually(lambda: not told("not-committed"))
        (project.root / FILE).unlink()
        eventually(lambda: told("not-in-files"))
        found = server.get("/api/v1/status")[1]["drift"]
        assert {drift["kind"] for drift in found} == {"not-in-files", "never-evaluated"}
        git(project, "checkout", "--", FILE)
        eventually(lambda: not told("not-in-files"))
        # A lock that cannot be read: what was known stays, and the problem is told.
        lock = Path(project.root / "prompts.lock")
        lock.write_text("- no lock\n", "utf-8")
        eventually(lambda: "moat_serving_problems 1.0" in metrics(server))
        assert told("never-evaluated")
