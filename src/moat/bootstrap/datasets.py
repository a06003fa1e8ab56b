"""A project's datasets: found by name, compared with git, locked, and grown from its traces."""

import random
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from moat.bootstrap.project import Project
from moat.bootstrap.state import State
from moat.bootstrap.suite_files import FOLDER
from moat.bootstrap.suites import load_suites, shown
from moat.bootstrap.versions import answered_by
from moat.domain.errors import ConflictError, DatasetError, InputError, NotFound
from moat.domain.scores import Case
from moat.domain.spans import Span
from moat.evals.datasets import FORMATS, HELD_OUT, Dataset, load_dataset
from moat.evals.datasets.card import SUFFIX, card_path
from moat.evals.datasets.growing import recorded_case
from moat.evals.datasets.lock import Locked, lock_dataset
from moat.evals.rerun import Unusable
from moat.ports.traces import TraceFilter, TraceReader
from moat.prompts.templates import JinjaRenderer
from moat.prompts.variables import nearest

DATASETS = f"{FOLDER}/datasets"
WINDOW = 1000
"""The newest calls that a sample is drawn from."""
HISTORY = 200
"""Commits that are searched for the locked state."""
OURS = ("eval:", "judge:", "rerun")
"""Features of calls that Moat makes to try something: nobody's questions."""


class Entry(NamedTuple):
    """A dataset of a project."""

    name: str
    """Path from the project."""
    path: Path


def datasets(root: Path) -> list[Entry]:
    """Every file below `evals/datasets` that is a dataset, and those elsewhere that suites name; sorted by name."""
    found = {
        root / DATASETS / path
        for path in (each.relative_to(root / DATASETS) for each in (root / DATASETS).rglob("*"))
        if path.suffix.lower() in FORMATS and not path.name.endswith(SUFFIX) and "/." not in f"/{path.as_posix()}"
    }
    with suppress(InputError):  # a broken suite is lint's to tell
        found |= {Path(suite.dataset) for suite in load_suites(root).values() if suite.dataset.is_file()}
    return sorted({_entry(root, path.resolve()) for path in found})


def find_dataset(root: Path, given: str) -> Entry:
    """The dataset of a name, `support`, or of a path, from here or from the project. Raises `NotFound`."""
    known = datasets(root)
    for path in (Path.cwd() / given, root / given):
        if path.is_file():
            return _entry(root, path.resolve())
    same = [entry for entry in known if given in (entry.path.stem, entry.path.name)]
    if len(same) == 1:
        return same[0]
    if same:
        raise DatasetError(
            f"{given!r} names {len(same)} datasets", remedy=f"Say which: {', '.join(entry.name for entry in same)}."
        )
    remedy = nearest(given, [entry.path.stem for entry in known])
    raise NotFound(f"there is no dataset {given!r}", where=DATASETS, remedy=remedy)


def new_dataset(root: Path, given: str) -> Entry:
    """The dataset of a name or path, which need not be there yet: then it is a JSON Lines file."""
    try:
        return find_dataset(root, given)
    except NotFound:
        if "/" in given or "." in given:
            return _entry(root, root / given)
        return _entry(root, root / DATASETS / f"{given}.jsonl")


def read(entry: Entry) -> Dataset:
    """All cases."""
    return load_dataset(entry.path, name=entry.name)


def lock(project: Project, entry: Entry, reason: str) -> Locked:
    """Agree on a dataset as it is. Raises `DatasetError` for one outside the project, which git does not hold."""
    if Path(entry.name).is_absolute():
        remedy = f"Put it into {DATASETS}."
        raise DatasetError("lies outside the project, and no commit could hold it", where=entry.name, remedy=remedy)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return lock_dataset(project.root, entry.name, read(entry), reason=reason, author=project.author, now=now)


def at_revision(project: Project, entry: Entry, revision: str) -> Dataset:
    """A dataset as a commit holds it, with its card. Raises `NotFound` when it does not."""
    repository = project.repository
    commit = repository.resolve(revision)
    paths = [entry.name, shown(card_path(entry.path), project.root)]
    present = repository.present(commit, *paths)
    if entry.name not in present:
        raise NotFound(f"{revision} has no {entry.name}", remedy=f"`git log -- {entry.name}` shows where it is.")
    with TemporaryDirectory() as folder:
        repository.export(commit, Path(folder), present)
        return load_dataset(Path(folder) / entry.name, name=f"{revision}:{entry.name}")


def at_lock(project: Project, entry: Entry, locked: Locked) -> Dataset:
    """A dataset as it was locked: the newest commit that has it so. Raises `NotFound` when there is none."""
    repository = project.repository
    folder = shown(entry.path.parent, project.root)
    for commit in repository.log(folder, limit=HISTORY):
        with suppress(NotFound, ConflictError, InputError):
            found = at_revision(project, entry, commit.id)
            if found.digest == locked.digest:
                return found
    raise NotFound(
        f"no commit has version {locked.version} of {entry.name}",
        remedy="Name a revision to compare with: --against REVISION.",
    )


def openings(state: State, project: Project, entry: Entry) -> list[tuple[str, str, int]]:
    """The runs that opened a dataset's held-out split, newest first: run, author, time."""
    suites = {
        name for name, suite in load_suites(project.root).items() if suite.dataset.resolve() == entry.path.resolve()
    }
    runs = state.runs.runs(limit=1000)
    return [(run.id, run.author, run.created_ns) for run in runs if run.split == HELD_OUT and run.suite in suites]


def sampled(traces: TraceReader, wanted: TraceFilter, sample: int, seed: int) -> list[Span]:
    """A sample of the newest calls that people made, with their content, newest first. The same seed and the same
    calls give the same sample.
    """
    found = traces.search(wanted, WINDOW)
    calls = [span for span in found if span.kind == "call" and not span.feature.startswith(OURS)]
    chosen = random.Random(seed).sample(range(len(calls)), min(sample, len(calls)))
    return [whole(traces, calls[index].request_id) or calls[index] for index in sorted(chosen)]


def whole(traces: TraceReader, id: str) -> Span | None:
    """A recorded call with its content, by its request or trace."""
    spans = [span for span in traces.trace(id) if span.kind == "call"]
    return next((span for span in spans if span.request_id == id), spans[0] if spans else None)


class Recorded:
    """Turns recorded calls into cases, each read with the version that answered it."""

    def __init__(self, project: Project, state: State) -> None:
        self._project = project
        self._state = state
        self._renderer = JinjaRenderer(where=project.catalog.where)

    def case(self, call: Span) -> Case:
        """The case. Raises `Unusable` with the reason why it is none."""
        if not call.prompt:
            return recorded_case(call, None, self._renderer)
        prompt = answered_by(self._project, self._state, call)
        if prompt is None:
            raise Unusable(f"{call.prompt}@{call.version}, which answered it, is not known here")
        return recorded_case(call, prompt, self._renderer)

    def cases(self, calls: list[Span]) -> tuple[list[Case], list[str]]:
        """The cases, and why some calls are none."""
        found: list[Case] = []
        left: list[str] = []
        for call in calls:
            try:
                found.append(self.case(call))
            except Unusable as reason:
                left.append(str(reason))
        return found, left


def _entry(root: Path, path: Path) -> Entry:
    return Entry(shown(path, root.resolve()) if path.is_absolute() else str(path), path)
