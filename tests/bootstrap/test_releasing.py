"""What a release rests on, what it leaves behind when it is refused, and the way back."""

import http.server
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.bootstrap.announcement import ServerFile, announced
from moat.bootstrap.project import Project as Files
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.state import State, open_state
from moat.domain.errors import ConflictError, NotFound
from moat.domain.releases import (
    Arm,
    Assignment,
    MessageTemplate,
    PromptVersion,
    Registration,
    prompt_digest,
)
from moat.ports.releases import Order, Plan
from moat.prompts.lock import read_lock
from tests.bootstrap.projects import PROMPT, Project, eventually

CONFLICT, CONFIG = 75, 78
WORSE, BETTER = "1.1.0", "1.2.0"


def add_version(project: Project, version: str, copied: str, temperature: str) -> None:
    """A version that answers as another one does, under a digest of its own."""
    text = (project.root / f"prompts/{PROMPT}/{copied}.yaml").read_text("utf-8")
    assert "temperature: 0.2" in text
    (project.root / f"prompts/{PROMPT}/{version}.yaml").write_text(
        text.replace("temperature: 0.2", f"temperature: {temperature}"), "utf-8"
    )


def widen_margins(project: Project) -> None:
    """Gates that a version passes against one that answers alike, however bad both are."""
    wide = {"margin: 0.05, min: 0.7": "margin: 0.2", "margin: 0.05": "margin: 0.2", "margin: 0.12}": "margin: 0.2}"}
    project.replace("evals/support.yaml", wide)


def gate(project: Project, version: str, *options: str) -> int:
    return project.run("gate", f"{PROMPT}@{version}", "--suite", "support", *options).code


def to_production(project: Project, version: str) -> int:
    return project.run("release", "create", f"{PROMPT}@{version}", "--to", "production").code


def test_no_choice_of_baseline_makes_a_blocked_version_good(project: Project) -> None:
    """Nothing but a pass against what production serves opens the way there."""
    widen_margins(project)
    assert gate(project, "1.0.0") == 0
    assert to_production(project, "1.0.0") == 0
    assert gate(project, WORSE) == 1
    assert to_production(project, WORSE) == CONFLICT
    same = project.run("gate", f"{PROMPT}@{WORSE}", "--suite", "support", "--baseline", f"{PROMPT}@{WORSE}")
    assert (same.code, "Identical to the baseline" in same.out) == (0, True)
    add_version(project, "0.9.0", WORSE, "0.3")
    assert gate(project, WORSE, "--baseline", "0.9.0") == 0
    done = project.run("release", "create", f"{PROMPT}@{WORSE}", "--to", "production")
    assert done.code == CONFLICT
    assert "regressed" in done.err
    assert f"moat gate {PROMPT}@{WORSE} --suite support" in done.err
    assert to_production(project, "0.9.0") == CONFLICT, "it was never judged itself"


def test_a_weak_baseline_does_not_clear_a_version_for_being_one(project: Project) -> None:
    """Where nothing is served, the version a gate blocked is no baseline, whatever else it was compared with."""
    widen_margins(project)
    assert gate(project, WORSE) == 1
    add_version(project, "0.9.0", WORSE, "0.3")
    assert gate(project, WORSE, "--baseline", "0.9.0") == 0
    (report,) = project.ok("gate", f"{PROMPT}@{BETTER}", "--suite", "support", "--json").json
    assert report["comparison"]["baseline"]["version"] == "1.0.0"


@pytest.mark.parametrize("what", ["dataset", "gates", "scorers", "prompt"])
def test_a_pass_counts_for_what_stands_in_the_files(project: Project, what: str) -> None:
    assert gate(project, BETTER) == 0
    file = (
        project.root
        / {
            "dataset": "evals/datasets/support.jsonl",
            "gates": "evals/support.yaml",
            "scorers": "evals/support.yaml",
            "prompt": f"prompts/{PROMPT}/{BETTER}.yaml",
        }[what]
    )
    before = file.read_text("utf-8")
    changed = {
        "dataset": "".join(before.splitlines(keepends=True)[:50]),
        "gates": before.replace("min: 0.7", "min: 1.0"),
        "scorers": before.replace("values: [guarantee, lawyer]", "values: [guarantee]"),
        "prompt": before.replace("temperature: 0.2", "temperature: 0.7"),
    }[what]
    assert changed != before
    file.write_text(changed, "utf-8")
    assert to_production(project, BETTER) == CONFLICT
    file.write_text(before, "utf-8")
    assert to_production(project, BETTER) == 0


def test_runs_that_no_gate_judged_do_not_hide_the_one_that_passed(project: Project) -> None:
    assert gate(project, BETTER) == 0
    judged = project.ok("eval", "list", "--json").json[0]["id"]
    project.replace("moat.yaml", {"  taped:": "  other: {use: [simulated/other]}\n  taped:"})
    for options in (["--fresh"], ["--model", "other"]):
        project.ok("eval", "run", f"{PROMPT}@{BETTER}", "--suite", "support", *options)
    made = project.ok("release", "create", f"{PROMPT}@{BETTER}", "--to", "production", "--json").json
    (proof,) = [item for item in made["release"]["evidence"] if item["suite"] == "support"]
    assert (proof["run"], proof["verdict"]) == (judged, "pass")


def test_a_pass_against_another_model_is_none(project: Project) -> None:
    project.replace("moat.yaml", {"  taped:": "  other: {use: [simulated/other]}\n  taped:"})
    project.ok("eval", "run", f"{PROMPT}@{BETTER}", "--suite", "support", "--model", "other")
    done = project.run("release", "create", f"{PROMPT}@{BETTER}", "--to", "production")
    assert (done.code, "was never run" in done.err) == (CONFLICT, True)


def test_a_pass_is_against_what_is_served_now(project: Project) -> None:
    widen_margins(project)
    assert gate(project, "1.0.0") == 0
    assert to_production(project, "1.0.0") == 0
    assert gate(project, BETTER) == 0
    add_version(project, "1.0.1", "1.0.0", "0.3")
    assert gate(project, "1.0.1") == 0
    assert to_production(project, "1.0.1") == 0
    done = project.run("release", "create", f"{PROMPT}@{BETTER}", "--to", "production")
    assert (done.code, "against 1.0.1, which production serves" in done.err) == (CONFLICT, True)
    assert gate(project, BETTER) == 0
    assert to_production(project, BETTER) == 0
    add_version(project, "2.0.0", BETTER, "0.2")
    assert to_production(project, "2.0.0") == 0, "the same content answers as before: nothing to judge"


def test_each_environment_is_its_own_baseline(project: Project) -> None:
    project.replace("moat.yaml", {"Where the team tries a version.": "Tried here.\n    require: [smoke, support]"})
    assert project.run("gate", f"{PROMPT}@1.0.0").code == 0
    project.ok("release", "create", f"{PROMPT}@1.0.0", "--to", "staging")
    assert project.run("gate", f"{PROMPT}@{BETTER}").code == 0, "against 1.1.0: production serves nothing"
    done = project.run("release", "create", f"{PROMPT}@{BETTER}", "--to", "staging")
    remedy = f"moat gate {PROMPT}@{BETTER} --suite smoke --env staging"
    assert (done.code, remedy in done.err) == (CONFLICT, True)
    for suite in ("smoke", "support"):
        assert project.run("gate", f"{PROMPT}@{BETTER}", "--suite", suite, "--env", "staging").code == 0
    project.ok("release", "create", f"{PROMPT}@{BETTER}", "--to", "staging")


def test_a_required_suite_must_be_there_and_cover_the_prompt(project: Project) -> None:
    (project.root / "prompts" / "other").mkdir()
    (project.root / "prompts" / "other" / "1.0.0.txt").write_text("Hello", "utf-8")
    done = project.run("release", "create", "other@1.0.0", "--to", "production")
    assert (done.code, "none of which covers 'other'" in done.err) == (CONFLICT, True)
    project.replace("moat.yaml", {"require: [support]": "require: [suport]"})
    done = project.run("release", "create", f"{PROMPT}@1.0.0", "--to", "production")
    assert (done.code, "Did you mean 'support'?" in done.err) == (CONFIG, True)


def test_suites_that_differ_in_their_gates_only_share_neither_run_nor_verdict(project: Project) -> None:
    text = (project.root / "evals/support.yaml").read_text("utf-8")
    (project.root / "evals/strict.yaml").write_text(text.replace("min: 0.7", "min: 1.0"), "utf-8")
    project.replace("moat.yaml", {"require: [support]": "require: [support, strict]"})
    assert gate(project, BETTER) == 0
    assert project.run("gate", f"{PROMPT}@{BETTER}", "--suite", "strict").code != 0
    runs = project.ok("eval", "list", "--json").json
    assert sorted(run["suite"] for run in runs) == ["strict"] * 2 + ["support"] * 2, "candidate and baseline"
    done = project.run("release", "create", f"{PROMPT}@{BETTER}", "--to", "production")
    assert (done.code, "requires the suite 'strict', which has the verdict" in done.err) == (CONFLICT, True)
    made = project.ok("release", "create", f"{PROMPT}@{BETTER}", "--to", "staging", "--json").json["release"]
    assert [(proof["suite"], proof["verdict"] == "pass") for proof in made["evidence"]] == [
        ("strict", False),
        ("support", True),
    ]


def test_a_broken_configuration_holds_up_no_rollback(project: Project) -> None:
    first = project.release("1.0.0")
    project.release(BETTER)
    (project.root / "moat.yaml").write_text("models: [", "utf-8")
    back = project.ok("rollback", PROMPT, "--env", "staging", "--json").json["assignment"]
    assert ([arm["release"] for arm in back["arms"]], back["returns_to"]) == ([first], 1)


class NoRepository:
    """A project outside git."""

    def commit(self) -> str:
        return ""

    def is_dirty(self, *_paths: str) -> bool:
        return False

    def author(self) -> str:
        return "Ada"

    def log(self, path: str, **_options: object) -> list[object]:
        """None."""
        return []


def order(version: str) -> Order:
    """A wish for production."""
    return Order(prompt="p", version=version, environment="production")


def small_project(root: Path, versions: int) -> Files:
    """A project of one-word prompts, without suites."""
    (root / "prompts" / "p").mkdir(parents=True)
    (root / "moat.yaml").write_text("providers: {}\nmodels: {}\nenvironments: {production: {}}\n", "utf-8")
    for number in range(versions):
        (root / "prompts" / "p" / f"1.{number}.0.txt").write_text(f"Hello {number}", "utf-8")
    files = Files(root)
    files.__dict__["repository"] = NoRepository()
    return files


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.one_of(st.integers(0, 3), st.none()), max_size=16))
def test_rollback_walks_back_through_what_was_served(
    steps: list[int | None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Releasing piles up, rolling back takes away from the top, and the lowest stays."""
    files = small_project(tmp_path_factory.mktemp("world"), 4)
    pile: list[str] = []
    with open_state(files) as state:
        releasing = Releasing(files, state)
        for step in [*steps, *[None] * len(steps)]:
            if step is not None:
                release, served = releasing.release(order(f"1.{step}.0"), "ada")
                if pile[-1:] != [release.id]:
                    pile.append(release.id)
            elif len(pile) < 2:
                with pytest.raises(NotFound, match="served nothing before" if pile else "serves no"):
                    releasing.roll_back("p", "production", "ada", "")
                continue
            else:
                pile.pop()
                served = releasing.roll_back("p", "production", "ada", "")
            assert served == state.releases.history("p", "production")[0]
            assert served.arms == (Arm(pile[-1]),)
            assert served.replaces == tuple(map(Arm, pile[-2:-1]))
        assert len(pile) <= 1


def test_a_release_that_somebody_overtook_works_when_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = small_project(tmp_path, 2)
    with open_state(files) as state, open_state(files) as other:
        overtake(monkeypatch, state, lambda: Releasing(files, other).release(order("1.0.0"), "ada"))
        with pytest.raises(ConflictError, match="changed by somebody else"):
            Releasing(files, state).release(order("1.1.0"), "ada")
        monkeypatch.undo()
        assert [a.sequence for a in state.releases.history("p", "production")] == [1]
        assert list(read_lock(tmp_path)) == ["p@1.0.0", "p@1.1.0"], "published before it is served"
        release, served = Releasing(files, state).release(order("1.1.0"), "ada")
        assert (served.arms, served.sequence) == ((Arm(release.id),), 2)


def overtake(monkeypatch: pytest.MonkeyPatch, state: State, between: Callable[[], object]) -> None:
    """Let something happen after the release was decided on, right before it is assigned."""
    assign = state.releases.assign

    def overtaken(assignment: Assignment) -> None:
        between()
        assign(assignment)

    monkeypatch.setattr(state.releases, "assign", overtaken)


def test_releases_at_the_same_moment_are_all_published(project: Project) -> None:
    for number in range(6):
        add_version(project, f"3.{number}.0", "1.0.0", f"0.{number + 3}")
    project.ok("status")
    children = [project.spawn("release", "create", f"{PROMPT}@3.{number}.0", "--to", "staging") for number in range(6)]
    codes = []
    for child in children:
        child.communicate(timeout=60)
        codes.append(child.returncode)
    assert set(codes) <= {0, CONFLICT}
    assert sorted(read_lock(project.root)) == [f"{PROMPT}@3.{number}.0" for number in range(6)]


class Odd(http.server.BaseHTTPRequestHandler):
    """A server that hangs up, or answers with something else."""

    answer = b""

    def do_GET(self) -> None:
        self.wfile.write(self.answer)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot JSON!",
        b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_server_that_is_not_seen_to_serve_it(project: Project, answer: bytes) -> None:
    """The rollback stands; it must not be done twice, so the exit code is 0 and the warning says what is known."""
    project.release("1.0.0")
    project.release(BETTER)
    with http.server.HTTPServer(("127.0.0.1", 0), type("Answers", (Odd,), {"answer": answer})) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        with announced(project.root / ".moat" / "server.json", ServerFile(url, os.getpid(), "token")):
            text = project.ok("status")
            done = project.ok("rollback", PROMPT, "--env", "staging")
        server.shutdown()
        thread.join()
    assert "again" in done.out
    assert "no server runs" not in done.out
    assert f"the server at {url} was not seen to serve it" in done.err
    assert "did not say" in text.err


def test_status_shows_what_the_running_server_complains_about(project: Project) -> None:
    project.release("1.0.0")
    with project.serving():
        (project.root / "moat.yaml").write_text("models: [", "utf-8")
        eventually(lambda: project.ok("status", "--json").json["server"]["problems"])
        assert "problem: moat.yaml" in project.ok("status").out


def test_a_version_that_came_over_the_api_is_released_without_a_file(tmp_path: Path) -> None:
    files = small_project(tmp_path, 1)
    content = PromptVersion(name="q", version="2.0.0", messages=(MessageTemplate("user", "Hi"),), model="")
    known = Registration(content=content, digest=prompt_digest(content), source="api", author="Grace")
    with open_state(files) as state:
        state.registry.register(known)
        wish = Order(prompt="q", version="2.0.0", environment="production")
        release, served = Releasing(files, state).release(wish, "ada")
        assert (release.content, release.author, served.arms) == (content, "Grace", (Arm(release.id),))
        assert read_lock(tmp_path) == {}, "the lock is of the files"
        with pytest.raises(NotFound, match=r"no version '2\.1\.0'|no prompt 'q'"):
            Releasing(files, state).release(replace(wish, version="2.1.0"), "ada")


def test_the_same_rollout_again_changes_nothing(tmp_path: Path) -> None:
    files = small_project(tmp_path, 2)
    with open_state(files) as state:
        releasing = Releasing(files, state)
        releasing.release(order("1.0.0"), "ada")
        canary = replace(order("1.1.0"), plan=Plan(strategy="canary", percent=10))
        begun = releasing.release(canary, "ada")
        assert releasing.release(canary, "ben") == begun
        with pytest.raises(ConflictError, match="is under way"):
            releasing.release(replace(canary, plan=Plan(strategy="canary", percent=20)), "ada")
        assert len(state.releases.history("p", "production")) == 2
