"""`moat eval`: run, list, show and compare evaluations."""

import asyncio
import time
from typing import Annotated

import typer

from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.versions import find_version
from moat.bootstrap.wiring import State, open_state
from moat.cli.arguments import Prompt, Suites, parse_prompt
from moat.cli.group import Json, group
from moat.cli.output import clock, err, out, print_json, print_table, progress_bar
from moat.cli.verdicts import print_comparison
from moat.domain.errors import NotFound
from moat.domain.scores import Run
from moat.evals.compare import Comparison

app = group(no_args_is_help=True)

MIN_CASES = 30
"""Below this many cases a suite says little; it is said so."""


@app.command()
def run(
    ctx: typer.Context,
    prompt: Prompt,
    suite: Suites = None,
    model: Annotated[str, typer.Option(help="Model alias instead of the prompt's own.")] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Run again even if this very run is stored.")] = False,
    json: Json = False,
) -> None:
    """Run the suites on a prompt version. What is stored already is not asked again; an interrupted run goes on."""
    project = Project.find(ctx.obj)
    name, version = parse_prompt(prompt)
    began_ns = time.time_ns()
    with open_state(project) as state:
        evaluating = Evaluating(project, state, environment())
        candidate = find_version(project, state, name, version)
        results = []
        for chosen in evaluating.suites_of(name, suite or []):
            target = evaluating.target(chosen, candidate, model)
            with progress_bar(f"{chosen.name} on {candidate.id}") as watch:
                done = asyncio.run(evaluating.run(target, fresh=fresh, watch=watch))
            results.append((done, evaluating.compare(target, done, None)))
            if len(target.dataset.cases) < MIN_CASES and not json:
                warning = f"{chosen.name} has {len(target.dataset.cases)} cases: only large changes can be seen."
                err.print(warning, style="yellow")
    if json:
        print_json([{"run": done, "comparison": comparison} for done, comparison in results])
        return
    for done, comparison in results:
        _print_run(done, comparison)
        if done.finished_ns < began_ns:
            out.print(f"  stored since {clock(done.finished_ns)}; `--fresh` asks again", style="dim")


@app.command("list")
def list_runs(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Option(help="Only this prompt.")] = "",
    suite: Annotated[str, typer.Option(help="Only this suite.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    json: Json = False,
) -> None:
    """List stored runs, newest first."""
    with open_state(Project.find(ctx.obj)) as state:
        runs = state.runs.runs(suite=suite, prompt=prompt, limit=limit)
    if json:
        print_json(runs)
        return
    print_table(
        ["run", "suite", "prompt", "model", "cases>", "score>", "verdict", "state", "provider", "created"],
        (
            [
                r.id,
                r.suite,
                f"{r.prompt}@{r.version}",
                r.model,
                r.cases,
                "" if r.score is None else f"{r.score:.3f}",
                r.verdict,
                r.status,
                r.provider,
                clock(r.created_ns),
            ]
            for r in runs
        ),
        empty="No runs yet: `moat eval run NAME@VERSION`.",
    )


@app.command()
def show(
    ctx: typer.Context,
    run_id: str,
    failed: Annotated[bool, typer.Option("--failed", help="Only cases that lost a point.")] = False,
    json: Json = False,
) -> None:
    """Show one run case by case."""
    with open_state(Project.find(ctx.obj)) as state:
        found = state.runs.get(run_id)
        results = state.runs.results(found.id)
    if failed:
        results = [r for r in results if r.error or any(s.value is not None and s.value < 1 for s in r.scores)]
    if json:
        print_json({"run": found, "results": results})
        return
    out.print(f"{found.id}  {found.suite} on {found.prompt}@{found.version}", style="bold")
    for result in results:
        out.print(f"\n{result.case}" + (f" (repeat {result.repeat})" if result.repeat else ""), style="bold")
        out.print(f"  {result.error or result.output}")
        for score in result.scores:
            value = score.status if score.value is None else f"{score.value:.2f}"
            if score.value != 1 and score.status != "not_run":
                out.print(f"  {score.name}: {value}  {score.reason}", style="yellow")


@app.command("compare")
def compare_runs(ctx: typer.Context, baseline: str, candidate: str, json: Json = False) -> None:
    """Compare two stored runs of one suite, case by case."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        old, new = state.runs.get(baseline), state.runs.get(candidate)
        comparison = _comparison(project, state, old, new)
    if json:
        print_json(comparison)
        return
    print_comparison(comparison)


def _comparison(project: Project, state: State, old: Run, new: Run) -> Comparison:
    evaluating = Evaluating(project, state, environment())
    if new.suite not in evaluating.suites:
        raise NotFound(f"the suite {new.suite!r} is gone", where="evals/")
    version = find_version(project, state, new.prompt, new.version)
    target = evaluating.target(evaluating.suites[new.suite], version)
    return evaluating.compare(target, new, old)


def _print_run(run: Run, comparison: Comparison) -> None:
    score = "no score" if run.score is None else f"{run.score:.3f}"
    out.print(f"{run.suite} on {run.prompt}@{run.version}: {score}", style="bold", end="")
    out.print(f"  ({run.cases} cases, answered by {run.provider or 'nobody'}, run {run.id})")
    print_comparison(comparison)
