"""A project's suites: read, and checked against its prompts, its data and moat.yaml."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from moat.bootstrap.behind import behind
from moat.bootstrap.models import deployments
from moat.bootstrap.project import Project
from moat.bootstrap.settings import CONFIG_FILE, Settings
from moat.bootstrap.suite_files import suite_files
from moat.bootstrap.suite_targets import check_target
from moat.documents import read_yaml
from moat.domain.errors import ConfigError, InputError, MoatError, NotFound
from moat.domain.releases import PromptVersion
from moat.evals.datasets import Dataset, load_dataset
from moat.evals.datasets.fitting import check_fitting
from moat.evals.datasets.lock import check_locked
from moat.evals.scorers.judging import FOLDER as JUDGES
from moat.evals.suites import Suite, load_suite
from moat.evals.targets.spec import PromptSpec, ReleaseSpec
from moat.prompts.problems import Problem, from_error
from moat.prompts.variables import nearest


class Checked(NamedTuple):
    """What there is to say about all suites."""

    problems: list[Problem]
    covered: set[str]
    """Names of the prompts that a suite evaluates."""


class Names:
    """Implements `moat.evals.scorers.scorer.Named` on a project."""

    def __init__(self, project: Project) -> None:
        self.root = project.root
        self._project = project

    def prompt(self, name: str, version: str) -> PromptVersion:
        """From the files."""
        return self._project.catalog.get(name, version)

    def deployments(self, alias: str) -> tuple[str, ...]:
        """By moat.yaml; the last is the digest of how they are set up."""
        models = self._project.settings.config.models
        if alias not in models:
            raise NotFound(f"there is no model {alias!r}", where=CONFIG_FILE, remedy=nearest(alias, models))
        return (*deployments(self._project.settings.config, alias), behind(alias, self._project))


class Suites(Mapping[str, Suite]):
    """A project's suites by name, pinned, each read when first asked for: a broken one is in nobody else's way."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._files = suite_files(project.root)
        self._read: dict[str, Suite] = {}

    def __getitem__(self, name: str) -> Suite:
        if name not in self._read:
            path = self._files[name]
            suite = load_suite(path, name=shown(path, self._project.root))
            self._read[name] = suite.pinned(Names(self._project))
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def load_suites(root: Path) -> dict[str, Suite]:
    """All suites by name. Raises `ConfigError` with file and line."""
    return {name: load_suite(path, name=shown(path, root)) for name, path in suite_files(root).items()}


def shown(path: Path, root: Path) -> str:
    """A path as messages name it: relative to the project when it lies inside."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def unknown_required(settings: Settings, suites: Collection[str]) -> Iterator[ConfigError]:
    """One error for each suite that moat.yaml names and that there is not."""
    for index, suite in enumerate(settings.config.gate.red_team):
        if suite not in suites:
            yield ConfigError(
                f"the gate's red team is the suite {suite!r}, which there is not",
                where=settings.document.place(["gate", "red_team", index]),
                remedy=nearest(suite, suites),
            )
    for name, rules in settings.config.environments.items():
        for index, suite in enumerate(rules.require):
            if suite not in suites:
                yield ConfigError(
                    f"{name!r} requires the suite {suite!r}, which there is not",
                    where=settings.document.place(["environments", name, "require", index]),
                    remedy=nearest(suite, suites),
                )


def check_suites(project: Project) -> Checked:
    """Everything wrong with suites and what they name; one broken suite hides no other."""
    files = suite_files(project.root)
    problems = [from_error("unknown-suite", CONFIG_FILE, error) for error in unknown_required(project.settings, files)]
    prompts = {*project.catalog.names(), *(entry.name for entry, _ in project.catalog.broken)}
    covered = {name for name in prompts if name.startswith(f"{JUDGES}/")}  # labels say how good those are
    datasets: dict[str, Dataset] = {}
    for path in files.values():
        name = shown(path, project.root)
        try:
            suite = load_suite(path, name=name)
        except InputError as error:
            problems.append(from_error("suite", name, error))
            continue
        covered |= {suite.prompt} - {""}
        problems += check_target(suite, name, project, prompts)
        try:
            suite.pinned(Names(project))
        except MoatError as error:
            problems.append(from_error("suite", name, error))
        problems += _check_dataset(suite, path, project, datasets)
    problems += check_locked(project.root, {name: dataset.digest for name, dataset in datasets.items()})
    return Checked(problems, covered)


def _check_dataset(suite: Suite, path: Path, project: Project, datasets: dict[str, Dataset]) -> Iterator[Problem]:
    """`dataset`; one that is sound is noted by its name."""
    dataset = shown(suite.dataset, project.root)
    if not suite.dataset.is_file():
        name = shown(path, project.root)
        line = read_yaml(path, name=name).line(["dataset"])
        yield Problem(rule="dataset", path=name, line=line, message=f"no file {dataset}")
        return
    try:
        if dataset not in datasets:
            datasets[dataset] = load_dataset(suite.dataset, name=dataset)
        if (prompt := _asked(suite, project)) is not None:
            cases = (case for case in datasets[dataset].cases if suite.split in ("", case.split))
            check_fitting(cases, prompt, suite.dataset, name=dataset)
    except InputError as error:
        yield from_error("dataset", dataset, error)


def _asked(suite: Suite, project: Project) -> PromptVersion | None:
    """The version that the suite names, else its prompt's newest; None where no prompt answers, or one without a
    sound version: other rules say so.
    """
    spec = suite.target
    if not isinstance(spec, PromptSpec | ReleaseSpec) or spec.prompt not in project.catalog.names():
        return None
    versions = project.catalog.versions(spec.prompt)
    stated = spec.version if isinstance(spec, PromptSpec) else ""
    return project.catalog.get(spec.prompt, stated if stated in versions else versions[-1])
