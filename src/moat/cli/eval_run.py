"""`moat eval run`: answer and score the cases of suites."""

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import typer
from msgspec.structs import replace

from moat.bootstrap.eval_costs import Foreseen, foresee
from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.gating_judges import judge_marks
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.state import State, open_state
from moat.bootstrap.versions import find_version
from moat.cli.arguments import Suites, parse_prompt
from moat.cli.eval_progress import eval_progress
from moat.cli.group import Json
from moat.cli.output import clock, counted, err, out, print_json
from moat.cli.verdicts import print_comparison, print_marks
from moat.domain.errors import LimitExceeded, NotFound, RequestError
from moat.domain.scores import Run
from moat.domain.usage import format_usd, from_usd
from moat.evals.compare import Comparison
from moat.evals.datasets.coverage import too_few
from moat.evals.gating.outcome import answering
from moat.evals.reports.report import Mark
from moat.evals.running.evaluation import Evaluation, narrowed
from moat.evals.running.tally import Progress
from moat.evals.suites import Suite, parse_budget, parse_repeats

ASK_ABOVE = from_usd("1")
"""Picodollars that a run may cost before a person at a terminal is asked."""


class Wishes(NamedTuple):
    """What the command says of every run."""

    model: str
    fresh: bool
    cache: bool
    release: bool
    cases: list[str]
    limit: int
    yes: bool


class Ran(NamedTuple):
    """One suite's run."""

    run: Run
    comparison: Comparison
    spent: Progress | None
    """None: nothing was asked."""
    marks: dict[str, Mark]


def run_suites(
    ctx: typer.Context,
    prompt: Annotated[
        str, typer.Argument(metavar="NAME@VERSION", help="Prompt and version; without it what each suite names.")
    ] = "",
    suite: Suites = None,
    model: Annotated[str, typer.Option(help="Model alias instead of the target's own.")] = "",
    split: Annotated[str | None, typer.Option(help="Part of the dataset, instead of the suite's.")] = None,
    case: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this case; repeat for more.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Only so many cases, the first ones; 0: all.")] = 0,
    repeats: Annotated[
        str, typer.Option(metavar="N", help="Answers to each case; 2..8: two, and up to eight where they disagree.")
    ] = "",
    budget: Annotated[str, typer.Option(metavar="USD", help="At most so much for each run, such as 2.50.")] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Run again, and ask again, whatever is stored.")] = False,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Take answers that were given before.")] = True,
    release: Annotated[bool, typer.Option("--release", help="Open the split `held-out`.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, whatever it may cost.")] = False,
    json: Json = False,
) -> None:
    """Run suites. What is stored already is not asked again; an interrupted run goes on."""
    project = Project.find(ctx.obj)
    wishes = Wishes(model, fresh, cache, release, case or [], limit, yes)
    began_ns = time.time_ns()
    with open_state(project) as state:
        evaluating = Evaluating(project, state, environment())
        ran = []
        changes = split, repeats, budget
        for evaluation in _evaluations(project, state, evaluating, prompt, suite or [], changes, wishes):
            ran.append(_run(project, state, evaluating, evaluation, wishes))
            if not json and (few := too_few(evaluation.dataset.cases)):
                err.print(f"{evaluation.suite.name}: {few}.", style="yellow")
    if json:
        print_json(
            [
                {"run": found.run, "comparison": found.comparison, "progress": found.spent, "marks": found.marks}
                for found in ran
            ]
        )
        return
    for found in ran:
        _print(found, began_ns)


def _evaluations(
    project: Project,
    state: State,
    evaluating: Evaluating,
    prompt: str,
    names: list[str],
    changes: tuple[str | None, str, str],
    wishes: Wishes,
) -> Iterator[Evaluation]:
    if prompt:
        name, version = parse_prompt(prompt)
        candidate = find_version(project, state, name, version)
        for suite in evaluating.suites_of(name, names):
            changed = _changed(suite, *changes)
            yield narrowed(
                evaluating.target(changed, candidate, wishes.model, open_held_out=wishes.release),
                wishes.cases,
                wishes.limit,
            )
        return
    if not names:
        raise RequestError(
            "neither a prompt nor a suite is named",
            where="moat eval run",
            remedy="Write NAME@VERSION, or --suite NAME for a suite that says itself what answers.",
        )
    for name in names:
        if name not in evaluating.suites:
            raise NotFound(f"there is no suite {name!r}", remedy=f"Suites: {', '.join(evaluating.suites) or 'none'}.")
        changed = _changed(evaluating.suites[name], *changes)
        found = evaluating.of_suite(changed, wishes.model, open_held_out=wishes.release)
        yield narrowed(found, wishes.cases, wishes.limit)


def _changed(suite: Suite, split: str | None, repeats: str, budget: str) -> Suite:
    if split is not None:
        suite = replace(suite, split=split)
    if repeats:
        suite = suite.repeated(parse_repeats(repeats, "--repeats"), "--repeats")
    return replace(suite, budget=parse_budget(budget, "--budget")) if budget else suite


def _run(project: Project, state: State, evaluating: Evaluating, evaluation: Evaluation, wishes: Wishes) -> Ran:
    known = None if wishes.fresh else evaluation.find_run(state.runs)
    last: Progress | None = None
    if known is None or known.status != "finished":
        _announce(foresee(project, state, evaluation, known), evaluation, known, wishes)
    with eval_progress(f"{evaluation.suite.name} on {evaluation.target.name}") as show:

        def watch(seen: Progress) -> None:
            nonlocal last
            last = seen
            show(seen)

        try:
            done = asyncio.run(
                evaluating.run(evaluation, fresh=wishes.fresh, watch=watch, cache=wishes.cache, known=known)
            )
        except LimitExceeded:
            if last is not None:
                err.print(f"{last.done} of {last.total} answers are stored.")
            raise
    comparison = evaluating.compare(evaluation, done, None)
    return Ran(done, comparison, last, judge_marks(project, evaluation.suite, comparison))


def _announce(foreseen: Foreseen, evaluation: Evaluation, known: Run | None, wishes: Wishes) -> None:
    """Say what it will cost; ask when that is much and somebody is there to answer."""
    cap = evaluation.suite.budget
    about = "unknown" if foreseen.cost is None else f"about {format_usd(foreseen.cost)}"
    capped = "" if cap is None else f", at most {format_usd(cap)}"
    goes_on = f"goes on with {known.id}: " if known is not None else ""
    if err.is_terminal:
        what = f"{goes_on}{counted(foreseen.answers, 'answer')}, cost {about}{capped} ({foreseen.basis})"
        err.print(f"{evaluation.suite.name}: {what}", style="dim")
    most = foreseen.cost if cap is None else min(cap, foreseen.cost or cap)
    if most is not None and most > ASK_ABOVE and not wishes.yes and sys.stdin.isatty() and err.is_terminal:
        typer.confirm("Go on?", abort=True, err=True)


def _print(ran: Ran, began_ns: int) -> None:
    run, spent = ran.run, ran.spent
    score = "no score" if run.score is None else f"{run.score:.3f}"
    out.print(f"{run.suite} on {answering(run)}: {score}", style="bold", end="")
    out.print(f"  ({run.cases} cases, answered by {run.provider or run.target or 'nobody'}, run {run.id})")
    print_comparison(ran.comparison)
    print_marks(ran.marks)
    if spent is not None and (spent.cost or spent.cached):
        saved = f"; {counted(spent.cached, 'answer')} from the cache saved {format_usd(spent.saved)}"
        out.print(f"  cost {format_usd(spent.cost)}{saved if spent.cached else ''}", style="dim")
    if run.finished_ns < began_ns:
        out.print(f"  stored since {clock(run.finished_ns)}; `--fresh` asks again", style="dim")
