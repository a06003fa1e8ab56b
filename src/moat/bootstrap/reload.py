"""Keeps the served snapshot in step with the files and the state store, within a second.

A snapshot has parts that change and break on their own: the files, what the store says, and the releases. What is
broken stays as it was and hinders nothing else: a slip in moat.yaml keeps no revoked key alive.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from moat.bootstrap.drifting import Drifting
from moat.bootstrap.indexing import Indexing
from moat.bootstrap.policy_files import POLICIES, policy_files
from moat.bootstrap.settings import Settings, load_settings
from moat.bootstrap.state import State
from moat.bootstrap.watching import FileWatch
from moat.bootstrap.wiring import serving
from moat.domain.errors import DocumentError, MoatError
from moat.domain.keys import Key
from moat.domain.releases import Assignment, PromptVersion, Registration, Release
from moat.gateway.admission import DEFAULT_ENVIRONMENT
from moat.gateway.serving import Live, Serving
from moat.pipeline.ports import Ports
from moat.ports.prompts import Prompts, Renderer
from moat.ports.releases import SyncReport
from moat.prompts.catalog import Catalog
from moat.prompts.drift import Drift
from moat.prompts.rollout import Rollout
from moat.prompts.syntax import Spot
from moat.prompts.templates import JinjaRenderer
from moat.prompts.tree import PROMPTS

log = logging.getLogger("moat.reload")

POLL_SECONDS = 0.25
"""Between two looks at the store, and at what the system tells of the files."""

INDEX_SECONDS = 2.0
"""Between two looks at git's commits and branches: two short git commands."""

RETRY_SECONDS = 2.0
"""Between two tries at what is broken though nothing changed: it may want a file that is not watched."""

MAX_PREPARED = 50
"""Releases whose templates are compiled before they are served, each in about 3 ms; of more that come at once, as when
the server starts, the others are compiled by their first calls."""

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
    has_policies: bool
    """In files of their own."""


class _Stored(NamedTuple):
    keys: list[Key]
    assignments: list[Assignment]
    digests: dict[str, str]
    """Of every version in the registry, by `name@version`."""


@dataclass(frozen=True, eq=False)
class _Released:
    prompts: Rollout
    assignments: list[Assignment]
    releases: dict[str, Release]


class Snapshots:
    """Makes the snapshots of one server. Not for several threads at once."""

    def __init__(
        self,
        root: Path,
        state: State,
        local: Key,
        ports: Callable[[Settings, Prompts, Renderer], Ports],
        withheld: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        """`local` is the process's own key, `ports` what a pipeline runs on, `withheld` which providers in it do not
        get their secrets. Raises what is wrong at the start.
        """
        self._root = root
        self._state = state
        self._local = local
        self._ports = ports
        self._withheld = withheld
        self.renderer = JinjaRenderer(where=self._where)
        self._releases: dict[str, Release] = {}
        self._registered: dict[str, Registration] = {}
        self._watch = FileWatch(root)
        self._seen_revision = state.releases.revision()
        self._files = LastGood(self._read_files(None))
        self._stored = LastGood(self._read_store())
        self._basis = self._ground()
        self._released = LastGood(self._roll_out(None))
        self.indexed = LastGood(0)
        """Changes of the registry by the last index; a problem there is one of the snapshot's."""
        self.synced = LastGood[SyncReport | None](None)
        """What the last sync did; likewise."""
        self.drift = LastGood[tuple[Drift, ...]](())
        """How what is served has left its ground; likewise."""
        self._served = self._parts()

    @property
    def catalog(self) -> Catalog:
        """The versions in the files, as they are served."""
        return self._files.value.catalog

    @property
    def settings(self) -> Settings:
        """moat.yaml, as it is in force."""
        return self._files.value.settings

    def close(self) -> None:
        """Stop watching the files. Idempotent."""
        self._watch.close()

    def refresh(self) -> Serving | None:
        """The snapshot after a look at files and store; None when nothing that it is made of has changed, as when
        an eval run commits its results.
        """
        # What is seen is noted before it is read: what changes meanwhile is seen again.
        stored = self._stored.value
        self._stored.renew(self._read_store_if_changed)
        maybe_trusted = bool(self._withheld()) and self._stored.value is not stored
        if self._watch.changed() or self._files.wants_retry or maybe_trusted:
            self._files.renew(lambda: self._read_files(self._files.value.catalog))
        ground = self._ground()
        if ground != self._basis or self._released.wants_retry:
            self._basis = ground
            self._released.renew(lambda: self._roll_out(self._released.value.prompts))
        before, self._served = self._served, self._parts()
        return None if self._served == before else self.serving()

    def serving(self) -> Serving:
        """The snapshot of all parts as they are."""
        files, released = self._files.value, self._released.value
        return serving(
            replace(files.ports, prompts=released.prompts),
            files.settings,
            [*self._stored.value.keys, self._local],
            released.assignments,
            released.releases,
            self.drift.value,
            self._problems(),
        )

    def _parts(self) -> list[object]:
        return [self._files.value, self._stored.value, self._released.value, self.drift.value, self._problems()]

    def _problems(self) -> list[str]:
        parts = (self._files, self._stored, self._released, self.indexed, self.synced, self.drift)
        found = [*(part.problem for part in parts if part.problem), *self._released.value.prompts.flaws]
        found += self._withheld()
        return found + [str(flaw.error) for flaw in self._files.value.catalog.broken]

    def _ground(self) -> tuple[object, ...]:
        """What a rollout is made of."""
        return self._files.value, self._stored.value.assignments, self._stored.value.digests

    def _read_files(self, before: Catalog | None) -> _Files:
        if before is not None:
            for folder, in_use in ((PROMPTS, bool(before.names())), (POLICIES, self._files.value.has_policies)):
                if in_use and not (self._root / folder).is_dir():
                    remedy = "What was read from it is still served. Put it back."
                    raise DocumentError("the folder is gone", where=folder, remedy=remedy)
        catalog = Catalog.load(self._root, before)
        settings = load_settings(self._root)
        prompts = Rollout(catalog, (), (), DEFAULT_ENVIRONMENT)
        ports = self._ports(settings, prompts, self.renderer)
        return _Files(settings, catalog, ports, bool(policy_files(self._root)))

    def _where(self, prompt: PromptVersion, spot: Spot) -> str:
        return self._files.value.catalog.where(prompt, spot)

    def _read_store_if_changed(self) -> _Stored:
        revision = self._state.releases.revision()
        if revision == self._seen_revision:
            return self._stored.value
        stored = self._read_store()
        self._seen_revision = revision
        return stored

    def _read_store(self) -> _Stored:
        digests = self._state.registry.digests()
        return _Stored(self._state.keys.keys(), self._state.releases.current(), digests)

    def _roll_out(self, before: Rollout | None) -> _Released:
        """Releases never change: each is read once, and what was compiled for it stays."""
        assignments = self._stored.value.assignments
        named = {release for assignment in assignments for release in assignment.releases}
        new = [self._state.releases.get(release) for release in named - self._releases.keys()]
        self.renderer.prepare(release.content for release in new[:MAX_PREPARED])
        self._releases |= {release.id: release for release in new}
        self._read_registered()
        registered = [registration.content for registration in self._registered.values()]
        releases = self._releases.values()
        prompts = Rollout(self.catalog, releases, assignments, DEFAULT_ENVIRONMENT, registered, before)
        return _Released(prompts, assignments, dict(self._releases))

    def _read_registered(self) -> None:
        """The versions that the registry has and the files lack; each content is read once."""
        digests = self._stored.value.digests
        lacking = digests.keys() - {prompt.id for prompt in self.catalog.all()}
        lacking -= {f"{entry.name}@{entry.version}" for entry, _ in self.catalog.broken}
        known = {id: found for id, found in self._registered.items() if digests.get(id) == found.digest}
        names = {id.rpartition("@")[0] for id in lacking - known.keys()}
        known |= {found.content.id: found for name in names for found in self._state.registry.versions(name)}
        self._registered = {id: known[id] for id in lacking & known.keys()}


async def keep_fresh(live: Live, snapshots: Snapshots) -> None:
    """Swap `live.serving` whenever there is another snapshot, until cancelled."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def look() -> None:
        loop.call_soon_threadsafe(asked.set)

    live.look = look
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), POLL_SECONDS)
            live.on_look()
        asked.clear()
        began = time.monotonic()
        fresh = await to_its_end(snapshots.refresh)
        if fresh is not None:
            for problem in set(fresh.problems) - set(live.serving.problems):
                log.error("broken, and so not served: %s", problem)
            live.serving = fresh
        live.looked = began


async def keep_indexed(snapshots: Snapshots, indexing: Indexing) -> None:
    """Keep the registry in step with git, beside the snapshots, until cancelled."""
    while True:
        await to_its_end(lambda: snapshots.indexed.renew(lambda: indexing.bring_up_to_date(snapshots.catalog)))
        await asyncio.sleep(INDEX_SECONDS)


async def keep_compared(snapshots: Snapshots, drifting: Drifting) -> None:
    """Keep comparing what is served with files, git and lock, beside the snapshots, until cancelled."""
    while True:
        await to_its_end(lambda: snapshots.drift.renew(lambda: drifting.now(snapshots.settings, snapshots.catalog)))
        await asyncio.sleep(INDEX_SECONDS)


async def to_its_end(work: Callable[[], T]) -> T:
    """In a worker thread, which is waited for when this is cancelled: what it works on is closed next."""
    done = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait((done,))
        raise
