"""The git adapter, on real repositories."""

import io
import subprocess
import time
from pathlib import Path

import pytest

from moat.adapters.git import GitRepository, snapshot
from moat.domain.errors import ConflictError, StorageError, Unavailable


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


def test_what_others_hold(tmp_path: Path) -> None:
    git = repository(tmp_path / "project")
    git.init()
    root = tmp_path / "project"
    assert git.branches() == []
    for name in ("a", "b", "sub/ä c"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(name)
    first = git.commit_all("First", author="Ada <a@b.c>")
    (root / "a").write_text("changed")
    (root / "b").unlink()
    second = git.commit_all("Second", author="Bob <b@b.c>")
    assert {path: commit.id for path, commit in git.origins("HEAD", ".").items()} == {"a": second, "sub/ä c": first}
    assert git.origins(first, "a", "b")["b"].author == "Ada <a@b.c>"
    assert [(branch.name, branch.commit) for branch in git.branches()] == [("main", second)]
    told = git.differences(second, first, ".")
    assert (set(told), all(told.values())) == ({"a", "b"}, True)
    assert git.differences(first, second, ".")["b"] == ""
    assert git.present(first, "a", "sub", "nothing") == ["a", "sub"]
    assert git.edited(".") == set()
    (root / "a").write_text("edited")
    (root / "sub/ä c").unlink()
    assert git.edited(".") == {"a", "sub/ä c"}
    assert git.describe("main").subject == "Second"
    then = git.at(first)
    assert (then.commit(), then.is_dirty("a"), [c.id for c in then.log("a")]) == (first, False, [first])
    assert (git.commit(), git.is_dirty("a")) == (second, True)


def test_a_commit_without_a_subject(tmp_path: Path) -> None:
    git = repository(tmp_path / "project")
    git.init()
    (tmp_path / "project/a").write_text("a")
    git.commit_all("x", author="Ada <a@b.c>")
    subprocess.run(
        [
            "git",
            "-c",
            "user.name=A",
            "-c",
            "user.email=a@b",
            "commit",
            "-q",
            "--amend",
            "--allow-empty-message",
            "-m",
            "",
        ],
        cwd=tmp_path / "project",
        check=True,
    )
    assert git.describe("HEAD").subject == ""
    assert [commit.subject for commit in git.log("a")] == [""]


def test_a_fetch_that_hangs_takes_what_it_started_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git = repository(tmp_path / "project")
    git.init()
    monkeypatch.setattr("moat.adapters.git.repository.FETCH_TIMEOUT", 3.0)
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    ssh.chmod(0o755)
    slow = GitRepository(tmp_path / "project", {"PATH": f"{tmp_path}:/usr/local/bin:/usr/bin:/bin"})
    with pytest.raises(Unavailable, match="did not answer"):
        slow.fetch("ssh://nobody@localhost/x", "main")
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split(") ")[1][:1]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("remote", ["--upload-pack=touch ran", "ext::sh -c touch% ran", "/nowhere"])
def test_a_remote_that_is_none_is_unavailable(tmp_path: Path, remote: str) -> None:
    git = repository(tmp_path / "project")
    git.init()
    with pytest.raises(Unavailable, match="cannot be fetched"):
        git.fetch(remote, "main")
    assert not list(tmp_path.rglob("ran"))


def test_who_is_told_of_a_failed_fetch_is_told_no_password(tmp_path: Path) -> None:
    git = repository(tmp_path / "project")
    git.init()
    with pytest.raises(Unavailable, match="cannot be fetched") as refused:
        git.fetch("http://bot:hush-hush@127.0.0.1:9/x.git", "main")
    assert "127.0.0.1:9/x.git" in str(refused.value)
    assert "hush-hush" not in str(refused.value)


def exported(git: GitRepository, into: Path) -> tuple[set[str], tuple[str, ...]]:
    """The files that are written, and what is left out."""
    into.mkdir()
    left_out = git.export("HEAD", into)
    return {str(path.relative_to(into)) for path in into.rglob("*") if path.is_file()}, left_out


def test_an_export_has_what_git_stores_of_the_project_and_nothing_else(tmp_path: Path) -> None:
    git, root = repository(tmp_path / "project"), tmp_path / "project"
    git.init()
    for folder in ("prompts/ä b", "tools", "evals/datasets", "src"):
        (root / folder).mkdir(parents=True)
    contents = {
        "prompts/ä b/1.0.0.md": "$Format:%H$ \r\n\0\n",
        "prompts/empty.md": "",
        "tools/t.yaml": "x: 1\n",
        "evals/datasets/d.jsonl": "d" * 200_000,
        "prompts.lock": "{}",
        "moat.yaml": "project: p\n",
    }
    for path, text in (contents | {"src/x.py": "x", "README.md": "r"}).items():
        (root / path).write_bytes(text.encode())
    (root / ".gitattributes").write_text("* export-subst\nprompts/** export-ignore\n")
    (root / "tools/run").write_bytes(b"#!")
    (root / "tools/run").chmod(0o755)
    for link, target in {"prompts/out": "/etc/passwd", "evals/in": "datasets/d.jsonl", "src/out": "/"}.items():
        (root / link).symlink_to(target)
    git.commit_all("all", author="Ada <a@b.c>")
    written, left_out = exported(git, tmp_path / "out")
    assert (written, left_out) == ({*contents, "tools/run"}, ("evals/in", "prompts/out"))
    assert {path: (tmp_path / "out" / path).read_bytes().decode() for path in contents} == contents


def test_an_export_of_nothing_is_a_conflict(tmp_path: Path) -> None:
    git = repository(tmp_path / "project")
    git.init()
    (tmp_path / "project/README.md").write_text("r")
    git.commit_all("all", author="Ada <a@b.c>")
    with pytest.raises(ConflictError, match="does not hold this project"):
        exported(git, tmp_path / "out")


def test_an_export_that_is_too_much_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git, root = repository(tmp_path / "project"), tmp_path / "project"
    git.init()
    for path, size in {"prompts/a.md": 10, "evals/d.jsonl": 100, "evals/e.jsonl": 101}.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text("x" * size)
    git.commit_all("all", author="Ada <a@b.c>")
    monkeypatch.setattr(snapshot, "MAX_DATA", 100)
    exported(git, tmp_path / "out")
    hole = (tmp_path / "out/evals/e.jsonl").read_bytes()
    assert (hole, (tmp_path / "out/evals/d.jsonl").read_text()) == (b"\0" * 101, "x" * 100)
    for bound, value in {"MAX_TEXTS": 9, "MAX_TOTAL": 109, "MAX_FILES": 2}.items():
        with monkeypatch.context() as patch:
            patch.setattr(snapshot, bound, value)
            with pytest.raises(ConflictError, match="holds more than"):
                exported(git, tmp_path / bound)


@pytest.mark.parametrize(
    "raw",
    [b"../x", b"prompts/../../x", b"/etc/x", b"prompts//x", b"./x", b"prompts/\xff", b"x" * 256, b"x/" * 600 + b"x"],
)
def test_a_path_that_leads_elsewhere_is_left_out(raw: bytes) -> None:
    listing = b"100644 blob " + b"a" * 40 + b"       3\t" + raw + b"\0"
    assert (snapshot.parse(listing).blobs, len(snapshot.parse(listing).left_out)) == ((), 1)


def test_contents_that_are_not_as_announced(tmp_path: Path) -> None:
    blob, other = snapshot.Blob("a", "1" * 40, 3), snapshot.Blob("a/b", "1" * 40, 3)
    said = f"{blob.id} blob 3\nabc\n".encode()
    for cut in (b"", said[:-3], b"missing\n"):
        with pytest.raises(EOFError):
            snapshot.write([blob], io.BytesIO(cut), tmp_path / str(len(cut)))
    for twice in (blob, other):
        with pytest.raises(ConflictError, match="two files"):
            snapshot.write([blob, twice], io.BytesIO(said * 2), tmp_path / twice.path.replace("/", "-"))
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(StorageError):
        snapshot.write([snapshot.Blob("\0".join("ab"), "1" * 40, 3)], io.BytesIO(said), Path("/proc/nowhere"))


def test_a_commit_that_lacks_a_content_is_a_conflict(tmp_path: Path) -> None:
    git, root = repository(tmp_path / "project"), tmp_path / "project"
    git.init()
    (root / "moat.yaml").write_text("project: p\n")
    git.commit_all("all", author="Ada <a@b.c>")
    blob = subprocess.run(["git", "rev-parse", "HEAD:moat.yaml"], cwd=root, check=True, capture_output=True, text=True)
    name = blob.stdout.strip()
    (root / f".git/objects/{name[:2]}/{name[2:]}").unlink()
    with pytest.raises(ConflictError, match="not all of this commit"):
        exported(git, tmp_path / "out")


def test_an_answer_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moat.adapters.git.repository.MAX_OUTPUT", 2**20)
    program = tmp_path / "endless"
    program.write_text("#!/bin/sh\nexec cat /dev/zero\n")
    program.chmod(0o755)
    git = GitRepository(tmp_path, program=str(program))
    assert git.commit() == ""
    with pytest.raises(ConflictError, match="more than 1 MiB"):
        git.branches()


def test_a_tag_does_not_rename_the_branch(tmp_path: Path) -> None:
    git, root = repository(tmp_path / "project"), tmp_path / "project"
    git.init()
    (root / "a").write_text("a")
    at = git.commit_all("all", author="Ada <a@b.c>")
    subprocess.run(["git", "tag", "main"], cwd=root, check=True)
    assert git.branches() == [("main", at)]
