"""What Moat asks of git: which commit, whose work, what is uncommitted, what other branches hold."""

import copy
import logging
import os
import re
import resource
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from moat.adapters.git import snapshot
from moat.domain.errors import ConflictError, NotFound, Unavailable

log = logging.getLogger("moat.git")

TIMEOUT = 20.0
"""Seconds for one command."""

FETCH_TIMEOUT = 60.0
"""Seconds for one fetch."""

EXPORT_TIMEOUT = 60.0
"""Seconds for the contents of one commit."""

MAX_OUTPUT = 64 * 2**20
"""Bytes that one answer may have: a few small trees that name each other stand for billions of files."""

MAX_MEMORY = 2**30
"""Bytes that git may use for one answer: a few of a push can unpack to more than the machine has."""

MAX_SECONDS = (2**63 - 1) // 10**9
"""The latest commit time that fits the stores, which hold 64-bit nanoseconds; commits can be dated at will."""

MAX_BRANCHES = 50
"""The branches that were committed to last; older ones are not looked at."""

_ISOLATED = (
    # The repository's own configuration must not make git run programs of its choosing.
    "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false",
    "-c", "core.quotePath=false", "-c", "log.showSignature=false", "-c", "log.follow=false",
    "--no-pager", "--literal-pathspecs",
)  # fmt: skip

_URL_PASSWORD = re.compile(r"(?<=://)[^/\s'\"]*@")
"""User and password of an address: whoever sees the message is not whoever may push."""

_COMMIT = "%H%x00%an <%ae>%x00%ct%x00%s"


class Commit(NamedTuple):
    """One commit, as git tells it."""

    id: str
    author: str
    """`Name <email>`."""
    time_ns: int
    subject: str


class Branch(NamedTuple):
    """A local branch, or one of a remote as it was fetched last."""

    name: str
    commit: str


class GitRepository:
    """The repository that a project's root lies in, or that there is none.

    Questions about a folder outside any repository, or on a machine without git, answer with nothing; only
    `init` and `commit_all` need git and raise `Unavailable` without it. `environ` is the environment to run git
    in (`PATH`, `HOME`); its `GIT_*` variables are left out, since they would point to another repository.
    """

    def __init__(self, root: Path, environ: Mapping[str, str] | None = None, *, program: str = "git") -> None:
        self._root = root
        self._at = ""
        given = environ if environ is not None else {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        kept = {name: value for name, value in given.items() if not name.startswith("GIT_")}
        # Nothing may ask for a password: not git, not ssh, and no window.
        unattended = {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        }
        self._environ = {**kept, **unattended, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8"}
        self._program = program

    def at(self, commit: str) -> "GitRepository":
        """The repository as if this were the current commit and nothing were edited, whatever is checked out."""
        other = copy.copy(self)
        other._at = commit
        return other

    def commit(self) -> str:
        """Full id of the current commit; empty before the first one."""
        return self._at or self._ask("rev-parse", "--verify", "--quiet", "HEAD")

    def author(self) -> str:
        """Who works here: `Name <email>` from git's configuration; empty when it has none."""
        name, email = self._ask("config", "user.name"), self._ask("config", "user.email")
        return f"{name} <{email}>".strip() if email else name

    def top(self) -> Path | None:
        """Top folder of the repository; None when there is none."""
        found = self._ask("rev-parse", "--show-toplevel")
        return Path(found) if found else None

    def is_dirty(self, *paths: str) -> bool:
        """Does one of the files (or anything in a folder; default: the root), relative to the root, differ from the
        commit or is it new?

        False outside a repository.
        """
        return not self._at and bool(
            self._ask("status", "--porcelain", "--untracked-files=all", "--", *(paths or ["."]))
        )

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

    def merge_base(self, one: str, other: str) -> str:
        """The newest commit that two revisions have both grown from. Raises `NotFound` for an unknown one, and
        `ConflictError` when there is none, or when it was not fetched.
        """
        found = self._ask("merge-base", self.resolve(one), self.resolve(other))
        if not found:
            shallow = self._ask("rev-parse", "--is-shallow-repository") == "true"
            raise ConflictError(
                f"{one} and {other} have no commit in common" + (" in this shallow clone" if shallow else ""),
                where=str(self._root),
                remedy="Fetch the whole history: `fetch-depth: 0` for actions/checkout, `GIT_DEPTH: 0` at GitLab, or "
                "`git fetch --unshallow`."
                if shallow
                else "Name another base.",
            )
        return found

    def export(self, revision: str, into: Path, paths: Iterable[str] = snapshot.PATHS) -> tuple[str, ...]:
        """Write files and folders of the project as a revision stores them into an empty folder; which were left out
        for being no regular files (links, submodules).

        A file over the limits of `snapshot` becomes a hole of that size, which readers refuse. Raises `NotFound` for
        an unknown revision, `ConflictError` for one that holds none of the paths or too much, `StorageError` when the
        disk refuses.
        """
        commit = self.resolve(revision)
        listing = self._do_raw("ls-tree", "-r", "-l", "-z", commit, "--", *paths)
        if not listing:
            raise ConflictError(f"{revision} does not hold this project", where=str(self._root))
        found = snapshot.parse(listing)
        if found.left_out:
            log.warning("commit %s: left out, for not being regular files: %.500r", commit[:10], found.left_out)
        with tempfile.TemporaryFile() as wanted:
            wanted.writelines(f"{blob.id}\n".encode() for blob in found.blobs if blob.size <= blob.limit)
            wanted.seek(0)
            try:
                with self._running(("cat-file", "--batch", "--buffer"), EXPORT_TIMEOUT, wanted) as contents:
                    snapshot.write(found.blobs, contents, into)
            except (EOFError, subprocess.CalledProcessError):
                raise ConflictError(f"git cannot read all of {revision}", where=str(self._root)) from None
        return found.left_out

    def log(self, path: str, *, limit: int = 100, since: str = "") -> list[Commit]:
        """The commits that changed a file or folder, relative to the root; newest first, empty when there is none.

        With `since`, those after a commit; all of them when git does not know it.
        """
        until = self._at or "HEAD"
        known = since and self._ask("rev-parse", "--verify", "--quiet", f"{since}^{{commit}}")
        span = f"{known}..{until}" if known else until
        lines = self._ask("log", f"--max-count={limit}", f"--format={_COMMIT}", span, "--", path).splitlines()
        return [_commit(line) for line in lines]

    def describe(self, revision: str) -> Commit:
        """The commit that a revision names. Raises `NotFound`."""
        return _commit(self._do("log", "--max-count=1", f"--format={_COMMIT}", self.resolve(revision), "--"))

    def branches(self) -> list[Branch]:
        """The `MAX_BRANCHES` committed to last, newest first. Raises `ConflictError` when git refuses."""
        shown = "--format=%(objectname)%09%(refname:lstrip=2)%09%(symref)"
        newest = ("--sort=-committerdate", f"--count={MAX_BRANCHES}", shown)
        told = self._do("for-each-ref", *newest, "refs/heads", "refs/remotes").splitlines()
        found = [[field for field in line.split("\t") if field] for line in told]
        return [Branch(fields[1], fields[0]) for fields in found if len(fields) == 2]  # a third one: only a pointer

    def origins(self, revision: str, *paths: str) -> dict[str, Commit]:
        """The commit that brought each file below some paths, as it is at a revision, in one pass over the history.

        Paths are relative to the root, those of the newest commit first. Raises `ConflictError` when git refuses.
        """
        shown = ("-c", "--date-order", "--no-renames", "--name-status", "--relative", f"--format=\x01{_COMMIT}")
        told = self._do("log", *shown, revision, "--", *paths)
        found: dict[str, Commit | None] = {}
        commit = None
        for line in told.split("\n"):
            if line.startswith("\x01"):
                commit = _commit(line[1:])
            elif line:
                status, _, path = line.partition("\t")
                found.setdefault(path, None if status.endswith("D") else commit)
        return {path: commit for path, commit in found.items() if commit is not None}

    def edited(self, *paths: str) -> set[str]:
        """The committed files below some paths that differ from the current commit or are gone, relative to the root.

        Raises `ConflictError` when git refuses.
        """
        told = self._do(
            "diff", "--no-ext-diff", "--name-only", "--no-renames", "--relative", "-z", "HEAD", "--", *paths
        )
        return {path for path in told.split("\0") if path}

    def differences(self, base: str, other: str, *paths: str) -> dict[str, str]:
        """The files below some paths that are not the same at two commits: the id of the content that `other` has,
        empty when it has none, by path relative to the root. Raises `ConflictError` when git refuses.
        """
        told = self._do("diff-tree", "-r", "-z", "--raw", "--no-renames", "--relative", base, other, "--", *paths)
        fields = told.split("\0")
        pairs = zip(fields[::2], fields[1::2], strict=False)
        return {path: snapshot.content(about) for about, path in pairs}

    def tracked(self, *paths: str) -> set[str]:
        """The files below some paths that the current commit holds, relative to the root."""
        return {
            path for path in self._ask("ls-tree", "-r", "-z", "--name-only", "HEAD", "--", *paths).split("\0") if path
        }

    def present(self, revision: str, *paths: str) -> list[str]:
        """Those of some paths that a revision has."""
        return self._ask("ls-tree", "--name-only", revision, "--", *paths).splitlines()

    def link(self, revision: str, path: str) -> str:
        """Where a symbolic link leads, as a revision has it. Raises `ConflictError` when git refuses."""
        return self._do("cat-file", "blob", f"{revision}:./{path}")

    def fetch(self, remote: str, branch: str) -> str:
        """Fetch one branch of a remote, by name or address; the id of its commit.

        Branches and files of the project stay as they are, and nobody is asked for a password. Raises `Unavailable`
        when it does not come.
        """
        target = f"refs/moat/{branch}"
        # What the repository's configuration could make git run on the way.
        options = ("--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance")
        try:
            self._run(
                ("fetch", *options, "--upload-pack=git-upload-pack", "--", remote, f"+refs/heads/{branch}:{target}"),
                timeout=FETCH_TIMEOUT,
            )
        except subprocess.CalledProcessError as error:
            said = _text(error.stderr or b"").splitlines()
            why = said[-1] if said else "no reason given"
            raise Unavailable(
                f"the branch {branch!r} cannot be fetched from {_URL_PASSWORD.sub('', remote)!r}: {why}",
                where=str(self._root),
                remedy="Check `git.remote` in moat.yaml, the network, and the credentials git finds without asking.",
            ) from None
        return self.resolve(target)

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
            return _text(self._run(arguments)) if self._root.is_dir() else ""
        except (Unavailable, ConflictError, subprocess.CalledProcessError):
            return ""

    def _do(self, *arguments: str, none: int = 0) -> str:
        """What git prints; nothing when it ends with the code `none`, which says that there is no such thing."""
        return _text(self._do_raw(*arguments, none=none))

    def _do_raw(self, *arguments: str, none: int = 0) -> bytes:
        try:
            return self._run(arguments)
        except subprocess.CalledProcessError as error:
            if error.returncode == none:
                return b""
            said = _text(error.stderr or error.stdout or b"").splitlines() or ["it gave no reason"]
            why = next((line for line in said if line.startswith("fatal: ")), said[-1])
            raise ConflictError(f"git refused: {why}", where=str(self._root)) from None

    def _run(self, arguments: tuple[str, ...], *, timeout: float | None = None) -> bytes:
        """All that git prints."""
        with self._running(arguments, timeout or TIMEOUT) as output:
            out = output.read(MAX_OUTPUT + 1)
            if len(out) > MAX_OUTPUT:
                raise ConflictError(f"git says more than {MAX_OUTPUT >> 20} MiB", where=str(self._root))
        return out

    @contextmanager
    def _running(
        self, arguments: tuple[str, ...], timeout: float, given: IO[bytes] | int = subprocess.DEVNULL
    ) -> Iterator[IO[bytes]]:
        """What git prints, while it does; after the block it has ended well.

        Raises `CalledProcessError` when not, `Unavailable` when it is not there or takes too long.
        """
        command = [self._program, *_ISOLATED, *arguments]
        with tempfile.TemporaryFile() as said:
            try:
                process = subprocess.Popen(
                    command,
                    cwd=self._root,
                    env=self._environ,
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    process_group=0,
                )
            except (FileNotFoundError, PermissionError):
                raise Unavailable(
                    f"the program {self._program!r} cannot be run", where=str(self._root), remedy="Install git."
                ) from None
            with process:
                with _deadline(process, timeout) as passed:
                    try:
                        assert process.stdout is not None
                        yield process.stdout
                        process.wait()
                    except BaseException:  # interrupted: programs that git started end with it
                        _end(process)
                        if not passed.is_set():
                            raise
                if passed.is_set():
                    raise Unavailable(f"git did not answer within {timeout:.0f} s", where=str(self._root))
            if process.returncode:
                said.seek(0)
                told = _URL_PASSWORD.sub("", _text(said.read(MAX_OUTPUT)))  # of a remote's address: people read it
                raise subprocess.CalledProcessError(process.returncode, command, b"", told.encode())


@contextmanager
def _deadline(process: "subprocess.Popen[bytes]", timeout: float) -> Iterator[threading.Event]:
    """Within bounds: of memory, and of time, after which it is ended and the event set."""
    passed = threading.Event()

    def end() -> None:
        passed.set()
        _end(process)

    if hasattr(resource, "prlimit"):  # of Linux
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
    timer = threading.Timer(timeout, end)
    timer.daemon = True
    timer.start()
    try:
        yield passed
    finally:
        timer.cancel()


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _commit(line: str) -> Commit:
    commit, author, seconds, subject = line.split("\0", 3)
    return Commit(commit, author, min(max(int(seconds or 0), 0), MAX_SECONDS) * 10**9, subject)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()
