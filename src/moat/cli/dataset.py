"""`moat dataset`: look at, check, lock, split, export and grow the data of evaluations."""

from typing import Annotated, Any

import typer

from moat.bootstrap.datasets import at_lock, at_revision, datasets, find_dataset, openings, read
from moat.bootstrap.datasets import lock as lock_it
from moat.bootstrap.project import Project
from moat.bootstrap.state import open_state
from moat.cli.dataset_check import check
from moat.cli.dataset_files import export, import_, split
from moat.cli.dataset_growth import from_feedback, from_traces
from moat.cli.group import Json, group
from moat.cli.output import clock, counted, out, print_json, print_table
from moat.domain.errors import InputError
from moat.domain.scores import Case
from moat.evals.datasets.card import read_card
from moat.evals.datasets.changes import Changes, changes
from moat.evals.datasets.coverage import Coverage, Slice, coverage, points, sees
from moat.evals.datasets.lock import LOCK, read_locks

app = group(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Dataset: its name or its file.")]


@app.command("list")
def list_datasets(ctx: typer.Context, json: Json = False) -> None:
    """List the project's datasets: how many cases, and whether they are as they were locked."""
    project = Project.find(ctx.obj)
    locks = read_locks(project.root)
    rows: list[dict[str, Any]] = []
    for entry in datasets(project.root):
        locked = locks.get(entry.name)
        row = {"dataset": entry.name, "version": locked.version if locked else None, "reason": locked and locked.reason}
        try:
            dataset = read(entry)
        except InputError as error:
            rows.append({**row, "cases": None, "digest": "", "state": f"broken: {error}"})
            continue
        state = "not locked" if locked is None else "locked" if locked.digest == dataset.digest else "edited"
        rows.append({**row, "cases": len(dataset.cases), "digest": dataset.digest, "state": state})
    if json:
        print_json(rows)
        return
    print_table(
        ["dataset", "version>", "reason", "cases>", "state"],
        (["" if value is None else value for key, value in row.items() if key != "digest"] for row in rows),
        empty="No datasets yet: `moat eval init PROMPT` makes one.",
    )


@app.command()
def show(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Show what a dataset covers: slices, variables, lengths, and what its cases are too few to tell."""
    project = Project.find(ctx.obj)
    entry = find_dataset(project.root, name)
    dataset = read(entry)
    found = coverage(dataset.cases)
    locked = read_locks(project.root).get(entry.name)
    with open_state(project) as state:
        opened = openings(state, project, entry)
    if json:
        runs = [{"run": run, "author": author, "created_ns": created} for run, author, created in opened]
        content = {"digest": dataset.digest, "locked": locked, "coverage": found, "held_out_opened": runs}
        print_json({"dataset": entry.name, **content})
        return
    out.print(entry.name, style="bold", end="  ")
    out.print(dataset.digest, style="dim")
    if description := read_card(entry.path, name=entry.name).description:
        out.print(description)
    if locked is not None:
        state_of = "as locked" if locked.digest == dataset.digest else "edited since"
        out.print(f"version {locked.version}, {state_of}: {locked.reason} ({locked.author}, {locked.locked})")
    _print_coverage(found)
    for run, author, created in opened:
        out.print(f"held-out cases were opened by {author}, {clock(created)}, run {run}", style="yellow")


@app.command()
def diff(
    ctx: typer.Context,
    name: Name,
    against: Annotated[str, typer.Option(help="Git revision, instead of what is locked (else HEAD).")] = "",
    json: Json = False,
) -> None:
    """Show which cases were added, removed and changed since the dataset was locked, or since a git revision."""
    project = Project.find(ctx.obj)
    entry = find_dataset(project.root, name)
    now = read(entry)
    locked = read_locks(project.root).get(entry.name)
    if against or locked is None:
        before, since = at_revision(project, entry, against or "HEAD"), against or "HEAD"
    elif locked.digest == now.digest:
        before, since = now, f"version {locked.version}"
    else:
        before, since = at_lock(project, entry, locked), f"version {locked.version}"
    found = changes(before.cases, now.cases)
    if json:
        print_json(found)
        return
    _print_changes(found, since)


@app.command()
def lock(
    ctx: typer.Context,
    name: Name,
    reason: Annotated[str, typer.Option(help="What changed, and why it had to.")] = "",
    json: Json = False,
) -> None:
    """Agree on a dataset as it is: the next version in evals.lock, with a reason. `moat lint` holds it there."""
    project = Project.find(ctx.obj)
    entry = find_dataset(project.root, name)
    before = read_locks(project.root).get(entry.name)
    locked = lock_it(project, entry, reason)
    if json:
        print_json({"dataset": entry.name, **_fields(locked)})
        return
    if locked == before:
        out.print(f"{entry.name} is as it was locked: version {locked.version}.")
        return
    if before is not None and before.digest == locked.digest:
        out.print(f"{entry.name} is version {locked.version} as before, for another reason.")
    else:
        out.print(f"{entry.name} is version {locked.version} now: {counted(locked.cases, 'case')}.")
    out.print(f"Commit {LOCK} with it.", style="dim")


app.command()(check)
app.command()(split)
app.command()(export)
app.command("import")(import_)
app.command("from-traces")(from_traces)
app.command("from-feedback")(from_feedback)


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def _print_coverage(found: Coverage) -> None:
    clusters = "" if found.clusters == found.cases else f" in {counted(found.clusters, 'independent piece')}"
    fewest, median, most = found.words
    out.print(
        f"{counted(found.cases, 'case')}{clusters}, {found.expected} with a reference answer, {found.golden} golden, "
        f"{counted(found.conversations, 'conversation')}; {fewest} to {most} words, median {median}"
    )
    out.print(f"all cases together {sees(found.clusters)} (80 % power)\n")
    _print_slices(found.slices)
    if found.variables:
        out.print()
        rows = ([use.name, use.cases, use.values] for use in found.variables)
        print_table(["variable", "cases>", "values>"], rows, empty="")
    if found.gaps:
        out.print()
    for gap in found.gaps:
        out.print(f"thin: {gap}", style="yellow")


def _print_slices(slices: tuple[Slice, ...]) -> None:
    print_table(
        ["slice", "cases>", "sees changes from>"],
        ([part.name, part.cases, points(part.detectable)] for part in slices),
        empty="No tags, labels or splits.",
    )


def _print_changes(found: Changes, since: str) -> None:
    for case in found.added:
        out.print(f"+ {case.id}  {_asked(case)}", style="green")
    for case in found.removed:
        out.print(f"- {case.id}  {_asked(case)}", style="red")
    for change in found.changed:
        out.print(f"~ {change.id}  {', '.join(change.members)}", style="yellow")
    out.print(
        f"{len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed, "
        f"{found.same} the same since {since}."
    )


def _asked(case: Case) -> str:
    values = [str(value) for value in case.variables.values()] or [str(m.get("content")) for m in case.messages]
    text = " ".join(" ".join(values).split())
    return text if len(text) <= 80 else f"{text[:79]}…"
