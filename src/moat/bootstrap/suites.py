"""A project's suites: read, and checked against its prompts, its data and moat.yaml."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from moat.bootstrap.project import Project
from moat.bootstrap.settings import CONFIG_FILE, Settings
from moat.documents import read_yaml
from moat.domain.errors import ConfigError, InputError
from moat.evals.datasets import load_dataset
from moat.evals.suites import Suite, load_suite
from moat.prompts.problems import Problem, from_error
from moat.prompts.variables import nearest

FOLDER = "evals"


class Checked(NamedTuple):
    """What there is to say about all suites."""

    problems: list[Problem]
    covered: set[str]
    """Names of the prompts that a suite evaluates."""


def suite_files(root: Path) -> dict[str, Path]:
    """Where each suite stands, by name."""
    return {path.stem: path for path in sorted((root / FOLDER).glob("*.yaml"))}


def load_suites(root: Path) -> dict[str, Suite]:
    """All suites by name. Raises `ConfigError` with file and line."""
    return {name: load_suite(path, name=shown(path, root)) for name, path in suite_files(root).items()}


def shown(path: Path, root: Path) -> str:
    """A path as messages name it: relative to the project when it lies inside."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def unknown_required(settings: Settings, suites: Collection[str]) -> Iterator[ConfigError]:
    """One error for each suite that moat.yaml requires and that there is not."""
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
    covered = set()
    for path in files.values():
        name = shown(path, project.root)
        try:
            suite = load_suite(path, name=name)
        except InputError as error:
            problems.append(from_error("suite", name, error))
            continue
        covered.add(suite.prompt)
        if suite.prompt not in prompts:
            problems.append(
                Problem(
                    rule="unknown-prompt",
                    path=name,
                    line=read_yaml(path, name=name).line(["prompt"]),
                    message=f"there is no prompt {suite.prompt!r}",
                    remedy=nearest(suite.prompt, prompts),
                )
            )
        problems += _check_dataset(suite, path, project.root)
    return Checked(problems, covered)


def _check_dataset(suite: Suite, path: Path, root: Path) -> Iterator[Problem]:
    if not suite.dataset.is_file():
        name = shown(path, root)
        line = read_yaml(path, name=name).line(["dataset"])
        yield Problem(rule="dataset", path=name, line=line, message=f"no file {shown(suite.dataset, root)}")
        return
    try:
        load_dataset(suite.dataset, name=shown(suite.dataset, root))
    except InputError as error:
        yield from_error("dataset", shown(suite.dataset, root), error)
