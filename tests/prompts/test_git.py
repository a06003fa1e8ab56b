"""The git adapter, on real repositories."""

from pathlib import Path

import pytest

from moat.adapters.git import GitRepository
from moat.domain.errors import ConflictError, Unavailable


def repository(root: Path, **environ: str) -> GitRepository:
    root.mkdir(exist_ok=True)
    return GitRepository(root, {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(root.parent), **environ})


def test_a_repository_from_its_first_commit_on(tmp_path: Path) -> None:
    git = repository(tmp_path / "project")
    assert (git.commit(), git.author(), git.top(), git.is_dirty("a.yaml")) == ("", "", None, False)
    git.init()
    assert git.top() == (tmp_path / "project").resolve()
    (tmp_path / "project/a.yaml").write_text("1")
    assert git.is_dirty("a.yaml")
    first = git.commit_all("first", author="Ada <ada@example.org>")
    assert len(first) == 40
    assert git.commit() == first
    assert not git.is_dirty("a.yaml")
    assert not git.is_dirty()
    (tmp_path / "project/a.yaml").write_text("2")
    (tmp_path / "project/ü :(x).yaml").write_text("new")
    assert git.is_dirty("a.yaml")
    assert git.is_dirty("ü :(x).yaml")
    assert not git.is_dirty("b.yaml")
    second = git.commit_all("second")
    assert second != first
    assert git.commit_all("nothing") == second


def test_the_author_is_who_git_says(tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\nname = Ada L\nemail = ada@example.org\n")
    git = repository(tmp_path / "project")
    assert git.author() == "Ada L <ada@example.org>"
    (tmp_path / ".gitconfig").write_text("[user]\nname = Ada L\n")
    assert git.author() == "Ada L"


def test_variables_for_git_do_not_point_it_elsewhere(tmp_path: Path) -> None:
    other = repository(tmp_path / "other")
    other.init()
    (tmp_path / "other/x").write_text("x")
    other.commit_all("x")
    git = repository(tmp_path / "project", GIT_DIR=str(tmp_path / "other/.git"), GIT_WORK_TREE=str(tmp_path / "other"))
    assert git.commit() == ""


def test_init_makes_a_repository_of_its_own_once(tmp_path: Path) -> None:
    outer, inner = repository(tmp_path / "outer"), repository(tmp_path / "outer/inner")
    outer.init()
    inner.init()
    assert inner.top() == (tmp_path / "outer/inner").resolve()
    (tmp_path / "outer/inner/a").write_text("a")
    commit = inner.commit_all("a")
    inner.init()
    assert (inner.commit(), outer.commit()) == (commit, "")


def test_hooks_of_the_repository_do_not_run(tmp_path: Path) -> None:
    git = repository(tmp_path / "project")
    git.init()
    hook = tmp_path / "project/.git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    (tmp_path / "project/a").write_text("a")
    assert git.commit_all("a")
    assert not (tmp_path / "ran").exists()


def test_without_git_only_changes_fail(tmp_path: Path) -> None:
    git = GitRepository(tmp_path, {"PATH": str(tmp_path)}, program="no-such-git")
    assert (git.commit(), git.author(), git.is_dirty(), git.top()) == ("", "", False, None)
    with pytest.raises(Unavailable, match="Install git"):
        git.init()
    assert GitRepository(tmp_path / "nowhere").commit() == ""


def test_a_refusal_is_a_conflict(tmp_path: Path) -> None:
    git = repository(tmp_path / "project")
    with pytest.raises(ConflictError, match="not a git repository"):
        git.commit_all("no repository")


def test_a_git_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moat.adapters.git.repository.TIMEOUT", 0.2)
    program = tmp_path / "slow"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    git = GitRepository(tmp_path, program=str(program))
    assert git.commit() == ""
    with pytest.raises(Unavailable, match="did not answer"):
        git.commit_all("x")
