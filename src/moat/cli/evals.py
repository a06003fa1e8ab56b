"""`moat eval`: run, list, show, compare, watch and plan evaluations."""

from collections.abc import Mapping
from itertools import islice
from typing import Annotated, NamedTuple

import typer

from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.gating_judges import judge_marks
from moat.bootstrap.project import Project
from moat.bootstrap.reporting import stored_scores
from moat.bootstrap.settings import environment
from moat.bootstrap.state import State, open_state
from moat.cli.eval_import import import_tests
from moat.cli.eval_init import init
from moat.cli.eval_plan import plan_suite
from moat.cli.eval_report import report
from moat.cli.eval_run import run_suites
from moat.cli.eval_watch import watch_suites
from moat.cli.group import Json, group
from moat.cli.output import clock, out, print_json, print_table
from moat.cli.verdicts import print_comparison, print_marks
from moat.cli.visible import barred, continued
from moat.domain.errors import MoatError
from moat.domain.scores import Result, Run
from moat.evals.compare import Comparison
from moat.evals.gating.outcome import answering
from moat.evals.reports.report import Mark

app = group(no_args_is_help=True)
app.command("run")(run_suites)
app.command("watch")(watch_suites)
app.command()(init)
app.command("plan")(plan_suite)
app.command()(report)
app.command("import")(import_tests)


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
        ["run", "suite", "target", "model", "cases>", "score>", "verdict", "state", "provider", "created"],
        (
            [
                r.id,
                r.suite,
                answering(r),
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
    errors: Annotated[
        bool, typer.Option("--errors", help="Only cases that have no answer, or could not be scored.")
    ] = False,
    case: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this case; repeat for more.")] = None,
    score: Annotated[str, typer.Option(help="Only this score; with --failed: cases that lost a point in it.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="At most so many results; 0: all.")] = 0,
    json: Json = False,
) -> None:
    """Show one run: its scores, then case by case. Cases named with --case are shown alone."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        found = state.runs.get(run_id)
        scores = _Scores() if case else _scores(project, state, found)
        wanted = Wanted(failed, errors, frozenset(case or ()), score)
        results = list(islice(filter(wanted.take, state.runs.each(found.id, case or None)), limit or None))
    if json:
        more = {"comparison": scores.comparison, "marks": scores.marks} if scores.comparison is not None else {}
        print_json({"run": found, "results": results, **more})
        return
    out.print(f"{found.id}  {found.suite} on {answering(found)}", style="bold")
    if scores.comparison is not None:
        print_comparison(scores.comparison)
        print_marks(scores.marks)
    elif scores.missing:
        out.print(f"no scores over all cases: {scores.missing}", style="dim")
    for result in results:
        _print_result(result, score)
    if not results:
        out.print("No result is like that.", style="dim")


class _Scores(NamedTuple):
    """Over all cases of a run, where they can be had."""

    comparison: Comparison | None = None
    marks: Mapping[str, Mark] = {}
    missing: str = ""
    """Why they cannot."""


def _scores(project: Project, state: State, run: Run) -> _Scores:
    try:
        suite, _, comparison = stored_scores(project, state, run.id)
        return _Scores(comparison, judge_marks(project, suite, comparison))
    except MoatError as error:  # the suite is gone, or the data: the answers are there all the same
        return _Scores(missing=error.what)


class Wanted(NamedTuple):
    """Which results."""

    failed: bool
    errors: bool
    cases: frozenset[str]
    score: str

    def take(self, result: Result) -> bool:
        """Is it one?"""
        scores = [score for score in result.scores if self.score in ("", score.name)]
        lost = bool(result.error) or any(score.value is not None and score.value < 1 for score in scores)
        broken = bool(result.error) or any(score.status == "error" for score in scores)
        return (
            (not self.cases or result.case in self.cases)
            and (not self.failed or lost or broken)
            and (not self.errors or broken)
        )


def _print_result(result: Result, only: str) -> None:
    notes = [f"repeat {result.repeat}"] if result.repeat else []
    notes += ["cached"] if result.cached else []
    out.print(f"\ncase {continued(result.case)}" + (f" ({', '.join(notes)})" if notes else ""), style="bold")
    for message in result.messages[:-1]:
        out.print(barred(f"{message.get('role')}: {message.get('content')}"), style="dim")
    out.print(barred(result.error or result.output))
    for score in result.scores:
        value = score.status if score.value is None else f"{score.value:.2f}"
        if score.value != 1 and score.status != "not_run" and only in ("", score.name):
            out.print(f"  {score.name}: {value}  {continued(score.reason)}", style="yellow")


@app.command("compare")
def compare_runs(ctx: typer.Context, baseline: str, candidate: str, json: Json = False) -> None:
    """Compare two stored runs of one suite, case by case."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        old, new = state.runs.get(baseline), state.runs.get(candidate)
        comparison = Evaluating(project, state, environment()).compare_stored(new, old)
    if json:
        print_json(comparison)
        return
    print_comparison(comparison)
