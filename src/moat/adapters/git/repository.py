"""What Moat asks of git: which commit, whose work, what is uncommitted."""

import io
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from moat.domain.errors import ConflictError, NotFound, Unavailable

TIMEOUT = 20.0
"""Seconds for one command."""

_ISOLATED = (
    # The repository's own configuration must not make git run programs of its choosing.
    "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false",
    "-c", "core.quotePath=false", "--no-pager", "--literal-pathspecs",
)  # fmt: skip


class Commit(NamedTuple):
    """One commit, as git tells it."""

    id: str
    author: str
    """`Name <email>`."""
    time_ns: int
    subject: str


class GitRepository:
    """The repository that a project's root lies in, or that there is none.

    Questions about a folder outside any repository, or on a machine without git, answer with nothing; only
    `init` and `commit_all` need git and raise `Unavailable` without it. `environ` is the environment to run git
    in (`PATH`, `HOME`); its `GIT_*` variables are left out, since they would point to another repository.
    """

    def __init__(self, root: Path, environ: Mapping[str, str] | None = None, *, program: str = "git") -> None:
        self._root = root
        given = environ if environ is not None else {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        kept = {name: value for name, value in given.items() if not name.startswith("GIT_")}
        self._environ = {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8"}
        self._program = program

    def commit(self) -> str:
        """Full id of the current commit; empty before the first one."""
        return self._ask("rev-parse", "--verify", "--quiet", "HEAD")

    def author(self) -> str:
        """Who works here: `Name <email>` from git's configuration; empty when it has none."""
        name, email = self._ask("config", "user.name"), self._ask("config", "user.email")
        return f"{name} <{email}>".strip() if email else name

    def top(self) -> Path | None:
        """Top folder of the repository; None when there is none."""
        found = self._ask("rev-parse", "--show-toplevel")
        return Path(found) if found else None

    def is_dirty(self, path: str | Path = ".") -> bool:
        """Does the file (or anything in the folder), relative to the root, differ from the commit or is it new?

        False outside a repository.
        """
        return bool(self._ask("status", "--porcelain", "--untracked-files=all", "--", str(path)))

    def resolve(self, revision: str) -> str:
        """Full id of the commit that a branch, tag or abbreviated id names. Raises `NotFound`."""
        found = (
            "" if revision.startswith("-") else self._ask("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        )
        if not found:
            raise NotFound(
                f"git knows no revision {revision!r}", where=str(self._root), remedy="`git log --all` shows them."
            )
        return found

    def export(self, revision: str, into: Path) -> str:
        """Write the project as it was at a revision into an empty folder; the commit's id.

        Raises `NotFound` for an unknown revision, `ConflictError` for one that does not hold the project or holds
        links that lead outside it.
        """
        commit = self.resolve(revision)
        try:
            archive = self._run(("archive", "--format=tar", commit, "--", ".")).stdout
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                tar.extractall(into, filter="data")
        except (subprocess.CalledProcessError, tarfile.TarError):
            raise ConflictError(f"{revision} does not hold this project", where=str(self._root)) from None
        return commit

    def log(self, path: str, *, limit: int = 100) -> list[Commit]:
        """The commits that changed a file or folder, relative to the root; newest first, empty when there is none."""
        wanted = f"--max-count={limit}"
        lines = self._ask("log", wanted, "--format=%H%x1f%an <%ae>%x1f%ct%x1f%s", "--", path).splitlines()
        fields = (line.split("\x1f", 3) for line in lines)
        return [Commit(commit, author, int(seconds) * 10**9, subject) for commit, author, seconds, subject in fields]

    def init(self) -> None:
        """Make the root a repository of its own with branch `main`, unless it is one. Raises `Unavailable`."""
        if self.top() != self._root.resolve():
            self._do("init", "--quiet", "--initial-branch=main")

    def commit_all(self, message: str, *, author: str = "") -> str:
        """Commit every change below the root; the commit's id (the current one when nothing changed).

        `author` (`Name <email>`) stands in where git's configuration names nobody. Raises `ConflictError` when
        git refuses, `Unavailable` without git.
        """
        self._do("add", "--all", "--", ".")
        if self._do("status", "--porcelain", "--untracked-files=no", "--", "."):
            name, _, email = (self.author() or author or "moat <moat@localhost>").partition(" <")
            who = ("-c", f"user.name={name}", "-c", f"user.email={email.rstrip('>') or 'moat@localhost'}")
            self._do(*who, "commit", "--quiet", "--no-verify", "--message", message, "--", ".")
        return self.commit()

    def _ask(self, *arguments: str) -> str:
        """What git prints; nothing when it fails or is not there."""
        try:
            return _text(self._run(arguments).stdout) if self._root.is_dir() else ""
        except (Unavailable, subprocess.CalledProcessError):
            return ""

    def _do(self, *arguments: str) -> str:
        try:
            return _text(self._run(arguments).stdout)
        except subprocess.CalledProcessError as error:
            said = _text(error.stderr or error.stdout or b"").splitlines()
            raise ConflictError(
                f"git refused: {said[-1] if said else 'it gave no reason'}", where=str(self._root)
            ) from None

    def _run(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                [self._program, *_ISOLATED, *arguments],
                cwd=self._root,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT,
                check=True,
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(f"git did not answer within {TIMEOUT:.0f} s", where=str(self._root)) from None
        except (FileNotFoundError, PermissionError):
            raise Unavailable(
                f"the program {self._program!r} cannot be run", where=str(self._root), remedy="Install git."
            ) from None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()
