"""The registry follows git: commits, authors, branches; and the server lives on when git, disk or store is broken."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from moat.adapters.git import GitRepository
from moat.adapters.sqlite import SqliteRegistry, SqliteState
from moat.adapters.system import SystemClock
from moat.bootstrap import reload, watching
from moat.bootstrap.indexing import Indexing
from moat.bootstrap.project import Project as Files
from moat.bootstrap.state import open_state
from moat.domain.errors import NotFound, Unavailable
from moat.domain.releases import MessageTemplate, PromptRef, PromptVersion, Registration, prompt_digest
from moat.prompts.catalog import Catalog
from tests.bootstrap.projects import PROMPT, Project
from tests.bootstrap.test_reload import until
from tests.bootstrap.test_serving import up

ADA, BOB = "Ada <ada@example.org>", "Bob <bob@example.org>"


def git(root: Path, *arguments: str, author: str = ADA) -> str:
    """What git prints."""
    name, _, email = author.rstrip(">").partition(" <")
    who = ("-c", f"user.name={name}", "-c", f"user.email={email}")
    done = subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(root: Path, files: dict[str, str], author: str = ADA) -> str:
    """Write files and commit them; the commit's id."""
    write(root, files)
    git(root, "add", "-A", author=author)
    git(root, "commit", "-qm", f"Change {', '.join(files)}", author=author)
    return git(root, "rev-parse", "HEAD")


def write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")


def repository(root: Path) -> Path:
    """An empty one, on branch main."""
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    return root


class World:
    """A repository, and the index of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = SqliteState.open(root / ".moat" / "state.db")
        self.registry = SqliteRegistry(self.state)
        self.indexing = Indexing(GitRepository(root), self.registry, SystemClock())

    def index(self) -> int:
        """Read the files, and index them."""
        return self.indexing.bring_up_to_date(Catalog.load(self.root))

    def found(self, name: str, version: str) -> tuple[str, str, tuple[str, ...]]:
        """Commit, author and branches."""
        registration = self.registry.get(name, version)
        return registration.commit, registration.author, registration.branches


def test_each_version_has_its_commit_author_and_branches(tmp_path: Path) -> None:
    root = repository(tmp_path / "project")
    first = commit(root, {"prompts/a/1.0.0.md": "one", ".gitignore": ".moat"})
    second = commit(root, {"prompts/b/c/1.0.0.md": "two"}, BOB)
    git(root, "branch", "topic", first)
    world = World(root)
    assert world.index() == 2
    assert world.found("a", "1.0.0") == (first, ADA, ("main", "topic"))
    assert world.found("b/c", "1.0.0") == (second, BOB, ("main",))
    assert world.registry.get("a", "1.0.0").committed_ns > 1_700_000_000 * 10**9
    assert world.index() == 0
    git(root, "branch", "-D", "topic")
    assert world.index() == 1
    assert world.found("a", "1.0.0") == (first, ADA, ("main",))
    world.state.close()


def test_a_changed_partial_or_tool_is_what_brought_the_content(tmp_path: Path) -> None:
    root = repository(tmp_path / "project")
    tool = "description: d\nparameters: {type: object}\n"
    prompt = "model: m\nmessages: [{role: user, content: \"{% include 'tone' %}\"}]\ntools: [look@1.0.0]\n"
    commit(root, {"prompts/a/1.0.0.yaml": prompt, "prompts/_partials/tone.j2": "x", "tools/look/1.0.0.yaml": tool})
    latest = commit(root, {"prompts/_partials/tone.j2": "changed", ".gitignore": ".moat"}, BOB)
    world = World(root)
    world.index()
    assert world.found("a", "1.0.0")[:2] == (latest, BOB)
    (root / "tools/look/1.0.0.yaml").write_text(tool.replace(": d", ": e"), "utf-8")
    world.index()
    assert world.found("a", "1.0.0") == ("", "", ()), "edited, and so not of any commit"
    world.state.close()


def test_what_is_not_committed_has_no_commit(tmp_path: Path) -> None:
    root = repository(tmp_path / "project")
    write(root, {"prompts/a/1.0.0.md": "one"})
    world = World(root)
    assert world.index() == 1, "before the first commit"
    assert world.found("a", "1.0.0") == ("", "", ())
    at = commit(root, {"prompts/a/2.0.0.md": "two", ".gitignore": ".moat"})
    assert world.index() == 2
    assert world.found("a", "1.0.0") == (at, ADA, ("main",))
    git(root, "rm", "-q", "--cached", "prompts/a/2.0.0.md")
    git(root, "commit", "-qm", "Remove 2.0.0")
    write(root, {"prompts/a/3.0.0.md": "three"})
    world.index()
    assert world.found("a", "3.0.0") == ("", "", ())
    assert world.found("a", "2.0.0") == (at, ADA, ()), "where it came from stays known"
    world.state.close()


def test_a_folder_without_git_is_indexed_too(tmp_path: Path) -> None:
    write(tmp_path, {"prompts/a/1.0.0.md": "one"})
    world = World(tmp_path)
    assert world.index() == 1
    assert world.found("a", "1.0.0") == ("", "", ())
    world.state.close()


def test_versions_of_other_branches_are_registered(tmp_path: Path) -> None:
    root = repository(tmp_path / "project")
    commit(root, {"prompts/a/1.0.0.md": "one", "prompts/_partials/tone.j2": "nice", ".gitignore": ".moat"})
    git(root, "switch", "-qc", "topic")
    text = "Be {% include 'tone' %}"
    there = commit(root, {"prompts/a/2.0.0.md": text, "prompts/a/bad.md": "no version"}, BOB)
    git(root, "branch", "same")
    git(root, "switch", "-q", "main")
    git(root, "switch", "-qc", "other")
    commit(root, {"prompts/a/2.0.0.md": "another text"})
    git(root, "switch", "-q", "main")
    git(root, "update-ref", "refs/heads/same", there)
    world = World(root)
    assert world.index() == 2
    kept = world.registry.get("a", "2.0.0")
    by_text = {text: (there, BOB, ("same", "topic")), "another text": (kept.commit, ADA, ("other",))}
    assert world.found("a", "2.0.0") == by_text[kept.content.messages[0].content]
    assert world.index() == 0
    write(root, {"prompts/a/2.0.0.md": "mine, and not committed"})
    assert world.index() == 1
    assert world.registry.get("a", "2.0.0").content.messages[0].content == "mine, and not committed"
    world.state.close()


def test_versions_that_the_working_tree_lost_are_read_from_the_commit(tmp_path: Path) -> None:
    root = repository(tmp_path / "project")
    at = commit(root, {f"prompts/a/{n}.0.0.md": str(n) for n in range(600)} | {".gitignore": ".moat"})
    shutil.rmtree(root / "prompts")
    world = World(root)
    assert world.index() == 600
    assert world.found("a", "7.0.0") == (at, ADA, ("main",))
    world.state.close()


def test_a_project_below_the_top_of_its_repository(tmp_path: Path) -> None:
    top = repository(tmp_path / "top")
    at = commit(top, {"sub/prompts/a/1.0.0.md": "one", "prompts/a/9.0.0.md": "not ours", ".gitignore": ".moat"})
    git(top, "switch", "-qc", "topic")
    there = commit(top, {"sub/prompts/a/2.0.0.md": "two"})
    git(top, "switch", "-q", "main")
    world = World(top / "sub")
    assert world.index() == 2
    assert world.found("a", "1.0.0") == (at, ADA, ("main", "topic"))
    assert world.found("a", "2.0.0") == (there, ADA, ("topic",))
    world.state.close()


def test_a_branch_that_cannot_be_read_hinders_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = repository(tmp_path / "project")
    commit(root, {"prompts/a/1.0.0.md": "one", ".gitignore": ".moat"})
    git(root, "switch", "-qc", "evil")
    (root / "prompts/a/3.0.0.md").symlink_to("/etc/passwd")
    commit(root, {})
    git(root, "switch", "-q", "main")
    git(root, "switch", "-qc", "topic")
    commit(root, {"prompts/a/2.0.0.md": "two"})
    git(root, "switch", "-q", "main")
    world = World(root)
    assert world.index() == 2
    assert [r.content.version for r in world.registry.versions("a")] == ["1.0.0", "2.0.0"]
    assert "left out" in caplog.text
    world.state.close()


def test_when_git_is_gone_the_registry_keeps_what_it_knows(tmp_path: Path) -> None:
    root = repository(tmp_path / "project")
    at = commit(root, {"prompts/a/1.0.0.md": "one", ".gitignore": ".moat"})
    world = World(root)
    world.index()
    (root / ".git").rename(root / "git")
    with pytest.raises(Unavailable, match="git has no answer"):
        world.index()
    assert world.found("a", "1.0.0") == (at, ADA, ("main",))
    (root / "git").rename(root / ".git")
    assert world.index() == 0
    world.state.close()


@pytest.mark.anyio
async def test_registered_versions_serve_when_their_files_are_gone(project: Project) -> None:
    root = project.root
    git(root, "switch", "-qc", "topic")
    commit(root, {f"prompts/{PROMPT}/7.0.0.md": "Seven"})
    git(root, "switch", "-q", "main")
    seven, eight = (PromptRef(name=PROMPT, version=version) for version in ("7.0.0", "8.0.0"))
    async with up(Files(root)) as (_, live):

        def text(ref: PromptRef) -> str:
            try:
                return live.serving.prompts.resolve(ref, "").prompt.messages[0].content
            except NotFound:
                return ""

        await until(live, lambda: text(seven) == "Seven")
        content = PromptVersion(name=PROMPT, version="8.0.0", messages=(MessageTemplate("user", "Eight"),), model="")
        with open_state(Files(root)) as state:
            state.registry.register(Registration(content=content, digest=prompt_digest(content), source="api"))
        await until(live, lambda: text(eight) == "Eight")
        shutil.rmtree(root / f"prompts/{PROMPT}")
        one = PromptRef(name=PROMPT, version="1.0.0")
        await until(live, lambda: PROMPT not in live.serving.prompts._catalog.names())  # type: ignore[attr-defined]
        assert text(one)
        with pytest.raises(NotFound, match=r"9\.9\.9.*7\.0\.0, 8\.0\.0"):
            live.serving.prompts.resolve(PromptRef(name=PROMPT, version="9.9.9"), "")


@pytest.mark.anyio
@pytest.mark.parametrize("part", [".git", "prompts"])
async def test_the_server_lives_on_without(project: Project, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "INDEX_SECONDS", 0.2)
    monkeypatch.setattr(reload, "RETRY_SECONDS", 0.2)
    one = PromptRef(name=PROMPT, version="1.0.0")
    async with up(Files(project.root)) as (_, live):
        with open_state(Files(project.root)) as state:
            await until(live, lambda: not live.serving.problems)
            while not state.registry.digests():  # noqa: ASYNC110 - the product offers no event for it
                await asyncio.sleep(0.02)
        away = project.root / "away"
        (project.root / part).rename(away)
        await until(live, lambda: live.serving.problems)
        assert part in live.serving.problems[0]
        assert live.serving.prompts.resolve(one, "").prompt.version == "1.0.0"
        away.rename(project.root / part)
        await until(live, lambda: not live.serving.problems)


@pytest.mark.anyio
async def test_a_damaged_store_is_told_and_mended(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "INDEX_SECONDS", 0.2)
    project.release("1.0.0")
    ref = PromptRef(name=PROMPT, environment="staging")
    async with up(Files(project.root)) as (_, live):
        await until(live, lambda: not live.serving.problems)
        file = project.root / ".moat/state.db"
        with open_state(Files(project.root)) as state:
            while not state.registry.digests():  # noqa: ASYNC110 - the product offers no event for it
                await asyncio.sleep(0.02)
        good = file.read_bytes()
        wal = file.with_name("state.db-wal")
        spare = wal.read_bytes() if wal.exists() else b""
        wal.write_bytes(b"")
        file.write_bytes(good[:100] + os.urandom(len(good) - 100))
        (project.root / f"prompts/{PROMPT}/5.0.0.md").write_text("Five", "utf-8")
        await until(live, lambda: live.serving.problems)
        assert "state.db" in live.serving.problems[0]
        assert live.serving.prompts.resolve(ref, "").prompt.version == "1.0.0"
        file.write_bytes(good)
        wal.write_bytes(spare)
        await until(live, lambda: not live.serving.problems)


@pytest.mark.anyio
async def test_without_notices_changes_are_found_by_looking(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def exhausted(*_: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(watching, "RustNotify", exhausted)
    async with up(Files(project.root)) as (_, live):
        (project.root / f"prompts/{PROMPT}/5.0.0.md").write_text("Five", "utf-8")
        await until(live, lambda: "5.0.0" in live.serving.prompts._catalog.versions(PROMPT))  # type: ignore[attr-defined]
    assert caplog.text.count("the system tells of none") == 1


def test_a_file_system_without_notices_is_looked_at_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent:
        def __init__(self, *_: object) -> None: ...

        def watch(self, *_: object) -> str:
            return "timeout"

        def close(self) -> None: ...

    monkeypatch.setattr(watching, "RustNotify", Silent)
    write(tmp_path, {"prompts/a/1.0.0.md": "one"})
    watch = watching.FileWatch(tmp_path)
    write(tmp_path, {"prompts/a/2.0.0.md": "two"})
    assert not watch.changed()
    monkeypatch.setattr(watch, "_next", 0.0)
    assert watch.changed()
    assert not watch.changed()
    watch.close()


def date(root: Path, seconds: str) -> str:
    """Commit once more what HEAD has, dated so; the commit's id."""
    env = {"GIT_COMMITTER_DATE": f"@{seconds} +0000", "GIT_AUTHOR_DATE": f"@{seconds} +0000"}
    subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "--amend", "--allow-empty", "-m", "x"],
        cwd=root,
        check=True,
        env=os.environ | env,
    )
    return git(root, "rev-parse", "HEAD")


@pytest.mark.parametrize("seconds", ["99999999999", "9223372036854775807", "0"])
def test_any_date_of_a_commit_can_be_indexed(tmp_path: Path, seconds: str) -> None:
    root = repository(tmp_path / "project")
    commit(root, {"prompts/a/1.0.0.md": "one", ".gitignore": ".moat"})
    at = date(root, seconds)
    world = World(root)
    assert world.index() == 1
    assert world.found("a", "1.0.0") == (at, ADA, ("main",))
    assert 0 <= world.registry.get("a", "1.0.0").committed_ns < 2**63
    world.state.close()


def test_a_branch_of_countless_files_hinders_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moat.adapters.git.repository.MAX_MEMORY", 2**26)
    root = repository(tmp_path / "project")
    commit(root, {"prompts/a/1.0.0.md": "one", ".gitignore": ".moat"})

    def put(entries: str) -> str:
        made = subprocess.run(["git", "mktree"], cwd=root, input=entries, check=True, capture_output=True, text=True)
        return made.stdout.strip()

    blob = git(root, "rev-parse", "HEAD:prompts/a/1.0.0.md")
    tree = put("".join(f"100644 blob {blob}\t{n}.0.0.md\n" for n in range(10)))
    for _ in range(9):
        tree = put("".join(f"040000 tree {tree}\td{n}\n" for n in range(10)))
    git(root, "branch", "bomb", git(root, "commit-tree", "-m", "bomb", put(f"040000 tree {tree}\tprompts\n")))
    git(root, "tag", "main", "bomb")
    world = World(root)
    assert world.index() == 1
    assert world.registry.get("a", "1.0.0").branches == ("main",)
    assert "left out" in caplog.text
    world.state.close()


def test_a_branch_with_a_large_file_is_indexed_without_it(tmp_path: Path) -> None:
    root = repository(tmp_path / "project")
    commit(root, {"prompts/a/1.0.0.md": "one", ".gitignore": ".moat"})
    git(root, "switch", "-qc", "topic")
    at = commit(root, {"prompts/a/2.0.0.md": "two", "prompts/a/3.0.0.yaml": "#" * (9 * 2**20)})
    git(root, "switch", "-q", "main")
    world = World(root)
    assert world.index() == 2
    assert world.found("a", "2.0.0") == (at, ADA, ("topic",))
    world.state.close()


def test_a_branch_that_lacks_a_content_hinders_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = repository(tmp_path / "project")
    commit(root, {"prompts/a/1.0.0.md": "one", ".gitignore": ".moat"})
    git(root, "switch", "-qc", "topic")
    commit(root, {"prompts/a/2.0.0.md": "two"})
    lost = git(root, "rev-parse", "HEAD:prompts/a/2.0.0.md")
    git(root, "switch", "-q", "main")
    (root / f".git/objects/{lost[:2]}/{lost[2:]}").unlink()
    world = World(root)
    assert world.index() == 1
    assert world.found("a", "1.0.0")[2] == ("main", "topic")
    assert "not all of this commit" in caplog.text
    world.state.close()
