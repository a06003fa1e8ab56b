"""`NAME@VERSION` or `NAME@ENVIRONMENT`: the version that is meant."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.state import open_state
from moat.bootstrap.versions import find_version
from moat.cli.arguments import parse_prompt
from moat.domain.releases import PromptVersion
from moat.prompts.catalog import Catalog
from moat.prompts.files import PromptFile
from moat.prompts.lint import lint_version
from moat.prompts.problems import Problem

PromptAnywhere = Annotated[
    str, typer.Argument(metavar="NAME@VERSION|NAME@ENVIRONMENT", help="A version, or what an environment serves.")
]


def find_prompt(project: Project, reference: str) -> PromptVersion:
    """See `find_version`."""
    with open_state(project) as state:
        return find_version(project, state, *parse_prompt(reference))


def problems_of(project: Project, file: PromptFile) -> list[Problem]:
    """What lint says about one version."""
    return lint_version(project.root, file, models=project.settings.config.models.keys())


def catalog_at(project: Project, revision: str) -> Catalog:
    """The prompts as they were at a git revision. Raises `NotFound`, `ConflictError`."""
    with tempfile.TemporaryDirectory(prefix="moat-") as folder:
        project.repository.export(revision, Path(folder))
        return Catalog.load(Path(folder))
