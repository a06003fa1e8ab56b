"""`moat eval plan`: how many cases, repeats and dollars a question needs."""

from typing import Annotated

import typer

from moat.bootstrap.planning import plan_stored
from moat.bootstrap.project import Project
from moat.bootstrap.state import open_state
from moat.cli.group import Json
from moat.cli.output import counted, out, print_json, print_table
from moat.domain.usage import format_usd
from moat.evals.planning import Question, ScorePlan, SuitePlan, parse_points


def plan_suite(
    ctx: typer.Context,
    suite: str,
    detect: Annotated[str, typer.Option(help="The difference of mean score to see: 2pts, 2% or 0.02.")] = "2pts",
    power: Annotated[float, typer.Option(min=0.01, max=0.999, help="The chance to see it when it is there.")] = 0.8,
    alpha: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="The chance to see one that is not there, two-sided.")
    ] = 0.05,
    repeats: Annotated[
        int | None, typer.Option(min=1, max=100, help="Repeats of each case, instead of the suite's and some others.")
    ] = None,
    pass_rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="Assume this pass rate instead of asking stored runs.")
    ] = None,
    json: Json = False,
) -> None:
    """Plan a suite: what it can see now, and the cases, repeats and cost it takes to see a smaller difference."""
    question = Question(detect=parse_points(detect), power=power, alpha=alpha, repeats=repeats, pass_rate=pass_rate)
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        made = plan_stored(project, state.runs, suite, question)
    if json:
        print_json(made)
    else:
        _print(made)


def _print(made: SuitePlan) -> None:
    asked = made.question
    out.print(
        f"{made.suite}: {counted(made.cases, 'case')}, {counted(made.repeats, 'repeat')} of each", style="bold", end=""
    )
    out.print(f", one version's run costs {_money(made.run_cost)}")
    print_table(
        ["score", "sees now>", f"{_points(asked.detect)} needs>", "gate passes with>", "cost of a run>", "known from"],
        (
            [
                score.score,
                _points(score.sees),
                f"{score.options[0].cases:,} cases",
                "" if score.cases_for_margin is None else f"{score.cases_for_margin:,} cases",
                _money(score.options[0].cost),
                _basis(score),
            ]
            for score in made.scores
        ),
        empty="The suite has no scores.",
    )
    hardest = max(made.scores, key=lambda score: score.options[0].cases, default=None)
    if hardest is not None and len(hardest.options) > 1:
        out.print(f"\nWays to see {_points(asked.detect)} in {hardest.score}:")
        print_table(
            ["repeats>", "cases>", "answers>", "cost of a run>"],
            ([o.repeats, f"{o.cases:,}", f"{o.answers:,}", _money(o.cost)] for o in hardest.options),
            empty="",
        )
    out.print(f"\nPower {asked.power:g}, alpha {asked.alpha:g} two-sided. Costs are of one version's run.", style="dim")
    for note in made.notes:
        out.print(note, style="yellow")


def _basis(score: ScorePlan) -> str:
    return f"{score.known}: {score.basis}" if score.known in ("assumed", "stated") else score.basis


def _points(share: float) -> str:
    return f"{100 * share:.2g} pts"


def _money(picodollars: int | None) -> str:
    return "unknown" if picodollars is None else format_usd(picodollars)
