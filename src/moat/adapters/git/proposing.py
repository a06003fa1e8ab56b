"""Commits that nobody has checked out: new branches, made beside the working tree, the index and the current branch."""

import copy
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from moat.adapters.git.repository import MAX_SECONDS, GitRepository
from moat.domain.errors import ConflictError, DocumentError, NotFound, Unavailable

PROPOSALS = "propose/"
"""What the names of such branches begin with."""

MAX_PROPOSALS = 50
MAX_SUFFIX = 100
PUSH_TIMEOUT = 60.0
"""Seconds."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
"""All but tabs and ends of lines: git would take them, and whoever looks at the proposal would not see all of it."""
_REGULAR = ("100644", "100755", "100664")
_FIELDS = "%(refname:lstrip=2)%00%(objectname)%00%(authorname) %(authoremail)%00%(authordate:unix)%00%(contents)%01"


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
        """The newest `MAX_PROPOSALS` branches of proposals, newest first."""
        shown = ("--sort=-committerdate", f"--count={MAX_PROPOSALS}", f"--format={_FIELDS}")
        told = self._ask("for-each-ref", *shown, f"refs/heads/{PROPOSALS}")
        found = []
        for line in told.split("\x01"):
            fields = line.strip("\n").split("\0")
            if len(fields) == 5:
                name, commit, author, seconds, message = fields
                time_ns = min(max(int(seconds or 0), 0), MAX_SECONDS) * 10**9
                found.append(ProposedBranch(name, commit, author, time_ns, message.strip()))
        return found

    def proposed_commit(self, branch: str) -> str:
        """What a branch of proposals points to. Raises `NotFound` for any other branch, and for what is none."""
        shown = ("show-ref", "--verify", "--hash", f"refs/heads/{branch}")
        found = self._ask(*shown) if branch.startswith(PROPOSALS) else ""
        if not found:
            raise NotFound(f"there is no proposal {branch[:200]!r}", remedy="`GET /api/v1/proposals` lists them.")
        return found

    def text(self, commit: str, path: str) -> str:
        """A file, relative to the root, to the letter. Raises `NotFound` when the commit does not have it as a regular
        file, `DocumentError` when it is not UTF-8.
        """
        told = self._ask("ls-tree", "-z", commit, "--", path)
        if told.split(" ")[0] not in _REGULAR:
            raise NotFound(f"the commit {commit[:12]} has no file {path!r}", where=path)
        try:
            return self._do_raw("cat-file", "blob", f"{commit}:./{path}").decode("utf-8")
        except UnicodeDecodeError:
            raise DocumentError("not UTF-8 text", where=path, remedy="Save it as UTF-8.") from None

    def left(self, commit: str) -> str:
        """The commit in which the branch of another left the current one; empty when they have none in common."""
        return self._ask("merge-base", "HEAD", commit)

    def changed(self, commit: str) -> tuple[str, ...]:
        """The files, relative to the root, in which a commit differs from where its branch left the current one."""
        base = self.left(commit)
        if not base:
            return ()
        told = self._ask("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--relative", base, commit)
        return tuple(path for path in told.split("\0") if path)

    def remote_url(self, remote: str) -> str:
        """Where a remote leads; empty when there is none of the name."""
        return "" if remote.startswith("-") else self._ask("config", "--get", f"remote.{remote}.url")

    def branch(self) -> str:
        """The branch that is checked out; empty when none is."""
        return self._ask("symbolic-ref", "--quiet", "--short", "HEAD")

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
