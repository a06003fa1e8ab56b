"""Releases what was merged: each environment's newest versions, as its `auto` in moat.yaml says."""

import asyncio
import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from moat.adapters.git import Commit, GitRepository
from moat.bootstrap.project import Project
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.reload import LastGood, Snapshots, to_its_end
from moat.bootstrap.settings import CONFIG_FILE, Settings, require_environment, resolve
from moat.bootstrap.state import State
from moat.domain.errors import ConfigError, ConflictError, InputError, MoatError, NotFound, Stopped, StorageError
from moat.domain.releases import Assignment, PromptVersion, prompt_digest
from moat.ports.releases import Order, SyncOutcome, SyncReport, SyncStep
from moat.prompts.lock import LOCK
from moat.prompts.semver import is_stable, is_version, order

TURN_SECONDS = 30.0
"""How long a sync waits for one of another process."""

LOOK_SECONDS = 0.05
"""Between two looks at whether that one is done."""

POLL_SECONDS = 1.0
"""Between two looks at whether the next sync is due."""


class CommittedProject(Project):
    """A project as a commit has it: its prompts, tools, suites and lock come from there, moat.yaml and the stores from
    the project itself.
    """

    def __init__(self, project: Project, root: Path, commit: Commit) -> None:
        """`root` holds the files of the commit."""
        super().__init__(root)
        self._project = project
        self._commit = commit

    @property
    def settings(self) -> Settings:
        """moat.yaml of the project itself: a commit cannot loosen the rules it is judged by."""
        return self._project.settings

    @property
    def repository(self) -> GitRepository:
        """Seen from the commit."""
        return self._project.repository.at(self._commit.id)

    @property
    def author(self) -> str:
        """Of the commit."""
        return self._commit.author

    def publish(self, version: PromptVersion) -> None:
        """Into the lock of the project itself, where its files hold the same: then lint sees later edits. A clone that
        lags behind is left alone.
        """
        with suppress(NotFound, InputError):
            if prompt_digest(self._project.catalog.get(version.name, version.version)) == prompt_digest(version):
                self._project.publish(version)

    @property
    def folder(self) -> Path:
        """`.moat/` of the project itself."""
        return self._project.folder


class Syncing:
    """Implements `moat.ports.releases.Sync` on one project as it is now."""

    def __init__(self, project: Project, state: State, stopping: threading.Event | None = None) -> None:
        """`stopping`: set when this process ends, and no turn is waited for any more."""
        self._project = project
        self._state = state
        self._stopping = stopping or threading.Event()

    def sync(self, branch: str) -> SyncReport:
        """Fetch when a remote is configured, and release what the branch holds (a tag of its name is another thing)."""
        remote = self._project.settings.config.git.remote
        fetched = self._project.repository.fetch(remote, branch) if remote else f"refs/heads/{branch}"
        return self.release_merged(fetched)

    def release_merged(self, revision: str, environments: Collection[str] = (), *, dry_run: bool = False) -> SyncReport:
        """Release what a revision holds, in some environments or in all that release by themselves.

        Processes take turns. Raises `NotFound` for an unknown revision, `ConfigError` for an environment that is
        unknown or releases nothing by itself, `ConflictError` when another sync takes too long or the revision does
        not hold the project, `Stopped` when this process ends.
        """
        chosen = self._automatic(environments)
        commit = self._project.repository.describe(revision)
        turn = _turn(self._project.folder / "sync.lock", self._stopping)
        with tempfile.TemporaryDirectory(prefix="moat-sync-") as folder, turn:
            if LOCK in self._project.repository.export(commit.id, Path(folder)):
                raise ConflictError("is no regular file", where=LOCK, remedy="Commit the file itself.")
            merge = _Merge(self._project, self._state, Path(folder), commit)
            steps = tuple(
                merge.step(name, environment, dry_run=dry_run) for environment in chosen for name in merge.names()
            )
        return SyncReport(commit=commit.id, subject=commit.subject, author=commit.author, steps=steps, dry_run=dry_run)

    def _automatic(self, wanted: Collection[str]) -> list[str]:
        settings = self._project.settings
        found = [name for name, rules in settings.config.environments.items() if rules.auto != "never"]
        for name in wanted:
            require_environment(settings, name)
            if name not in found:
                raise ConfigError(
                    f"{name!r} releases nothing by itself",
                    where=f"{CONFIG_FILE}: $.environments.{name}",
                    remedy="Write `auto: merge` or `auto: verdict` there, or release by hand.",
                )
        return [name for name in found if not wanted or name in wanted]


class _Merge:
    """One commit, and what it means for each prompt and environment."""

    def __init__(self, project: Project, state: State, folder: Path, commit: Commit) -> None:
        self._state = state
        self._commit = commit
        self._environments = project.settings.config.environments
        self._project = CommittedProject(project, folder, commit)
        self._releasing = Releasing(self._project, state)

    def names(self) -> list[str]:
        """Prompts with a version that may be released, readable or not."""
        catalog = self._project.catalog
        return sorted(name for name in {*catalog.names(), *(e.name for e, _ in catalog.broken)} if self._newest(name))

    def step(self, name: str, environment: str, *, dry_run: bool) -> SyncStep:
        """Release a prompt's newest version, or say why not."""
        version = self._newest(name)
        outcome, detail, release = self._outcome(name, version, environment, dry_run=dry_run)
        return SyncStep(
            environment=environment, prompt=name, version=version, outcome=outcome, detail=detail, release=release
        )

    def _outcome(self, name: str, version: str, environment: str, *, dry_run: bool) -> tuple[SyncOutcome, str, str]:
        try:
            prompt = self._project.catalog.get(name, version)
            history = self._state.releases.history(name, environment)
            if self._was_released(prompt, history):
                return "unchanged", "", ""
            if held := self._held(prompt, history):
                return *held, ""
            if dry_run:
                return "released", "if the rules of the environment allow it", ""
            return self._release(prompt, environment)
        except (InputError, NotFound) as error:
            return "refused", str(error), ""

    def _release(self, prompt: PromptVersion, environment: str) -> tuple[SyncOutcome, str, str]:
        reason = f"merge {self._commit.id[:10]}: {self._commit.subject}"
        wish = Order(prompt=prompt.name, version=prompt.version, environment=environment, reason=reason)
        try:
            release, _ = self._releasing.release(wish, self._commit.author)
            return "released", "", release.id
        except ConflictError as error:
            return "waiting", str(error), self._to_be_approved(prompt, environment)

    def _to_be_approved(self, prompt: PromptVersion, environment: str) -> str:
        """Id of the release that people can say yes to meanwhile; empty where nobody needs to."""
        if not self._environments[environment].approvals:
            return ""
        made = next(iter(self._made(prompt)), None)
        return made or self._releasing.manifest(prompt.name, prompt.version, environment, self._commit.author).id

    def _newest(self, name: str) -> str:
        """The newest version that is no pre-release, also when its file is broken; empty when there is none."""
        catalog = self._project.catalog
        versions = list(catalog.versions(name)) if name in catalog.names() else []
        versions += [entry.version for entry, _ in catalog.broken if entry.name == name and is_version(entry.version)]
        return max((version for version in versions if is_stable(version)), key=order, default="")

    def _made(self, prompt: PromptVersion) -> list[str]:
        """Ids of the releases of exactly this content, whatever models stood behind it."""
        content = (prompt.version, prompt_digest(prompt))
        releases = self._state.releases.releases(prompt.name)
        return [release.id for release in releases if (release.version, release.prompt_digest) == content]

    def _was_released(self, prompt: PromptVersion, history: list[Assignment]) -> bool:
        """Was exactly this content ever served there? What somebody rolled back does not come again by itself."""
        same = set(self._made(prompt)) if history else set()
        return any(not same.isdisjoint(assignment.releases) for assignment in history)

    def _held(self, prompt: PromptVersion, history: list[Assignment]) -> tuple[SyncOutcome, str] | None:
        """What holds a version back that was never released there."""
        if not history:
            return None
        current = history[0]
        if current.progress != "closed":
            return "waiting", f"a {current.strategy} rollout is {current.progress}: promote or abort it first"
        newest = max((self._state.releases.get(arm.release).version for arm in current.arms if arm.weight), key=order)
        if order(newest) > order(prompt.version):
            return "skipped", f"it serves a newer one, {newest}"
        return None


class ServerSync:
    """Implements `moat.ports.releases.Sync` for a running server, one sync at a time."""

    def __init__(self, root: Path, state: State, result: LastGood[SyncReport | None]) -> None:
        """`result` takes each report; what goes wrong becomes a problem of the snapshot."""
        self._root = root
        self._state = state
        self._result = result
        self._turn = threading.Lock()
        self._stopping = threading.Event()

    def close(self) -> None:
        """The server ends: nothing waits any more for a sync of another process."""
        self._stopping.set()

    def sync(self, branch: str) -> SyncReport:
        """With moat.yaml as it is now."""
        with self._turn:
            try:
                report = Syncing(Project(self._root), self._state, self._stopping).sync(branch)
            except MoatError as error:
                self._result.problem = f"the merge of {branch!r} is not released: {error}"
                raise
            self._result.value, self._result.problem = report, ""
            return report


async def keep_synced(snapshots: Snapshots, sync: ServerSync) -> None:
    """Sync whenever `git.poll` seconds have passed, until cancelled."""
    last = time.monotonic()
    while True:
        await asyncio.sleep(POLL_SECONDS)
        git = snapshots.settings.config.git
        if git.poll and time.monotonic() - last >= git.poll:
            last = time.monotonic()
            await to_its_end(partial(_try, sync, git.branch))


def _try(sync: ServerSync, branch: str) -> None:
    with suppress(MoatError):  # a problem of the snapshot by now, and logged as such
        sync.sync(branch)


def webhook_secret(settings: Settings, environ: Mapping[str, str]) -> str:
    """What a forge signs with; empty when webhooks are refused. Raises `ConfigError` for an unset variable."""
    found: str = resolve(settings.config.git.webhook_secret, settings, ["git", "webhook_secret"], environ)
    return found


@contextmanager
def _turn(path: Path, stopping: threading.Event) -> Iterator[None]:
    """Alone among the processes that sync this project. Raises `ConflictError`, `Stopped`, `StorageError`."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=str(path)) from None
    try:
        deadline = time.monotonic() + TURN_SECONDS
        while not _taken(lock):
            if time.monotonic() > deadline:
                raise ConflictError("another sync is under way", where=str(path), remedy="Try again when it is done.")
            if stopping.wait(LOOK_SECONDS):
                raise Stopped("the server ends; the next one syncs")
        yield
    finally:
        os.close(lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
