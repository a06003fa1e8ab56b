"""Commits that nobody has checked out: new branches, made beside the working tree, the index and the current branch."""

import copy
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from moat.adapters.git.repository import MAX_SECONDS, GitRepository
from moat.adapters.git.snapshot import content
from moat.domain.errors import ConflictError, DocumentError, NotFound, Unavailable

PROPOSALS = "propose/"
"""What the names of such branches begin with."""

MAX_PROPOSALS = 50
MAX_SUFFIX = 100
MAX_NAMED = 200
"""Files that are named to git one by one; for more, the whole project is."""
PUSH_TIMEOUT = 60.0
"""Seconds."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
"""All but tabs and ends of lines: git would take them, and whoever looks at the proposal would not see all of it."""
_REGULAR = ("100644", "100755", "100664")
_FIELDS = "%(refname:lstrip=2)%00%(objectname)%00%(authorname) %(authoremail)%00%(authordate:unix)%00%(contents)%00"


class ProposedBranch(NamedTuple):
    """A branch of proposals, as git tells it."""

    name: str
    commit: str
    author: str
    """`Name <e-mail>`."""
    time_ns: int
    message: str


class ProposingRepository(GitRepository):
    """Makes and lists branches of proposals. The working tree, the index and `HEAD` stay as they are."""

    def commit_files(self, base: str, files: Mapping[str, str], message: str, author: tuple[str, str]) -> str:
        """A commit on top of `base` in which some files, relative to the root, have these texts; no branch has it yet.

        `author`: name and e-mail. Raises `ConflictError` when a path leads through a link or a submodule, or nothing
        is changed by it.
        """
        prefix = self._do("rev-parse", "--show-prefix")
        self._check_places(base, prefix, files)
        with tempfile.TemporaryDirectory(prefix="moat-") as folder:
            beside = self._with(GIT_INDEX_FILE=f"{folder}/index")
            beside._do("read-tree", base)
            for path, text in files.items():
                blob = self._write_blob(Path(folder) / "blob", text)
                beside._do("update-index", "--add", "--cacheinfo", f"100644,{blob},{prefix}{path}")
            tree = beside._do("write-tree")
        if tree == self._do("rev-parse", "--verify", f"{base}^{{tree}}"):
            raise ConflictError("it changes nothing: the repository holds these files as they are")
        name, email = (_said(part) for part in author)
        signed = self._with(
            GIT_AUTHOR_NAME=name or email or "unknown",
            GIT_AUTHOR_EMAIL=email,
            GIT_COMMITTER_NAME="Moat",
            GIT_COMMITTER_EMAIL="moat@localhost",
        )
        return signed._do("commit-tree", tree, "-p", base, "-m", _CONTROLS.sub("", message))

    def free_branch(self, subject: str) -> str:
        """A name that no branch has, here or at a remote, for a proposal about `subject`.

        Raises `ConflictError` when too many have it.
        """
        wanted = PROPOSALS + (_slug(subject) or "change")
        shown = ("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes")
        refs = self._do(*shown).splitlines()
        # `refs/remotes/<remote>/<branch>`
        taken = {ref.split("/", 2 if ref.startswith("refs/heads/") else 3)[-1] for ref in refs}
        for number in range(1, MAX_SUFFIX):
            name = wanted if number == 1 else f"{wanted}-{number}"
            if not any(
                other == name or other.startswith(f"{name}/") or name.startswith(f"{other}/") for other in taken
            ):
                return name
        raise ConflictError(f"there are too many branches {wanted}", remedy="Delete those that are merged.")

    def create_branch(self, name: str, commit: str) -> None:
        """Point a new branch to a commit. Raises `ConflictError` when somebody else has just made it."""
        self._do("update-ref", "-m", "moat: proposal", f"refs/heads/{name}", commit, "")  # which must not be there yet

    def remove_branch(self, name: str, commit: str) -> None:
        """Take a branch away that still points to this commit. Raises `ConflictError` when it does not."""
        self._do("update-ref", "-d", f"refs/heads/{name}", commit)

    def push_branch(self, remote: str, name: str) -> None:
        """Push one branch, without asking anybody for a password. Raises `Unavailable` when it does not arrive."""
        options = ("--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
        try:
            self._run(("push", *options, "--", remote, f"refs/heads/{name}:refs/heads/{name}"), timeout=PUSH_TIMEOUT)
        except subprocess.CalledProcessError as error:
            said = (error.stderr or b"").decode("utf-8", "replace").strip().splitlines()
            raise Unavailable(
                f"the branch {name!r} cannot be pushed to {remote!r}: {said[-1] if said else 'no reason given'}",
                remedy="Check `console.propose` in moat.yaml, the network, and the credentials git finds by itself.",
            ) from None

    def proposed(self) -> list[ProposedBranch]:
        """The newest `MAX_PROPOSALS` branches of proposals, newest first. Raises `ConflictError` when git refuses."""
        shown = ("--sort=-committerdate", f"--count={MAX_PROPOSALS}", f"--format={_FIELDS}")
        fields = self._do("for-each-ref", *shown, f"refs/heads/{PROPOSALS}").split("\0")
        found = []
        for at in range(0, len(fields) - 1, 5):
            name, commit, author, seconds, message = fields[at : at + 5]
            time_ns = min(max(int(seconds or 0), 0), MAX_SECONDS) * 10**9
            found.append(ProposedBranch(name.strip(), commit, author, time_ns, message.strip()))
        return found

    def proposed_commit(self, branch: str) -> str:
        """What a branch of proposals points to; empty for any other branch, and for what is none.

        Raises `ConflictError` when git refuses.
        """
        ref = f"refs/heads/{branch}"
        told = self._do("for-each-ref", "--format=%(objectname) %(refname)", f"refs/heads/{PROPOSALS}")
        return next(
            (commit for commit, _, name in (line.partition(" ") for line in told.splitlines()) if name == ref), ""
        )

    def text(self, commit: str, path: str) -> str:
        """A file, relative to the root, to the letter. Raises `NotFound` when the commit does not have it as a regular
        file, `DocumentError` when it is not UTF-8, `ConflictError` when git refuses.
        """
        told = self._do("ls-tree", "-z", commit, "--", path)
        if told.split(" ")[0] not in _REGULAR:
            raise NotFound(f"the commit {commit[:12]} has no file {path!r}", where=path)
        try:
            return self._do_raw("cat-file", "blob", f"{commit}:./{path}").decode("utf-8")
        except UnicodeDecodeError:
            raise DocumentError("not UTF-8 text", where=path, remedy="Save it as UTF-8.") from None

    def head(self) -> str:
        """The current commit; empty before the first one and outside of any repository.

        Raises `ConflictError` when git refuses, `Unavailable` when it does not answer, or is not there.
        """
        try:
            return self._do("rev-parse", "--verify", "--quiet", "HEAD", none=1)
        except ConflictError as error:
            if "not a git repository" in error.what:
                return ""
            raise

    def left(self, head: str, commit: str) -> str:
        """The commit in which the branch of one left another, `head`; empty when they have none in common.

        Raises as `head` does.
        """
        return self._do("merge-base", head, commit, none=1)

    def took(self, head: str, commit: str, files: Mapping[str, str]) -> bool:
        """Was the change of some files, which the branch of `commit` makes, made on the way to `head` too?

        `files`: what differs where the branch left, as `differences` tells it. Yes when each change is there as a
        commit of its own or when all files were once as the branch has them: it may have been merged as one new commit
        or as others, and may have been changed again since. Raises as `head` does.
        """
        marked = ("--cherry-mark", "--left-right", "--format=%m%H")
        shown = ("-m", "--full-history", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv")
        paths = files if len(files) <= MAX_NAMED else (".",)
        told = self._do("log", *marked, *shown, f"{head}...{commit}", "--", *paths).split("\n")
        if not any(line.startswith(">") for line in told):
            return True
        wanted, brought = set(files.values()), set()
        mark = one = ""
        for line in told:
            if not line.startswith(":"):
                mark, one = line[:1] or mark, line[1:] or one
            elif mark != ">" and content(line) in wanted:
                brought.add(one)
        return any(files.keys().isdisjoint(self.differences(one, commit)) for one in brought)

    def last_change(self, commit: str, path: str) -> str:
        """The commit that changed a file last before another, or that one itself; empty when none ever did.

        Raises as `head` does.
        """
        return self._do("rev-list", "--max-count=1", commit, "--", path)

    def remote_url(self, remote: str) -> str:
        """Where a remote leads; empty when there is none of the name, or git does not tell."""
        return "" if remote.startswith("-") else self._ask("config", "--get", f"remote.{remote}.url")

    def _check_places(self, base: str, prefix: str, files: Mapping[str, str]) -> None:
        """All folders above a file are folders, and the file, if it is there, is a regular one."""
        folders: set[str] = set()
        for path in files:
            parts = f"{prefix}{path}".split("/")
            self._check_place(base, "/".join(parts), path, _REGULAR)
            for folder in {"/".join(parts[:length]) for length in range(1, len(parts))} - folders:
                self._check_place(base, folder, path, ("040000",))
                folders.add(folder)

    def _check_place(self, base: str, place: str, path: str, modes: tuple[str, ...]) -> None:
        told = self._do("ls-tree", "-z", "--full-tree", base, "--", place)
        if told and told.split(" ")[0] not in modes:
            raise ConflictError(
                f"{place} is a link, a submodule, or no folder", where=path, remedy="Propose the file itself."
            )

    def _write_blob(self, file: Path, text: str) -> str:
        file.write_text(text, "utf-8", newline="")
        return self._do("hash-object", "-w", "-t", "blob", "--no-filters", "--", str(file))

    def _with(self, **variables: str) -> "ProposingRepository":
        other = copy.copy(self)
        other._environ = {**self._environ, **variables}
        return other


def _slug(subject: str) -> str:
    """As a branch may be called, in one part: git keeps branches as files, and none can be the folder of another."""
    words = re.sub(r"[^A-Za-z0-9._]+", "-", subject)
    return re.sub(r"\.{2,}|\.lock$", "-", words)[:100].strip(".-")


def _said(text: str) -> str:
    """A name as a commit can hold it: without what ends it there."""
    return re.sub(r"[<>\x00-\x1f]", "", text).strip(" .,:;\"'")
