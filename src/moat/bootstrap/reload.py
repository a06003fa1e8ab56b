"""Keeps the served snapshot in step with the files and the state store, within a second.

A snapshot has parts that change and break on their own: the files, what the store says, and the releases. What is
broken stays as it was and hinders nothing else: a slip in moat.yaml keeps no revoked key alive.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from moat.bootstrap.settings import CONFIG_FILE, Settings, load_settings
from moat.bootstrap.wiring import State, serving
from moat.domain.errors import MoatError
from moat.domain.keys import Key
from moat.domain.releases import Assignment, Release
from moat.gateway.admission import DEFAULT_ENVIRONMENT
from moat.gateway.serving import Live, Serving
from moat.pipeline.ports import Ports
from moat.ports.prompts import Prompts
from moat.prompts.catalog import Catalog
from moat.prompts.rollout import Rollout
from moat.prompts.tree import PROMPTS, TOOLS

log = logging.getLogger("moat.reload")

POLL_SECONDS = 0.25
"""Between two looks at files and store: a `stat` of each file, which works on every file system and follows folders
that are replaced (measured: 1.7 ms for 500 files)."""

RETRY_SECONDS = 2.0
"""Between two tries at what is broken though nothing changed: it may want a file that is not watched."""

T = TypeVar("T")


class LastGood(Generic[T]):
    """A value that is made anew now and then; the one before stays while that fails."""

    def __init__(self, value: T) -> None:
        self.value = value
        self.problem = ""
        self._tried = time.monotonic()

    def renew(self, make: Callable[[], T]) -> None:
        """Replace the value, or keep it and note the problem."""
        self._tried = time.monotonic()
        try:
            self.value, self.problem = make(), ""
        except MoatError as error:
            self.problem = str(error)
        except OSError as error:  # a file that vanished, or may not be read
            self.problem = f"{error.filename}: {error.strerror}"
        except Exception as error:  # process edge: a bug that one file brings out must not end the reading of others
            problem = f"an unexpected {type(error).__name__}; the server's log has it"
            if problem != self.problem:
                log.exception("what was served before still is")
            self.problem = problem

    @property
    def wants_retry(self) -> bool:
        """Is it broken, and was not tried for a while?"""
        return bool(self.problem) and time.monotonic() - self._tried >= RETRY_SECONDS


@dataclass(frozen=True, eq=False)
class _Files:
    settings: Settings
    catalog: Catalog
    ports: Ports


class _Stored(NamedTuple):
    keys: list[Key]
    assignments: list[Assignment]


@dataclass(frozen=True, eq=False)
class _Released:
    prompts: Prompts
    assignments: list[Assignment]


class Snapshots:
    """Makes the snapshots of one server. Not for several threads at once."""

    def __init__(self, root: Path, state: State, local: Key, ports: Callable[[Settings, Prompts], Ports]) -> None:
        """`local` is the process's own key, `ports` what a pipeline runs on. Raises what is wrong at the start."""
        self._root = root
        self._state = state
        self._local = local
        self._ports = ports
        self._releases: dict[str, Release] = {}
        self._seen_files = frozenset(_stamps(root))
        self._seen_revision = state.releases.revision()
        self._files = LastGood(self._read_files())
        self._stored = LastGood(self._read_store())
        self._basis = (self._files.value, self._stored.value.assignments)
        self._released = LastGood(self._roll_out())

    def refresh(self) -> Serving | None:
        """The snapshot after a look at files and store; None when nothing that it is made of has changed, as when
        an eval run commits its results.
        """
        before = self._parts()
        # What is seen is noted before it is read: what changes meanwhile is seen again.
        seen = frozenset(_stamps(self._root))
        if seen != self._seen_files or self._files.wants_retry:
            self._seen_files = seen
            self._files.renew(self._read_files)
        self._stored.renew(self._read_store_if_changed)
        basis = (self._files.value, self._stored.value.assignments)
        if basis != self._basis or self._released.wants_retry:
            self._basis = basis
            self._released.renew(self._roll_out)
        return None if self._parts() == before else self.serving()

    def serving(self) -> Serving:
        """The snapshot of all parts as they are."""
        files, released = self._files.value, self._released.value
        return serving(
            replace(files.ports, prompts=released.prompts),
            files.settings,
            [*self._stored.value.keys, self._local],
            released.assignments,
            self._problems(),
        )

    def _parts(self) -> list[object]:
        return [self._files.value, self._stored.value, self._released.value, self._problems()]

    def _problems(self) -> list[str]:
        found = [part.problem for part in (self._files, self._stored, self._released) if part.problem]
        return found + [str(flaw.error) for flaw in self._files.value.catalog.broken]

    def _read_files(self) -> _Files:
        catalog = Catalog.load(self._root)
        settings = load_settings(self._root)
        return _Files(settings, catalog, self._ports(settings, Rollout(catalog, (), (), DEFAULT_ENVIRONMENT)))

    def _read_store_if_changed(self) -> _Stored:
        revision = self._state.releases.revision()
        if revision == self._seen_revision:
            return self._stored.value
        stored = self._read_store()
        self._seen_revision = revision
        return stored

    def _read_store(self) -> _Stored:
        return _Stored(self._state.keys.keys(), self._state.releases.current())

    def _roll_out(self) -> _Released:
        """Releases never change: each is read once, and what was compiled for it stays."""
        assignments = self._stored.value.assignments
        for release in {arm.release for assignment in assignments for arm in assignment.arms} - self._releases.keys():
            self._releases[release] = self._state.releases.get(release)
        prompts = Rollout(self._files.value.catalog, self._releases.values(), assignments, DEFAULT_ENVIRONMENT)
        return _Released(prompts, assignments)


async def keep_fresh(live: Live, snapshots: Snapshots) -> None:
    """Swap `live.serving` whenever there is another snapshot, until cancelled."""
    while True:
        await asyncio.sleep(POLL_SECONDS)
        fresh = await _to_its_end(snapshots.refresh)
        if fresh is None:
            continue
        for problem in set(fresh.problems) - set(live.serving.problems):
            log.error("broken, and so not served: %s", problem)
        live.serving = fresh


async def _to_its_end(work: Callable[[], T]) -> T:
    """In a worker thread, which is waited for when this is cancelled: what it works on is closed next."""
    done = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait((done,))
        raise


def _stamps(root: Path) -> Iterator[tuple[str, int, int, int]]:
    """What tells a change of moat.yaml, `prompts/` or `tools/`: path, inode, size and time of the last change.

    That time is the inode's: copying and renaming keep the content's.
    """
    paths = [str(root / CONFIG_FILE)]
    for tree in (PROMPTS, TOOLS):
        for folder, _, names in os.walk(root / tree):
            paths += [folder, *(os.path.join(folder, name) for name in names)]
    for path in paths:
        try:
            found = os.stat(path)
        except OSError:  # vanished meanwhile, or a link to nowhere
            continue
        yield path, found.st_ino, found.st_size, found.st_ctime_ns
