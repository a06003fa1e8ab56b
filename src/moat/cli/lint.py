"""`moat lint`: check prompts, tools and suites."""

from collections import Counter

import typer

from moat.bootstrap.project import Project
from moat.cli.group import Json, group
from moat.cli.output import out, print_json
from moat.evals.suites import load_suites
from moat.prompts.lint import lint

app = group()

FAILED = 1


@app.command()
def run(ctx: typer.Context, json: Json = False) -> None:
    """Check prompts, tools and suites: templates, variables, schemas, the lock, secrets. Exit 1 on errors."""
    project = Project.find(ctx.obj)
    config = project.settings.config
    covered = {suite.prompt for suite in load_suites(project.root / "evals").values()}
    problems = lint(project.root, models=set(config.models), covered=covered)
    errors = sum(problem.severity == "error" for problem in problems)
    if json:
        print_json(problems)
    else:
        for problem in problems:
            style = "red" if problem.severity == "error" else "yellow"
            out.print(str(problem), style=style)
        counts = Counter(problem.severity for problem in problems)
        out.print(f"{len(project.catalog.all())} prompt versions checked: ", end="")
        out.print(f"{counts['error']} errors, {counts['warning']} warnings.")
    if errors:
        raise typer.Exit(FAILED)
