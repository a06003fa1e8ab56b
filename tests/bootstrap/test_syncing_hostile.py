"""What somebody can push stops no sync, is not released instead of the branch, and nothing waits for ever."""

import fcntl
import threading

import pytest

from moat.bootstrap import syncing
from moat.bootstrap.project import Project as Files
from moat.bootstrap.reload import LastGood
from moat.bootstrap.state import open_state
from moat.bootstrap.syncing import ServerSync, Syncing
from moat.domain.errors import ConflictError, Stopped
from moat.ports.releases import SyncReport
from tests.bootstrap.projects import PROMPT, Project
from tests.bootstrap.test_indexing import commit, git
from tests.bootstrap.test_syncing import TOP, automatic, different, outcomes, synced


def test_a_tag_named_like_the_branch_is_not_released(project: Project) -> None:
    automatic(project)
    root = project.root
    git(root, "switch", "-qc", "topic")
    commit(root, different(root, TOP, "1.3.0"))
    git(root, "tag", "main")
    git(root, "switch", "-q", "main")
    head = git(root, "rev-parse", "refs/heads/main")
    with open_state(Files(root)) as state:
        report = Syncing(Files(root), state).sync("main")
        assert (report.commit, outcomes(report)) == (head, [("staging", PROMPT, TOP, "released")])
    assert project.ok("release", "sync", "--json").json["commit"] == head
    told = project.ok("release", "sync", "--revision", "main", "--dry-run", "--json").json
    assert told["commit"] == git(root, "rev-parse", "refs/tags/main"), "a revision is what git takes it for"


def test_links_anywhere_stop_no_sync(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    automatic(project)
    root = project.root
    (root / "notes").symlink_to("/etc")
    (root / "prompts/away").symlink_to("/etc/passwd")
    commit(root, {".gitattributes": "prompts/** export-ignore\n* export-subst\n"})
    with open_state(Files(root)) as state:
        assert outcomes(synced(state, root)) == [("staging", PROMPT, TOP, "released")]
    assert "prompts/away" in caplog.text
    assert "notes" not in caplog.text, "nobody reads it"


def test_a_lock_that_is_a_link_is_no_lock(project: Project) -> None:
    automatic(project)
    root = project.root
    (root / "prompts.lock").unlink(missing_ok=True)
    (root / "prompts.lock").symlink_to("README.md")
    commit(root, {})
    with open_state(Files(root)) as state, pytest.raises(ConflictError, match="no regular file") as refused:
        synced(state, root)
    assert refused.value.where == "prompts.lock"


def test_a_version_that_is_too_large_is_refused_by_name(project: Project) -> None:
    automatic(project)
    root = project.root
    commit(root, {"prompts/huge/1.0.0.yaml": "#" * (9 * 2**20), "prompts/long/1.0.0.md": "x" * (2**20 + 1)})
    with open_state(Files(root)) as state:
        report = synced(state, root)
    assert outcomes(report) == [
        ("staging", "huge", "1.0.0", "refused"),
        ("staging", "long", "1.0.0", "refused"),
        ("staging", PROMPT, TOP, "released"),
    ]
    assert "prompts/huge/1.0.0.yaml: larger than 8 MiB" in report.steps[0].detail
    assert "prompts/long/1.0.0.md: larger than 1 MiB" in report.steps[1].detail


def test_a_turn_that_does_not_come_is_a_conflict(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncing, "TURN_SECONDS", 0.1)
    automatic(project)
    with open_state(Files(project.root)) as state, (project.root / ".moat/sync.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="another sync is under way"):
            synced(state, project.root)
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert outcomes(synced(state, project.root)) == [("staging", PROMPT, TOP, "released")]


def test_a_server_that_ends_waits_for_no_turn(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncing, "TURN_SECONDS", 600.0)
    automatic(project)
    with open_state(Files(project.root)) as state, (project.root / ".moat/sync.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result: LastGood[SyncReport | None] = LastGood(None)
        sync = ServerSync(project.root, state, result)
        raised: list[Stopped] = []

        def wait() -> None:
            with pytest.raises(Stopped) as stopped:
                sync.sync("main")
            raised.append(stopped.value)

        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        sync.close()
        waiting.join(60)
        assert raised
        assert "the server ends" in result.problem
