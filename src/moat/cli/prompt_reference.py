"""`NAME@VERSION` or `NAME@ENVIRONMENT`: the version that is meant."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.wiring import open_state
from moat.cli.arguments import parse_prompt
from moat.domain.errors import NotFound
from moat.domain.releases import PromptVersion
from moat.prompts.catalog import Catalog
from moat.prompts.files import PromptFile
from moat.prompts.lint import lint
from moat.prompts.problems import Problem
from moat.prompts.semver import is_version

PromptAnywhere = Annotated[
    str, typer.Argument(metavar="NAME@VERSION|NAME@ENVIRONMENT", help="A version, or what an environment serves.")
]


def find_prompt(project: Project, reference: str) -> PromptVersion:
    """The version in the files, or the content of the release that gets most of an environment's calls.

    Raises `NotFound` with what there is.
    """
    name, wanted = parse_prompt(reference)
    environments = project.settings.config.environments
    if is_version(wanted) or wanted not in environments:
        return project.catalog.get(name, wanted)
    with open_state(project) as state:
        served = next((a for a in state.releases.current() if (a.environment, a.prompt) == (wanted, name)), None)
        if served is None:
            raise NotFound(f"{wanted} serves no release of {name}", remedy="Name a version, or release one there.")
        largest = max(served.arms, key=lambda arm: arm.weight)
        return state.releases.get(largest.release).content


def problems_of(project: Project, file: PromptFile) -> list[Problem]:
    """What lint says about one version."""
    found = lint(project.root, models=set(project.settings.config.models), covered={file.prompt.name})
    return [problem for problem in found if problem.path == file.path]


def catalog_at(project: Project, revision: str) -> Catalog:
    """The prompts as they were at a git revision. Raises `NotFound`, `ConflictError`."""
    with tempfile.TemporaryDirectory(prefix="moat-") as folder:
        project.repository.export(revision, Path(folder))
        return Catalog.load(Path(folder))
