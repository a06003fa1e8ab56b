"""`moat judge`: models that score answers, and how far they agree with people."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.calibrating import FEW, Calibrating, Export
from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.state import State, open_state
from moat.cli.group import Json, group
from moat.cli.output import counted, err, out, print_json, print_table
from moat.domain.errors import ConfigError
from moat.evals.calibration.agreement import Coefficient, Measures, SliceMeasures
from moat.evals.calibration.standing import DAYS, Calibration, judge_identity, standing
from moat.evals.judges.shipped import description, shipped, template
from moat.evals.scorers.judging import FIRST_VERSION, FOLDER, Judging
from moat.evals.suites import parse_budget
from moat.prompts.authoring import create_files, prompt_path
from moat.prompts.variables import nearest

app = group(no_args_is_help=True)

Judge = Annotated[str, typer.Argument(metavar="[SUITE/]SCORER", help="A judge of a suite.")]


@app.command()
def add(
    ctx: typer.Context,
    metric: Annotated[str, typer.Argument(help="What shall be judged; `moat judge metrics` lists them.")],
    model: Annotated[str, typer.Option(help="Model alias that judges.")] = "judge",
    version: Annotated[str, typer.Option(help="Version of the prompt.")] = FIRST_VERSION,
) -> None:
    """Write the prompt of a judge into the project: from then on it is yours, versioned like any other prompt."""
    project = Project.find(ctx.obj)
    text = template(metric, model)
    models = project.settings.config.models
    if model not in models:
        raise ConfigError(f"there is no model {model!r}", remedy=f"Choose one with `--model`. {nearest(model, models)}")
    path = prompt_path(f"{FOLDER}/{metric}", version)
    create_files(project.root, {path: text})
    out.print(f"{path} is written.")
    if metric not in ("user", "pairwise"):
        suffix = "" if version == FIRST_VERSION else f"@{version}"
        out.print(f"In a suite: {{kind: judge, name: {metric}, metric: {metric}{suffix}}}", style="dim")


@app.command()
def metrics(json: Json = False) -> None:
    """List the prompts of judges that Moat brings along."""
    rows = [{"metric": name, "description": description(name)} for name in shipped()]
    if json:
        print_json(rows)
        return
    print_table(["metric", "what it judges"], ([row["metric"], row["description"]] for row in rows), empty="None.")


@app.command("list")
def list_judges(ctx: typer.Context, json: Json = False) -> None:
    """List the judges of all suites, and whether they may be believed."""
    project = Project.find(ctx.obj)
    rows = []
    with open_state(project) as state:
        for suite, scorer in _calibrating(project, state).judges():
            found = standing(scorer, project.root, time.time_ns())
            assert found is not None
            prompt = scorer.reference if isinstance(scorer, Judging) else ""
            rows.append((f"{suite.name}/{scorer.name}", prompt, scorer.models, judge_identity(scorer), found))
    if json:
        print_json(
            [
                {
                    "judge": name,
                    "prompt": prompt,
                    "models": models,
                    "identity": identity,
                    "standing": found.state,
                    "words": found.words,
                    "calibration": found.calibration,
                }
                for name, prompt, models, identity, found in rows
            ]
        )
        return
    print_table(
        ["judge", "prompt", "models", "standing"],
        ([name, prompt, ", ".join(models), found.words] for name, prompt, models, _, found in rows),
        empty="No judges yet: write `{kind: judge, metric: relevance}` into a suite.",
    )


@app.command()
def export(
    ctx: typer.Context,
    run: Annotated[str, typer.Argument(help="Id of a run, or its beginning.")],
    file: Annotated[Path, typer.Argument(help="New file, .jsonl or .csv.")],
    sample: Annotated[int, typer.Option(min=1, help="How many answers.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="All answers of the run.")] = False,
    score: Annotated[str, typer.Option(help="What people shall score; default: the suite's only judge.")] = "",
    stratified: Annotated[
        bool,
        typer.Option("--stratified", help="As many of each range of the judge's score: shows failures."),
    ] = False,
    blind: Annotated[
        bool,
        typer.Option("--blind", help="Without the judge's score, the case and the run."),
    ] = False,
) -> None:
    """Write answers of a run for people to label: fill in `value` and `rater`, then `moat judge import`."""
    project = Project.find(ctx.obj)
    wanted = Export(score=score, count=None if everything else sample, stratified=stratified, blind=blind)
    with open_state(project) as state:
        count = _calibrating(project, state).export(run, file, wanted)
    out.print(f"{counted(count, 'answer')} in {file}")
    out.print(f"Fill in `value` and `rater`, then: moat judge import {file}", style="dim")


@app.command("import")
def import_labels(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A labelled file: .csv, else JSON Lines.")],
    rater: Annotated[str, typer.Option(help="Who labelled the rows that name nobody.")] = "",
    suite: Annotated[str, typer.Option(help="Suite of answers that are of no stored run.")] = "",
    json: Json = False,
) -> None:
    """Take in labels that people gave, into `evals/labels/`, and show how far people agree with each other."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        done = _calibrating(project, state).take(file, suite=suite, rater=rater)
    if json:
        print_json(done)
        return
    for each in done:
        out.print(f"{each.suite}/{each.score}: {counted(each.labels, 'label')} new, in {each.path}", style="bold")
        out.print(f"  {counted(each.answers, 'answer')} labelled by {', '.join(each.raters)}")
        if each.agreement is not None:
            out.print(f"  people agree: Krippendorff's alpha {shown(each.agreement)}")
        else:
            out.print("  no answer was labelled by two: how far people agree is not known", style="yellow")


@app.command()
def calibrate(
    ctx: typer.Context,
    judge: Judge,
    labels: Annotated[Path | None, typer.Option(help="File of labels; default: the suite's in evals/labels/.")] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="From this value on an answer passes.")] = 0.5,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long the calibration lasts.")] = DAYS,
    budget: Annotated[str, typer.Option(help="Most that it may cost, such as $1.50.")] = "",
    json: Json = False,
) -> None:
    """Compare a judge with people on the answers that they labelled, and keep what was found in the project."""
    project = Project.find(ctx.obj)
    cap = parse_budget(budget, "--budget") if budget else None
    with open_state(project) as state:
        calibrating = _calibrating(project, state)
        _, scorer = calibrating.find(judge)
        made, path = asyncio.run(
            calibrating.calibrate(judge, labels=labels, threshold=threshold, days=days, budget=cap)
        )
    found = standing(scorer, project.root, time.time_ns())
    assert found is not None
    if json:
        print_json({"path": path, "standing": found.state, "words": found.words, "calibration": made})
        return
    _print(made)
    out.print(f"{found.words}; kept in {path} until {made.expires}", style="bold")
    if made.measures.n < FEW:
        few = f"{made.measures.n} labelled answers say little: the intervals are wide"
        err.print(f"{few}. {FEW} and more help.", style="yellow")


@app.command()
def estimate(
    ctx: typer.Context,
    run: Annotated[str, typer.Argument(help="Id of a run, or its beginning.")],
    score: Annotated[str, typer.Option(help="Which score; default: the suite's only judge.")] = "",
    json: Json = False,
) -> None:
    """Say what people would score a run on average, from labels of a random sample of it and the judge's scores."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        found = _calibrating(project, state).estimate(run, score)
    if json:
        print_json(found)
        return
    mean = shown(Coefficient(found.mean, found.low, found.high))
    out.print(f"{found.score} as people would have it: {mean}", style="bold")
    out.print(f"  the judge's own mean is {found.judge:.3f}")
    labelled = counted(found.labelled, "labelled answer")
    out.print(f"  from {labelled} and {counted(found.judged, 'further judgement')}", end="")
    out.print(f": with labels alone, {found.gain:.1f} times as many would be needed")


def _print(made: Calibration) -> None:
    found = made.measures
    judge = f"{made.prompt} by {', '.join(made.models)}" if made.prompt else ", ".join(made.models)
    out.print(f"{made.suite}/{made.scorer}: {judge}", style="bold")
    if made.failed:
        out.print(f"{counted(made.failed, 'labelled answer')} could not be judged, and are left out", style="yellow")
    print_table(["measure", "value>", "95 % interval", "meaning"], list(_rows(found)), empty="Nothing.")
    if made.slices:
        out.print("by slice:", style="bold")
        heads = ["slice", "answers>", "kappa>", "95 % interval", "too high by>", "95 % interval", "passes right>"]
        print_table([*heads, "fails right>"], [_slice(each) for each in made.slices], empty="None.")


def _rows(found: Measures) -> list[list[str]]:
    shift = Coefficient(found.shift.mean, found.shift.low, found.shift.high)
    rows = [
        ("kappa", found.kappa, "agreement on pass and fail beyond chance: 1 is perfect, 0 is none"),
        ("alpha", found.alpha, "Krippendorff's, of the values as numbers"),
        ("alpha of people", found.alpha_people, "how far people agree with each other: a judge can hardly do better"),
        ("passes right", found.tpr, f"of {found.tp + found.fn} that people passed, what it passed"),
        ("fails right", found.tnr, f"of {found.fp + found.tn} that people failed, what it failed"),
        ("too high by", shift, "mean difference to people's scores"),
        ("length bias", found.length_bias, "how much higher with each doubling of the length"),
    ]
    if found.sway is not None:
        rows += [
            ("order: lean", found.sway.lean, "how much higher an answer scores in the first place"),
            ("order: same", found.sway.consistent, "pairs judged alike in both orders"),
        ]
    return [
        [name, number(each.value), f"{each.low:.3f} to {each.high:.3f}", meaning]
        for name, each, meaning in rows
        if each is not None
    ]


def _slice(found: SliceMeasures) -> list[str]:
    intervals = [(number(each.value), f"{each.low:.3f} to {each.high:.3f}") for each in (found.kappa, found.shift)]
    return [
        found.name if found.n >= FEW else f"{found.name} (few)",
        str(found.n),
        *intervals[0],
        *intervals[1],
        number(found.tpr.value),
        number(found.tnr.value),
    ]


def number(value: float | None) -> str:
    """With three decimals; a dash for none."""
    return "-" if value is None else f"{value:.3f}"


def shown(found: Coefficient) -> str:
    """With its interval."""
    return f"{number(found.value)} (95 % interval {found.low:.3f} to {found.high:.3f})"


def _calibrating(project: Project, state: State) -> Calibrating:
    environ = environment()
    return Calibrating(project, state, Evaluating(project, state, environ), environ)
