"""Brings the registry up to date with git: every version, the commit that brought it, and the branches that hold it."""

import logging
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from moat.adapters.git import Branch, Commit, GitRepository
from moat.domain.errors import ConflictError, Unavailable
from moat.domain.releases import Registration, prompt_digest
from moat.ports.clock import Clock
from moat.ports.registry import Registry
from moat.prompts.catalog import Catalog
from moat.prompts.files import PromptFile
from moat.prompts.tree import PARTIALS, PROMPTS, TOOLS

log = logging.getLogger("moat.indexing")

MAX_PATHS = 500
"""Files that are read from a commit by name; of more, the whole folder is."""

Differences = dict[str, str]
"""Content ids by path, as `GitRepository.differences` has them; empty for HEAD itself."""


class _Refs(NamedTuple):
    """Where the repository stands."""

    head: str
    branches: tuple[Branch, ...]


class _Origin(NamedTuple):
    """A version as a commit has it, and the commit that brought it."""

    file: PromptFile
    commit: Commit | None


class _Origins:
    """The commits that brought the files of a commit."""

    def __init__(self, commits: dict[str, Commit]) -> None:
        """By path, newest first."""
        self.commits = commits
        self._age = {path: age for age, path in enumerate(commits)}

    def newest(self, paths: Collection[str]) -> Commit | None:
        """The newest commit of some files; None when one of them has none."""
        if any(path not in self.commits for path in paths):
            return None
        return self.commits[min(paths, key=self._age.__getitem__)]


class _Git(NamedTuple):
    """What git says of the files at one moment."""

    origins: _Origins
    edited: set[str]
    branches: dict[str, Differences]

    def origin(self, file: PromptFile) -> Commit | None:
        """The newest commit of the version's file, partials and tools; None when one of them is not committed."""
        return self.origins.newest(file.paths) if self.edited.isdisjoint(file.paths) else None

    def holders(self, file: PromptFile, there: Differences) -> tuple[str, ...]:
        """The branches that hold what the commit with these differences holds."""
        paths = file.paths
        if not there:
            return tuple(sorted(name for name, differs in self.branches.items() if differs.keys().isdisjoint(paths)))
        same = (n for n, differs in self.branches.items() if all(differs.get(p) == there.get(p) for p in paths))
        return tuple(sorted(same))


class Indexing:
    """The index of one project. Not for several threads at once."""

    def __init__(self, repository: GitRepository, registry: Registry, clock: Clock) -> None:
        self._repository = repository
        self._registry = registry
        self._clock = clock
        self._had_commits = False
        self._indexed: tuple[Catalog, _Refs] | None = None
        self._compared: dict[tuple[str, str], Differences | None] = {}
        self._read: dict[tuple[str, frozenset[str]], list[_Origin]] = {}

    def bring_up_to_date(self, catalog: Catalog) -> int:
        """Index these files and what git holds besides; how many rows changed. Cheap when neither has changed.

        Raises `Unavailable` when there was a repository and is none any more, `ConflictError` when git refuses,
        `StorageError` when the store does. The registry then stays as it was.
        """
        refs = self._refs()
        if self._indexed is not None and self._indexed[0] is catalog and self._indexed[1] == refs:
            return 0
        changed = self._registry.index(self._registrations(catalog, refs))
        self._indexed = (catalog, refs)
        return changed

    def _refs(self) -> _Refs:
        head = self._repository.commit()
        if head:
            self._had_commits = True
            return _Refs(head, tuple(self._repository.branches()))
        if self._had_commits:
            raise Unavailable(
                "git has no answer; the registry keeps what it knows of commits and branches",
                where=".git",
                remedy="See what `git status` says.",
            )
        return _Refs("", ())

    def _registrations(self, catalog: Catalog, refs: _Refs) -> Iterator[Registration]:
        files = [catalog.file(prompt.name, prompt.version) for prompt in catalog.all()]
        if not refs.head:
            yield from (self._registration(_Origin(file, None), ()) for file in files)
            return
        git = _Git(
            _Origins(self._repository.origins(refs.head, PROMPTS, TOOLS)),
            self._repository.edited(PROMPTS, TOOLS),
            self._differences(refs),
        )
        for file in files:
            origin = git.origin(file)
            yield self._registration(_Origin(file, origin), git.holders(file, {}) if origin else ())
        known = {(file.prompt.name, file.prompt.version) for file in files}
        known |= {(entry.name, entry.version) for entry, _ in catalog.broken}
        there = {file.path for file in files} | {entry.path for entry, _ in catalog.broken}
        yield from self._only_committed(refs, git, there, known)

    def _only_committed(
        self, refs: _Refs, git: _Git, there: Collection[str], known: set[tuple[str, str]]
    ) -> Iterator[Registration]:
        """Versions that the files lack: from HEAD, then from the branches, the one committed to last first."""
        tips: list[tuple[str, Iterable[str], Differences]] = [(refs.head, git.origins.commits, {})]
        for branch in refs.branches:
            differs = git.branches.get(branch.name, {})
            tips.append((branch.commit, [path for path, content in differs.items() if content], differs))
        kept = {}
        for commit, paths, differs in tips:
            key = (commit, frozenset(path for path in paths if path not in there and _holds_version(path)))
            found = self._read[key] if key in self._read else self._read_commit(*key)
            kept[key] = found
            for origin in found:
                version = (origin.file.prompt.name, origin.file.prompt.version)
                if version not in known:
                    known.add(version)
                    yield self._registration(origin, git.holders(origin.file, differs))
        self._read = kept

    def _read_commit(self, commit: str, paths: frozenset[str]) -> list[_Origin]:
        """The versions in some files of a commit. One that cannot be read is no reason to index nothing."""
        if not paths:
            return []
        shared = self._repository.present(commit, PARTIALS, TOOLS)
        wanted = [*(sorted(paths) if len(paths) <= MAX_PATHS else [PROMPTS]), *shared]
        try:
            with tempfile.TemporaryDirectory(prefix="moat-index-") as folder:
                self._repository.export(commit, Path(folder), wanted)
                catalog = Catalog.load(Path(folder))
            origins = _Origins(self._repository.origins(commit, *wanted))
        except (ConflictError, Unavailable) as error:
            log.warning("the prompts of commit %s are left out: %s", commit[:10], error)
            return []
        files = [catalog.file(prompt.name, prompt.version) for prompt in catalog.all()]
        return [_Origin(file, origins.newest(file.paths)) for file in files if file.path in paths]

    def _differences(self, refs: _Refs) -> dict[str, Differences]:
        """By branch, against HEAD; two commits are compared once. Without branches that git cannot compare."""
        pairs = {(refs.head, branch.commit) for branch in refs.branches}
        self._compared = {
            pair: self._compared[pair] if pair in self._compared else self._compare(pair) for pair in pairs
        }
        told = {branch.name: self._compared[refs.head, branch.commit] for branch in refs.branches}
        return {name: differs for name, differs in told.items() if differs is not None}

    def _compare(self, pair: tuple[str, str]) -> Differences | None:
        try:
            return self._repository.differences(*pair, PROMPTS, TOOLS)
        except (ConflictError, Unavailable) as error:
            log.warning("the branches at commit %s are left out: %s", pair[1][:10], error)
            return None

    def _registration(self, origin: _Origin, branches: tuple[str, ...]) -> Registration:
        content, commit = origin.file.prompt, origin.commit
        return Registration(
            content=content,
            digest=prompt_digest(content),
            source="git",
            commit=commit.id if commit else "",
            author=commit.author if commit else "",
            committed_ns=commit.time_ns if commit else 0,
            branches=branches,
            registered_ns=self._clock.now_ns(),
        )


def _holds_version(path: str) -> bool:
    return path.startswith(f"{PROMPTS}/") and not path.startswith(f"{PARTIALS}/")
