"""`moat lint`: check prompts, tools and suites."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from moat import __version__
from moat.bootstrap.economics import economics
from moat.bootstrap.project import Project
from moat.bootstrap.suites import check_suites
from moat.cli.findings import github, sarif
from moat.cli.group import Json, group
from moat.cli.output import counted, out, print_json
from moat.prompts.files import uncollected
from moat.prompts.lint import lint
from moat.prompts.problems import Problem

app = group()

FAILED = 1


class Format(StrEnum):
    """How findings are printed."""

    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"


@app.command()
def run(
    ctx: typer.Context,
    format: Annotated[Format, typer.Option(help="For people, programs, code scanners, or a GitHub workflow.")] = (
        Format.text
    ),
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    json: Json = False,
) -> None:
    """Check prompts, tools and suites: templates, variables, schemas, the lock, secrets. Exit 1 on errors."""
    project = Project.find(ctx.obj)
    models = set(project.settings.config.models)
    with uncollected():
        suites = check_suites(project)
        problems = suites.problems + lint(
            project.root, models=models, covered=suites.covered, catalog=project.catalog, economics=economics(project)
        )
    match Format.json if json else format:
        case Format.json:
            print_json(problems)
        case Format.sarif:
            print_json(sarif(problems, __version__, folder_of(project)))
        case Format.github:
            for line in github(problems, folder_of(project)):
                out.print(line)
        case Format.text:
            _show(problems, len(project.catalog.all()))
    if any(strict or problem.severity == "error" for problem in problems):
        raise typer.Exit(FAILED)


def folder_of(project: Project) -> str:
    """The project's folder as GitHub names it, `path/`; empty for the top of the repository, and without one."""
    top = project.repository.top()
    root = project.root.resolve()
    if top is None or not root.is_relative_to(top.resolve()) or root == top.resolve():
        return ""
    return root.relative_to(top.resolve()).as_posix() + "/"


def _show(problems: Sequence[Problem], versions: int) -> None:
    for problem in problems:
        out.print(str(problem), style="red" if problem.severity == "error" else "yellow")
    counts = Counter(problem.severity for problem in problems)
    out.print(f"{counted(versions, 'prompt version')} checked: ", end="")
    out.print(f"{counted(counts['error'], 'error')}, {counted(counts['warning'], 'warning')}.")
