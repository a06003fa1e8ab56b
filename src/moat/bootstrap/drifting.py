"""Prompt drift of a project: its files, git, lock and releases brought together for `moat.prompts.drift`."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from moat.adapters.git import GitRepository
from moat.bootstrap.guarding import policy_configs
from moat.bootstrap.policy_files import policy_files
from moat.bootstrap.project import Project
from moat.bootstrap.settings import Settings
from moat.bootstrap.state import State
from moat.bootstrap.suite_files import suite_files
from moat.documents import read_yaml
from moat.domain.errors import InputError
from moat.domain.releases import Assignment, Release
from moat.ports.releases import ReleaseReader
from moat.prompts.catalog import Catalog
from moat.prompts.drift import Drift, Ground, drifts
from moat.prompts.lock import LOCK, read_lock
from moat.prompts.tree import PROMPTS, TOOLS


class Drifting:
    """Keeps the drift of one server. Not for several threads at once."""

    def __init__(self, repository: GitRepository, releases: ReleaseReader) -> None:
        self._repository = repository
        self._releases = releases
        self._seen: tuple[object, ...] = ()
        self._drift: tuple[Drift, ...] = ()

    def now(self, settings: Settings, catalog: Catalog) -> tuple[Drift, ...]:
        """The drift, compared anew when files, lock, commit or the store have changed. Raises like `drift_now`."""
        revision = self._releases.revision()
        files = settings.root / LOCK, *policy_files(settings.root)
        seen = (settings, catalog, *map(_stamp, files), self._repository.commit(), revision)
        if seen != self._seen:
            current, releases = _served(self._releases)
            self._drift = tuple(compared(settings, catalog, self._repository, current, releases))
            self._seen = seen
        return self._drift


def drift_now(project: Project, state: State) -> list[Drift]:
    """How what is served has drifted, by the files as they are. Raises `InputError` for a moat.yaml or lock that
    cannot be read, and `ConflictError` or `Unavailable` when git fails: then nothing can be said.
    """
    current, releases = _served(state.releases)
    return compared(project.settings, project.catalog, project.repository, current, releases)


def compared(
    settings: Settings,
    catalog: Catalog,
    repository: GitRepository,
    current: Iterable[Assignment],
    releases: Mapping[str, Release],
) -> list[Drift]:
    """The same for files and assignments that were read already; git is asked once."""
    config = settings.config
    ground = Ground(
        catalog=catalog,
        lock=read_lock(settings.root),
        committed=_committed(repository),
        models={alias: tuple(model.use) for alias, model in config.models.items()},
        required={name: rules.require for name, rules in config.environments.items()},
        suites=dict(_suites(settings.root)),
        policies=policy_configs(settings),
    )
    return drifts(current, releases, ground)


def _suites(root: Path) -> Iterator[tuple[str, str]]:
    """Each suite and its prompt; what is wrong with a suite is for lint to say."""
    for name, path in suite_files(root).items():
        with suppress(InputError):
            data = read_yaml(path).data
            if isinstance(data, dict) and isinstance(data.get("prompt"), str):
                yield name, data["prompt"]


def _committed(repository: GitRepository) -> frozenset[str] | None:
    if repository.top() is None:
        return None
    there = repository.tracked(PROMPTS, TOOLS)
    return frozenset(there - repository.edited(PROMPTS, TOOLS)) if there else frozenset()


def _served(reader: ReleaseReader) -> tuple[list[Assignment], dict[str, Release]]:
    """Read anew each time: releases stay as they are, but their evidence grows."""
    current = reader.current()
    ids = {release for assignment in current for release in assignment.releases}
    return current, {release: reader.get(release) for release in sorted(ids)}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What tells a change of a file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_ctime_ns
