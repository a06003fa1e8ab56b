"""Proposals: branches that are made beside whatever is checked out."""

import os
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from moat.adapters.git.forges import compare_url
from moat.adapters.git.proposing import ProposingRepository
from moat.adapters.sqlite import SqliteAudit, SqliteState
from moat.bootstrap.project import Project as Files
from moat.bootstrap.proposing import Proposing
from moat.domain.audit import AuditQuery
from moat.domain.errors import ConflictError, NotFound, PromptError, RequestError
from moat.ports.drafts import Person, ProposedFile
from tests.bootstrap.projects import PROMPT, Project

ADA = Person("Ada Lovelace", "ada@example.org")
PATH = f"prompts/{PROMPT}/1.9.0.yaml"
AS_ADA = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def standing(root: Path) -> tuple[str, ...]:
    """What a proposal may not touch."""
    index = (root / ".git" / "index").read_bytes().hex()
    asked = (("rev-parse", "HEAD"), ("symbolic-ref", "HEAD"), ("status", "--porcelain"), ("diff", "--cached"))
    return (index, *(git(root, "--no-optional-locks", *each) for each in asked))


def proposing(project: Project) -> tuple[Proposing, SqliteAudit]:
    files = Files(project.root)
    audit = SqliteAudit(SqliteState.open(files.state_path))
    return Proposing(project.root, lambda: files.settings, audit), audit


def new_version(project: Project, mark: str = "") -> ProposedFile:
    text = (project.root / f"prompts/{PROMPT}/1.2.0.yaml").read_text("utf-8")
    return ProposedFile(path=PATH, text=f"{text}# {mark or 'proposed'}\n")


def test_a_proposal_is_a_commit_on_a_branch_of_its_own_and_nothing_else(project: Project) -> None:
    (project.root / "README.md").write_text("edited", "utf-8")
    git(project.root, "add", "README.md")
    (project.root / "README.md").write_text("edited again", "utf-8")
    before = standing(project.root)
    proposals, audit = proposing(project)
    file = new_version(project)
    made = proposals.make((file,), f"{PROMPT}-1.9.0", "Shorter answers\n\nPeople asked for it.", ADA)
    assert (made.branch, made.files, made.pushed) == ("propose/support-answer-1.9.0", (PATH,), False)
    assert standing(project.root) == before
    assert not (project.root / PATH).exists()
    shown = git(project.root, "log", "-1", "--format=%an <%ae>|%cn|%B|%P", made.branch)
    assert shown.split("|")[:2] == ["Ada Lovelace <ada@example.org>", "Moat"]
    assert "People asked for it." in shown
    assert shown.endswith(made.base)
    assert git(project.root, "show", f"{made.branch}:{PATH}") == file.text.strip()
    assert git(project.root, "diff", "--name-only", made.base, made.branch) == PATH
    entry = audit.entries(AuditQuery())[0].entry
    assert (entry.actor, entry.action, entry.subject) == ("ada@example.org", "prompt.propose", made.branch)
    other = proposals.make((new_version(project, "another"),), f"{PROMPT}-1.9.0", "Another\x01\x1b[2J one", ADA)
    assert other.branch == f"{made.branch}-2"
    [first, second] = sorted(proposals.list(), key=lambda each: each.branch)
    assert (first.branch, first.author, first.files) == (made.branch, "Ada Lovelace <ada@example.org>", (PATH,))
    assert (first.message, first.merged, second.merged) == ("Shorter answers\n\nPeople asked for it.", False, False)
    assert second.message == "Another[2J one", "all of it is seen by whoever looks at it"


PART = "prompts/_partials/long.j2"
LINES = [f"Line {number}.\n" for number in range(30)]


def lines(*changed: int) -> str:
    """A partial in which some lines were changed."""
    return "".join(f"{number}, changed.\n" if number in changed else line for number, line in enumerate(LINES))


@pytest.mark.parametrize(
    ("before", "review"),
    [((), ()), ((28,), ()), ((), (4,))],
    ids=["as it is", "after another change of the file", "as two commits"],
)
def test_a_proposal_that_was_squashed_stays_merged_when_its_file_changes_again(
    project: Project, before: tuple[int, ...], review: tuple[int, ...]
) -> None:
    commit(project, PART, lines())
    proposals, _ = proposing(project)
    made = proposals.make((ProposedFile(path=PART, text=lines(2)), new_version(project)), "", "Squashed", ADA)
    if review:
        main = git(project.root, "branch", "--show-current")
        git(project.root, "switch", "--quiet", made.branch)
        commit(project, PART, lines(2, *review))
        git(project.root, "switch", "--quiet", main)
    if before:
        commit(project, PART, lines(*before))
    assert [each.merged for each in proposals.list()] == [False]
    git(project.root, *AS_ADA, "merge", "--squash", made.branch)
    git(project.root, *AS_ADA, "commit", "-qm", "Squashed (#1)")
    paths = {PART, PATH}
    assert [(each.merged, {*each.files}) for each in proposals.list()] == [(True, paths)]
    commit(project, PART, lines(2, 15))
    commit(project, PATH, "nothing: of it is left\n")
    assert [(each.merged, {*each.files}) for each in proposals.list()] == [(True, paths)]
    anew = proposing(project)[0]
    assert [each.merged for each in anew.list()] == [True], "it is read from the history, not remembered"
    git(project.root, "switch", "--quiet", "--detach", made.base)
    assert [each.merged for each in proposals.list()] == [False], "of what is checked out"


def test_a_proposal_that_was_merged_as_it_is_stays_merged(project: Project) -> None:
    proposals, _ = proposing(project)
    made = proposals.make((new_version(project),), "", "Forward", ADA)
    git(project.root, *AS_ADA, "merge", "--quiet", "--ff-only", made.branch)
    for text in ("", "On.\n", "And on.\n"):
        if text:
            commit(project, PATH, text)
        assert [(each.merged, each.files) for each in proposals.list()] == [(True, ())]


def test_what_was_taken_away_by_a_proposal_may_come_back(project: Project) -> None:
    commit(project, PART, lines())
    git(project.root, "switch", "--quiet", "-c", "propose/without")
    git(project.root, "rm", "-q", PART)
    git(project.root, *AS_ADA, "commit", "-qm", "Nobody needs it")
    commit(project, "README.md", "Less.\n")
    git(project.root, "switch", "--quiet", "-")
    proposals, _ = proposing(project)
    assert [each.merged for each in proposals.list()] == [False]
    git(project.root, *AS_ADA, "merge", "--squash", "propose/without")
    git(project.root, *AS_ADA, "commit", "-qm", "Nobody needs it (#2)")
    commit(project, PART, lines(1))
    assert [each.merged for each in proposals.list()] == [True]


def test_a_branch_from_elsewhere_is_not_merged(project: Project) -> None:
    main = git(project.root, "branch", "--show-current")
    git(project.root, "switch", "--quiet", "--orphan", "propose/elsewhere")
    commit(project, PATH, "another: beginning\n")
    git(project.root, "switch", "--quiet", main)
    proposals, _ = proposing(project)
    assert [(each.merged, each.files) for each in proposals.list()] == [(False, ())]
    with pytest.raises(ConflictError, match="no commit in common"):
        proposals.file("propose/elsewhere", PATH)


def test_where_no_repository_is_nobody_proposes(project: Project) -> None:
    shutil.rmtree(project.root / ".git")
    proposals, _ = proposing(project)
    assert proposals.list() == []
    with pytest.raises(NotFound):
        proposals.file("propose/x", PATH)


class Git:
    """The real one, which writes down what it is asked, and does not answer some questions."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.real = shutil.which("git")
        self.program = folder / "programs" / "git"
        self.log = folder / "asked"
        self.program.parent.mkdir()
        self.fail()
        monkeypatch.setenv("PATH", f"{self.program.parent}:{os.environ['PATH']}")

    def fail(self, *commands: str) -> None:
        """To these commands, and no others."""
        failing = "".join(
            f"case \" $* \" in *' {each} '*) echo 'fatal: out of memory' >&2; exit 128;; esac\n" for each in commands
        )
        text = f'#!/bin/sh\necho "$*" >> "{self.log}"\n{failing}exec "{self.real}" "$@"\n'
        (beside := self.program.with_name("new")).write_text(text, "utf-8")
        beside.chmod(0o755)
        beside.replace(self.program)

    def asked(self, command: str) -> int:
        """How often so far."""
        return sum(f" {command} " in line for line in self.log.read_text("utf-8").splitlines())


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    return Git(tmp_path, monkeypatch)


@pytest.mark.parametrize("command", ["rev-parse", "for-each-ref", "merge-base", "diff-tree", "log"])
def test_what_git_does_not_answer_is_not_merged(project: Project, program: Git, command: str) -> None:
    proposals, _ = proposing(project)
    made = proposals.make((new_version(project),), "", "Open", ADA)
    program.fail(command)
    for _ in range(2):
        with pytest.raises(ConflictError, match="git refused: fatal: out of memory"):
            proposals.list()
    with pytest.raises(ConflictError, match="git refused: fatal: out of memory"):
        proposals.file(made.branch, PATH)
    program.fail()
    assert [(each.merged, each.files) for each in proposals.list()] == [(False, (PATH,))]
    assert proposals.file(made.branch, PATH).base == made.base


@pytest.mark.parametrize("command", ["ls-tree", "cat-file", "rev-list"])
def test_a_file_that_git_does_not_show_has_no_wrong_base(project: Project, program: Git, command: str) -> None:
    proposals, _ = proposing(project)
    made = proposals.make((new_version(project),), "", "Open", ADA)
    program.fail(command)
    with pytest.raises(ConflictError, match="git refused"):
        proposals.file(made.branch, PATH)


def test_git_is_asked_once_however_many_look(project: Project, program: Git) -> None:
    proposals, _ = proposing(project)
    for mark in "abc":
        proposals.make((new_version(project, mark),), "", mark, ADA)
    before, start = program.asked("merge-base"), threading.Barrier(6)

    def look(_: int) -> int:
        start.wait()
        return len(proposals.list())

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(look, range(6))) == [3] * 6
    assert program.asked("merge-base") - before == 3
    proposals.make((new_version(project, "d"),), "", "d", ADA)
    assert len(proposals.list()) == 4
    assert program.asked("merge-base") - before == 4
    commit(project, "README.md", "The project goes on.\n")
    assert [each.merged for each in proposals.list()] == [False] * 4
    assert program.asked("merge-base") - before == 8
    git(project.root, *AS_ADA, "merge", "--squash", sorted(each.branch for each in proposals.list())[0])
    git(project.root, *AS_ADA, "commit", "-qm", "Merged")
    assert sorted(each.merged for each in proposals.list()) == [False] * 3 + [True]
    before = program.asked("log")
    commit(project, "README.md", "And on.\n")
    assert sorted(each.merged for each in proposals.list()) == [False] * 3 + [True]
    assert program.asked("log") - before == 3, "what is merged stays so"


def test_a_message_is_one_message_whatever_is_in_it(project: Project) -> None:
    git(project.root, "switch", "--quiet", "-c", "propose/odd")
    (project.root / PATH).write_text("odd: file\n", "utf-8")
    git(project.root, "add", PATH)
    git(project.root, *AS_ADA, "commit", "-qm", "One\x01propose/none\x01two")
    git(project.root, "switch", "--quiet", "-")
    [only] = proposing(project)[0].list()
    assert (only.branch, only.message) == ("propose/odd", "One\x01propose/none\x01two")


def test_what_lint_refuses_is_not_proposed(project: Project) -> None:
    proposals, _ = proposing(project)
    good = new_version(project)
    bad = ProposedFile(path=PATH, text=good.text.replace("{{ question", "{{ qestion"))
    with pytest.raises(PromptError, match="undeclared-variable"):
        proposals.make((bad,), "", "A slip", ADA)
    assert proposals.list() == []
    same = (project.root / f"prompts/{PROMPT}/1.2.0.yaml").read_text("utf-8")
    with pytest.raises(ConflictError, match="changes nothing"):
        proposals.make((ProposedFile(path=f"prompts/{PROMPT}/1.2.0.yaml", text=same),), "", "Nothing", ADA)


@pytest.mark.parametrize(
    "path",
    [
        *("../other/prompts/a/1.0.0.yaml", "prompts/../moat.yaml", "/etc/passwd", "prompts/a//1.0.0.yaml"),
        *(".git/config", "prompts/.git/hooks/1.0.0.yaml", "other/moat.yaml", "prompts.lock", "evals/scorers.py"),
        *(".github/workflows/gate.yaml", "prompts/a/\u2024\u2024/1.0.0.yaml", "prompts/a/1.0.0.yaml\n", "prompts"),
        *("prompts/./a/1.0.0.yaml", "prompts/a/.1.0.0.yaml", "prompts\\a\\1.0.0.yaml", ""),
    ],
)
def test_only_files_of_prompts_tools_and_suites_can_be_proposed(project: Project, path: str) -> None:
    proposals, _ = proposing(project)
    with pytest.raises(RequestError, match="cannot be proposed"):
        proposals.make((ProposedFile(path=path, text="x"),), "", "Elsewhere", ADA)


def test_nothing_is_written_through_a_link(project: Project) -> None:
    (project.root / "prompts" / "linked").symlink_to("/tmp")
    git(project.root, "add", "prompts/linked")
    git(project.root, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-m", "A link")
    proposals, _ = proposing(project)
    with pytest.raises(ConflictError, match="is a link"):
        proposals.make((ProposedFile(path="prompts/linked/1.0.0.yaml", text="x"),), "", "Through it", ADA)


def test_a_project_below_the_top_of_its_repository(project: Project, tmp_path: Path) -> None:
    top = tmp_path / "mono"
    (top / "apps").mkdir(parents=True)
    project.root.rename(top / "apps" / "shop")
    project.root = top / "apps" / "shop"
    git(top, "init", "--quiet")
    (project.root / ".git").rename(tmp_path / "old")
    git(top, "add", "--all")
    git(top, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-qm", "All")
    proposals, _ = proposing(project)
    made = proposals.make((new_version(project),), "", "Below", ADA)
    assert git(top, "diff", "--name-only", made.base, made.branch) == f"apps/shop/{PATH}"
    assert [each.files for each in proposals.list()] == [(PATH,)]


def test_a_branch_is_pushed_where_that_is_wanted(project: Project, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "forge.git")
    git(project.root, "remote", "add", "origin", str(tmp_path / "forge.git"))
    with (project.root / "moat.yaml").open("a") as file:
        file.write("\nconsole: {propose: {push: true}}\n")
    proposals, _ = proposing(project)
    made = proposals.make((new_version(project),), "", "Pushed", ADA)
    assert (made.pushed, made.push_problem) == (True, "")
    assert git(tmp_path / "forge.git", "rev-parse", made.branch) == made.commit
    (tmp_path / "forge.git").rename(tmp_path / "gone.git")
    alone = proposals.make((new_version(project, "more"),), "", "Not pushed", ADA)
    assert not alone.pushed
    assert "cannot be pushed" in alone.push_problem
    assert git(project.root, "rev-parse", alone.branch) == alone.commit, "it is kept all the same"


def test_a_refused_push_tells_nobody_the_token_of_the_address(project: Project) -> None:
    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("www-authenticate", 'Basic realm="forge"')
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: git's own words are what counts."""

    with (project.root / "moat.yaml").open("a") as file:
        file.write("\nconsole: {propose: {push: true}}\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as forge:
        threading.Thread(target=forge.serve_forever).start()
        git(project.root, "remote", "add", "origin", f"http://hush-hush@127.0.0.1:{forge.server_port}/x.git")
        proposals, _ = proposing(project)
        made = proposals.make((new_version(project),), "", "Why", ADA)
        forge.shutdown()
    assert (made.pushed, f"127.0.0.1:{forge.server_port}" in made.push_problem) == (False, True)
    assert "hush-hush" not in made.push_problem


def test_names_that_git_refuses_become_names_that_it_takes(project: Project) -> None:
    repository = ProposingRepository(project.root)
    for subject in ("a b..c", "x.lock", "/", "ä/ö", "-x", "a/.b", "@{", "a" * 300):
        name = repository.free_branch(subject)
        git(project.root, "check-ref-format", f"refs/heads/{name}")
    git(project.root, "branch", "propose/one-two")
    git(project.root, "branch", "propose/one-two-2/by-hand")
    assert repository.free_branch("one/two") == "propose/one-two-3"


@pytest.mark.parametrize(
    ("remote", "page"),
    [
        ("git@github.com:acme/shop.git", "https://github.com/acme/shop/compare/main...propose/x-1?expand=1"),
        ("https://t0ken@github.com/acme/shop", "https://github.com/acme/shop/compare/main...propose/x-1?expand=1"),
        (
            "ssh://git@gitlab.example.org:2222/team/sub/shop.git",
            "https://gitlab.example.org/team/sub/shop/-/merge_requests/new?"
            "merge_request%5Bsource_branch%5D=propose%2Fx-1&merge_request%5Btarget_branch%5D=main",
        ),
        ("https://codeberg.org/acme/shop.git", "https://codeberg.org/acme/shop/compare/main...propose/x-1"),
        ("http://gitea.local:3000/a/b", "http://gitea.local:3000/a/b/compare/main...propose/x-1"),
        (
            "git@bitbucket.org:acme/shop.git",
            "https://bitbucket.org/acme/shop/pull-requests/new?source=propose%2Fx-1&dest=main",
        ),
        *((remote, "") for remote in ("/srv/git/shop.git", "../shop.git", "", "https://git.example.org/a/b")),
        ("javascript://github.com/%0aalert(1)", ""),
    ],
)
def test_forges_are_known_by_the_address_of_the_remote(remote: str, page: str) -> None:
    assert compare_url(remote, "main", "propose/x-1") == page


def test_what_others_changed_since_a_file_was_read_is_not_taken_back(project: Project) -> None:
    tone, rules = (f"prompts/_partials/{name}.j2" for name in ("tone-2", "rules"))
    read = {path: commit(project, path, "As it was read.\n") for path in (tone, rules)}
    proposals, _ = proposing(project)

    def wish(path: str, base: str) -> ProposedFile:
        return ProposedFile(path=path, text="Mine.\n", base=base)

    both = tuple(wish(path, base) for path, base in read.items())
    new = wish("prompts/_partials/new.j2", "")
    made = proposals.make((*both, new), "", "Files that were read of two commits, and a new one", ADA)
    assert [proposals.file(made.branch, path).base for path in made.files] == [*read.values(), read[rules]]
    commit(project, rules, "Theirs.\n")
    with pytest.raises(ConflictError, match=r"rules\.j2 has changed since") as refused:
        proposals.make(both, "", "Why", ADA)
    assert refused.value.where == "files[1].base"
    assert proposals.make((both[0], wish(rules, "")), "", "Nobody looks", ADA).files == (tone, rules)
    with pytest.raises(RequestError, match="0000"):
        proposals.make((wish(tone, "0" * 40),), "", "Why", ADA)


def commit(project: Project, path: str, text: str) -> str:
    """The commit in which a file has got this text."""
    (project.root / path).parent.mkdir(parents=True, exist_ok=True)
    (project.root / path).write_text(text, "utf-8")
    git(project.root, "add", path)
    git(project.root, *AS_ADA, "commit", "-qm", path)
    return git(project.root, "rev-parse", "HEAD")
