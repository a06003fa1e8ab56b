"""`moat lint`: check prompts, tools and suites."""

from collections import Counter

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.suites import check_suites
from moat.cli.group import Json, group
from moat.cli.output import counted, out, print_json
from moat.prompts.lint import lint

app = group()

FAILED = 1


@app.command()
def run(ctx: typer.Context, json: Json = False) -> None:
    """Check prompts, tools and suites: templates, variables, schemas, the lock, secrets. Exit 1 on errors."""
    project = Project.find(ctx.obj)
    config = project.settings.config
    suites = check_suites(project)
    problems = suites.problems + lint(project.root, models=set(config.models), covered=suites.covered)
    errors = sum(problem.severity == "error" for problem in problems)
    if json:
        print_json(problems)
    else:
        for problem in problems:
            style = "red" if problem.severity == "error" else "yellow"
            out.print(str(problem), style=style)
        counts = Counter(problem.severity for problem in problems)
        out.print(f"{counted(len(project.catalog.all()), 'prompt version')} checked: ", end="")
        out.print(f"{counted(counts['error'], 'error')}, {counted(counts['warning'], 'warning')}.")
    if errors:
        raise typer.Exit(FAILED)
