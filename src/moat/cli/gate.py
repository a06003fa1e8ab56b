"""`moat gate`: may this version ship?"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment, require_environment
from moat.bootstrap.versions import find_version
from moat.bootstrap.wiring import State, open_state
from moat.cli.arguments import Prompt, Suites, parse_prompt
from moat.cli.group import Json, group
from moat.cli.output import print_json, progress_bar
from moat.cli.verdicts import print_report
from moat.domain.errors import PromptError, StorageError
from moat.domain.releases import PromptVersion
from moat.domain.scores import Run
from moat.evals.gate import GateReport
from moat.evals.markdown import to_markdown
from moat.evals.suites import Suite
from moat.gateway.admission import DEFAULT_ENVIRONMENT

app = group()

EXIT_CODES = {"pass": 0, "regressed": 1, "inconclusive": 2}


@app.command()
def run(
    ctx: typer.Context,
    prompt: Prompt,
    baseline: Annotated[
        str, typer.Option(help="Version to compare with, instead of what --env serves (else the one before).")
    ] = "",
    env: Annotated[str, typer.Option("--env", help="Environment it is meant for (default: production).")] = "",
    suite: Suites = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the report to this file too, for a pull request.")
    ] = None,
    json: Json = False,
) -> None:
    """Judge a version against its baseline. Exit 0: pass, 1: regressed, 2: the cases do not decide."""
    project = Project.find(ctx.obj)
    name, version = parse_prompt(prompt)
    with open_state(project) as state:
        evaluating = Evaluating(project, state, environment())
        candidate = find_version(project, state, name, version)
        if env:
            require_environment(project.settings, env)
        against = (
            _baseline(project, state, name, baseline)
            if baseline
            else evaluating.baseline(candidate, env or DEFAULT_ENVIRONMENT)
        )
        reports = [_judge(evaluating, chosen, candidate, against) for chosen in evaluating.suites_of(name, suite or [])]
    if markdown is not None:
        _write(markdown, "\n\n".join(to_markdown(report) for report in reports))
    if json:
        print_json(reports)
    else:
        for report in reports:
            print_report(report)
    verdicts = {report.verdict for report in reports}
    worst = next(verdict for verdict in ("regressed", "inconclusive", "pass") if verdict in verdicts)
    raise typer.Exit(EXIT_CODES[worst])


def _baseline(project: Project, state: State, name: str, asked: str) -> PromptVersion:
    """The version asked for, written as VERSION or NAME@VERSION."""
    of, at, version = asked.rpartition("@")
    if at and of != name:
        raise PromptError(f"{asked!r} is no version of {name!r}", where="--baseline")
    return find_version(project, state, name, version)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"the report cannot be written: {error.strerror}", where=str(path)) from None


def _judge(evaluating: Evaluating, suite: Suite, candidate: PromptVersion, against: PromptVersion | None) -> GateReport:
    def measure(version: PromptVersion) -> Run:
        with progress_bar(f"{suite.name} on {version.id}") as watch:
            return asyncio.run(evaluating.run(evaluating.target(suite, version), fresh=False, watch=watch))

    old = measure(against) if against is not None else None
    return evaluating.judge(evaluating.target(suite, candidate), measure(candidate), old)
