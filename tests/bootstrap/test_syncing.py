"""What is merged is released by itself, once, as the environments' rules say."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from moat.bootstrap import syncing
from moat.bootstrap.project import Project as Files
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.settings import load_settings
from moat.bootstrap.state import State, open_state
from moat.bootstrap.syncing import Syncing, webhook_secret
from moat.domain.errors import ConfigError, ConflictError, NotFound, Unavailable
from moat.domain.releases import PromptRef, Release
from moat.ports.releases import Order, Plan, Promotion, SyncReport
from tests.bootstrap.projects import PROMPT, Project
from tests.bootstrap.test_indexing import ADA, BOB, commit, git
from tests.bootstrap.test_reload import until
from tests.bootstrap.test_serving import up

STAGING = {"  staging:\n": "  staging:\n    auto: merge\n"}
TOP = "1.2.0"
"""The newest version of the example."""


def automatic(project: Project, changes: dict[str, str] | None = None) -> None:
    """Let staging release what is merged."""
    project.replace("moat.yaml", changes or STAGING)
    commit(project.root, {})


def synced(state: State, root: Path, revision: str = "main") -> SyncReport:
    return Syncing(Files(root), state).release_merged(revision)


def outcomes(report: SyncReport) -> list[tuple[str, str, str, str]]:
    return [(step.environment, step.prompt, step.version, step.outcome) for step in report.steps]


def different(root: Path, old: str, new: str) -> dict[str, str]:
    """The next version of the prompt, with another parameter."""
    text = (root / f"prompts/{PROMPT}/{old}.yaml").read_text("utf-8")
    assert "max_tokens: " in text
    return {f"prompts/{PROMPT}/{new}.yaml": text.replace("max_tokens: ", "max_tokens: 1", 1)}


def current(state: State, environment: str = "staging") -> Release:
    """What everybody gets."""
    return state.releases.get(state.releases.history(PROMPT, environment)[0].arms[0].release)


def test_a_merge_releases_the_newest_version_once(project: Project) -> None:
    automatic(project)
    root = project.root
    at = commit(root, different(root, TOP, "1.3.0") | different(root, TOP, "1.4.0-rc.1"), BOB)
    head = commit(root, {"README.md": "Something else"})
    with open_state(Files(root)) as state:
        report = synced(state, root)
        assert outcomes(report) == [("staging", PROMPT, "1.3.0", "released")]
        assert (report.commit, report.subject, report.author) == (head, "Change README.md", ADA)
        release = current(state)
        assert (release.id, release.version) == (report.steps[0].release, "1.3.0")
        assert (release.commit, release.dirty, release.author) == (at, False, BOB)
        served = state.releases.history(PROMPT, "staging")[0]
        assert served.reason == f"merge {head[:10]}: Change README.md"
        assert served.actor == ADA
        revision = state.releases.revision()
        again = synced(state, root)
        assert {step.outcome for step in again.steps} == {"unchanged"}
        assert state.releases.revision() == revision
    assert git(root, "status", "--porcelain") == "?? prompts.lock", "nothing else is written into the working tree"


def test_a_merged_version_is_published_so_that_lint_sees_edits(project: Project) -> None:
    automatic(project)
    commit(project.root, different(project.root, TOP, "1.3.0"))
    with open_state(Files(project.root)) as state:
        synced(state, project.root)
    assert project.run("lint").code == 0
    project.replace(f"prompts/{PROMPT}/1.3.0.yaml", {"temperature: 0.2": "temperature: 0.3"})
    done = project.run("lint")
    assert (done.code, "edited-version" in done.out) == (1, True)


def test_the_working_tree_does_not_matter(project: Project) -> None:
    automatic(project)
    root = project.root
    commit(root, different(root, TOP, "1.3.0"))
    git(root, "switch", "-qc", "topic", "HEAD~1")
    (root / f"prompts/{PROMPT}/9.0.0.md").write_text("unfinished", "utf-8")
    with open_state(Files(root)) as state:
        assert outcomes(synced(state, root)) == [("staging", PROMPT, "1.3.0", "released")]


def test_what_was_rolled_back_does_not_come_again(project: Project) -> None:
    automatic(project)
    root = project.root
    with open_state(Files(root)) as state:
        synced(state, root)
        commit(root, different(root, TOP, "1.3.0"))
        synced(state, root)
        Releasing(Files(root), state).roll_back(PROMPT, "staging", "ada", "worse")
        assert current(state).version == TOP
        assert outcomes(synced(state, root)) == [("staging", PROMPT, "1.3.0", "unchanged")]
        commit(root, {"README.md": "Later"})
        assert outcomes(synced(state, root)) == [("staging", PROMPT, "1.3.0", "unchanged")]
        assert current(state).version == TOP
        commit(root, different(root, TOP, "1.4.0"))
        assert outcomes(synced(state, root)) == [("staging", PROMPT, "1.4.0", "released")]


def test_something_newer_stays(project: Project) -> None:
    automatic(project)
    root = project.root
    before = git(root, "rev-parse", "HEAD")
    commit(root, different(root, TOP, "2.0.0"))
    with open_state(Files(root)) as state:
        synced(state, root)
        report = synced(state, root, before)
        assert outcomes(report) == [("staging", PROMPT, TOP, "skipped")]
        assert "2.0.0" in report.steps[0].detail
        assert current(state).version == "2.0.0"


def test_an_open_rollout_is_waited_for(project: Project) -> None:
    automatic(project)
    root = project.root
    with open_state(Files(root)) as state:
        synced(state, root)
        commit(root, different(root, TOP, "1.3.0"))
        releasing = Releasing(Files(root), state)
        order = Order(prompt=PROMPT, version="1.3.0", environment="staging", plan=Plan(strategy="canary", percent=10))
        releasing.release(order, "ada")
        commit(root, different(root, TOP, "1.4.0"))
        report = synced(state, root)
        assert outcomes(report) == [("staging", PROMPT, "1.4.0", "waiting")]
        assert "canary" in report.steps[0].detail
        releasing.promote(Promotion(prompt=PROMPT, environment="staging"), "ada")
        assert outcomes(synced(state, root)) == [("staging", PROMPT, "1.4.0", "released")]


def test_a_missing_verdict_is_waited_for(project: Project) -> None:
    automatic(project, {"    require: [support]": "    require: [support]\n    auto: verdict"})
    root = project.root
    done = project.process("release", "sync", "--json", "--strict")
    assert done.code == 1, done
    (step,) = done.json["steps"]
    assert (step["environment"], step["outcome"]) == ("production", "waiting")
    assert "support" in step["detail"]
    assert project.process("release", "sync").code == 0, "waiting is no failure"
    assert project.process("gate", f"{PROMPT}@{TOP}").code == 0
    done = project.process("release", "sync", "--strict", "--json")
    assert (done.code, done.json["steps"][0]["outcome"]) == (0, "released")
    with open_state(Files(root)) as state:
        assert current(state, "production").evidence[0].verdict == "pass"


def test_approvals_are_waited_for_and_can_be_given(project: Project) -> None:
    automatic(project, {"  staging:\n": "  staging:\n    auto: merge\n    approvals: 1\n"})
    root = project.root
    with open_state(Files(root)) as state:
        (step,) = synced(state, root).steps
        assert (step.outcome, "approval" in step.detail) == ("waiting", True)
        revision = state.releases.revision()
        assert synced(state, root).steps == (step,)
        assert state.releases.revision() == revision
        Releasing(Files(root), state).approve(step.release, "staging", "Carol <carol@example.org>", "")
        assert outcomes(synced(state, root)) == [("staging", PROMPT, TOP, "released")]
        assert current(state).id == step.release


def test_an_edited_published_version_is_refused(project: Project) -> None:
    automatic(project)
    root = project.root
    order = Order(prompt=PROMPT, version=TOP, environment="production", reason="test", break_glass=True)
    with open_state(Files(root)) as state:
        Releasing(Files(root), state).release(order, "ada")
    path = f"prompts/{PROMPT}/{TOP}.yaml"
    text = (root / path).read_text("utf-8")
    commit(root, {path: text.replace("max_tokens: ", "max_tokens: 1", 1)})
    (root / path).write_text(text, "utf-8")
    with open_state(Files(root)) as state:
        report = synced(state, root)
        assert outcomes(report) == [("staging", PROMPT, TOP, "refused")]
        assert state.releases.history(PROMPT, "staging") == []


def test_a_broken_version_is_refused_and_hinders_no_other(project: Project) -> None:
    automatic(project)
    root = project.root
    commit(root, {"prompts/other/1.0.0.yaml": "model: [", f"prompts/{PROMPT}/bad.yaml": "x"})
    with open_state(Files(root)) as state:
        report = synced(state, root)
    assert outcomes(report) == [("staging", "other", "1.0.0", "refused"), ("staging", PROMPT, TOP, "released")]
    assert "prompts/other/1.0.0.yaml" in report.steps[0].detail


def test_a_dry_run_changes_nothing(project: Project) -> None:
    automatic(project)
    done = project.ok("release", "sync", "--dry-run", "--json").json
    assert (done["dry_run"], done["steps"][0]["outcome"]) == (True, "released")
    assert "dry run" in project.ok("release", "sync", "--dry-run").out
    with open_state(Files(project.root)) as state:
        assert state.releases.releases() == []


def test_what_cannot_be_synced_is_an_error(project: Project) -> None:
    automatic(project)
    assert "auto: never" not in project.ok("release", "sync", "--env", "staging", "--dry-run").out
    done = project.run("release", "sync", "--env", "production")
    assert (done.code, "releases nothing by itself" in done.err) == (78, True)
    done = project.run("release", "sync", "--env", "nowhere")
    assert (done.code, "nowhere" in done.err) == (78, True)
    done = project.run("release", "sync", "--revision", "nothing")
    assert (done.code, "nothing" in done.err) == (66, True)


def test_nothing_is_automatic_unless_somebody_said_so(project: Project) -> None:
    assert "auto: merge" in project.ok("release", "sync").out
    assert project.ok("release", "sync", "--json").json["steps"] == []


def test_processes_that_sync_at_once_release_once(project: Project) -> None:
    automatic(project)
    children = [project.spawn("release", "sync", "--json") for _ in range(4)]
    told = []
    for child in children:
        with child:
            out, err = child.communicate(timeout=60)
            assert child.returncode == 0, err
            told.append(json.loads(out)["steps"][0]["outcome"])
    assert sorted(told) == ["released", "unchanged", "unchanged", "unchanged"]
    with open_state(Files(project.root)) as state:
        assert len(state.releases.history(PROMPT, "staging")) == 1


def elsewhere(project: Project, tmp_path: Path) -> Path:
    """A bare repository that others push to, as the project's remote `origin`; a clone to push from."""
    bare, clone = tmp_path / "bare.git", tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--bare", project.root, bare], check=True, capture_output=True)
    subprocess.run(["git", "clone", "-q", bare, clone], check=True, capture_output=True)
    git(project.root, "remote", "add", "origin", str(bare))
    return clone


def test_a_push_to_the_remote_is_fetched_and_released(project: Project, tmp_path: Path) -> None:
    automatic(project, STAGING | {"project: ": "git: {remote: origin}\nproject: "})
    root, clone = project.root, elsewhere(project, tmp_path)
    head = git(root, "rev-parse", "HEAD")
    at = commit(clone, different(root, TOP, "1.3.0"), BOB)
    git(clone, "push", "-q", "origin", "main")
    with open_state(Files(root)) as state:
        report = Syncing(Files(root), state).sync("main")
        assert (report.commit, outcomes(report)) == (at, [("staging", PROMPT, "1.3.0", "released")])
        assert (current(state).commit, current(state).author) == (at, BOB)
        assert git(root, "rev-parse", "main") == head, "the project's own branches stay"
        with pytest.raises(Unavailable, match="nowhere"):
            Syncing(Files(root), state).sync("nowhere")


@pytest.mark.anyio
async def test_a_server_that_polls_releases_and_tells_of_a_remote_that_is_away(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "POLL_SECONDS", 0.1)
    automatic(project, STAGING | {"project: ": "git: {remote: origin, poll: 0.2}\nproject: "})
    root, clone = project.root, elsewhere(project, tmp_path)
    async with up(Files(root)) as (_, live):

        def serves(version: str) -> bool:
            if f"{PROMPT}@staging" not in live.serving.released:
                return False
            ref = PromptRef(name=PROMPT, environment="staging")
            return live.serving.prompts.resolve(ref, "").prompt.version == version

        await until(live, lambda: serves(TOP))
        shutil.move(tmp_path / "bare.git", tmp_path / "away.git")
        await until(live, lambda: live.serving.problems)
        assert "the merge of 'main' is not released" in live.serving.problems[0]
        assert serves(TOP)
        shutil.move(tmp_path / "away.git", tmp_path / "bare.git")
        commit(clone, different(root, TOP, "1.3.0"))
        git(clone, "push", "-q", "origin", "main")
        await until(live, lambda: serves("1.3.0"))
        await until(live, lambda: not live.serving.problems)


def test_a_remote_with_a_password_is_refused(project: Project) -> None:
    project.replace("moat.yaml", {"project: ": "git: {remote: REMOTE}\nproject: "})
    known = "REMOTE"
    for remote, taken in (
        ("http://bot:hush@forge.example/x.git", False),
        ("https://ghp_token@forge.example/x.git", False),
        ("ssh://git:hush@forge.example/x.git", False),
        ("https://forge.example/x.git", True),
        ("ssh://git@forge.example/x.git", True),
        ("git@forge.example:x.git", True),
    ):
        project.replace("moat.yaml", {known: remote})
        known = remote
        if taken:
            load_settings(project.root)
            continue
        with pytest.raises(ConfigError, match=r"git\.remote") as refused:
            load_settings(project.root)
        assert "hush" not in str(refused.value)


def test_settings_of_a_sync_are_checked(project: Project) -> None:
    root = project.root
    project.replace("moat.yaml", {"  staging:\n": "  staging:\n    auto: verdict\n"})
    with pytest.raises(ConfigError, match=r"auto: verdict.*staging") as flawed:
        load_settings(root)
    assert flawed.value.where.startswith("moat.yaml:")
    project.replace("moat.yaml", {"auto: verdict": "auto: merge", "project: ": "git: {webhook_secret: s3}\nproject: "})
    with pytest.raises(ConfigError, match=r"git\.webhook_secret"):
        load_settings(root)
    project.replace("moat.yaml", {"webhook_secret: s3": 'webhook_secret: "${HOOK}"'})
    settings = load_settings(root)
    assert webhook_secret(settings, {"HOOK": "s3"}) == "s3"
    with pytest.raises(ConfigError, match="HOOK"):
        webhook_secret(settings, {})


def test_a_commit_without_the_project_is_an_error(project: Project) -> None:
    automatic(project)
    root = project.root
    empty = git(root, "commit-tree", "-m", "empty", git(root, "hash-object", "-t", "tree", "-w", os.devnull))
    with open_state(Files(root)) as state:
        with pytest.raises(ConflictError, match="does not hold this project"):
            synced(state, root, empty)
        with pytest.raises(NotFound):
            synced(state, root, "--help")
