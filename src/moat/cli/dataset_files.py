"""`moat dataset split|export|import`: the parts of a dataset, and the dataset in other formats."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.datasets import find_dataset, new_dataset, read
from moat.bootstrap.project import Project
from moat.cli.group import Json
from moat.cli.output import counted, out, print_json, print_table
from moat.domain.errors import ConflictError, DatasetError
from moat.domain.scores import Case
from moat.evals.datasets import FORMATS, select
from moat.evals.datasets.card import card_path, parse_shares, read_card, with_splits
from moat.evals.datasets.coverage import points, smallest_change
from moat.evals.datasets.exchange import import_cases
from moat.evals.datasets.writing import append, create_text
from moat.evals.datasets.writing import export as write
from moat.prompts.lock import replace_file

Name = Annotated[str, typer.Argument(metavar="NAME", help="Dataset: its name or its file.")]


def split(
    ctx: typer.Context,
    name: Name,
    shares: Annotated[
        list[str] | None, typer.Argument(metavar="[SPLIT=SHARE]...", help="Such as dev=0.8 held-out=0.2.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the splits of a dataset; or write shares into its card, by which every case falls into one, whole clusters
    together.
    """
    project = Project.find(ctx.obj)
    entry = find_dataset(project.root, name)
    if shares:
        card, wanted = card_path(entry.path), parse_shares(shares)
        text = card.read_text("utf-8") if card.exists() else ""
        if read_card(entry.path, name=entry.name).splits:
            remedy = "Change them there: cases will move, so `moat dataset lock` wants a reason."
            raise ConflictError("has splits already", where=str(card), remedy=remedy)
        if text:
            replace_file(card, with_splits(text, wanted))
        else:
            create_text(card, with_splits("", wanted))
    cases = read(entry).cases
    counts = Counter(case.split for case in cases)
    if json:
        print_json({"dataset": entry.name, "splits": counts})
        return
    sizes = [(part, count, _clusters(cases, part)) for part, count in counts.most_common()]
    seen = [[part or "(none)", count, units, points(smallest_change(units))] for part, count, units in sizes]
    print_table(["split", "cases>", "independent>", "sees changes from>"], seen, empty="")
    if shares:
        out.print(f"{card_path(entry.path).name} says so now; lock the dataset anew: its digest changed.", style="dim")


def export(
    ctx: typer.Context,
    name: Name,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help=f"New file: {', '.join(FORMATS)}.")],
    part: Annotated[str, typer.Option("--split", help="Only this split.")] = "",
    tag: Annotated[str, typer.Option(help="Only cases with this tag.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace the file if it is there.")] = False,
) -> None:
    """Write a dataset in another format. What is written is read back and compared before it takes its name."""
    project = Project.find(ctx.obj)
    dataset = read(find_dataset(project.root, name))
    # Whoever has the file has the held-out cases anyway: what is guarded is that models are run on them.
    chosen = select(dataset, part, open_held_out=True).cases if part else dataset.cases
    cases = [case for case in chosen if not tag or tag in case.tags]
    if not cases:
        raise DatasetError(f"no case has the tag {tag!r}", where=name)
    write(cases, to, replace=replace)
    out.print(f"{counted(len(cases), 'case')} written to {to}")


def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Test cases or dataset export of another tool.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Dataset they are added to; made if missing.")],
) -> None:
    """Add the cases of promptfoo, LangSmith, Langfuse, OpenAI, DeepEval, Inspect or Ragas to a dataset."""
    entry = new_dataset(Project.find(ctx.obj).root, name)
    found = import_cases(file)
    append(entry.path, found.cases, name=entry.name)
    out.print(f"{counted(len(found.cases), 'case')} of {found.tool} added to {entry.name}")
    for what, count in found.left_out.items():
        out.print(f"  not imported: {what} of {counted(count, 'case')}", style="yellow")


def _clusters(cases: Sequence[Case], part: str) -> int:
    return len({case.cluster or f"\0{case.id}" for case in cases if case.split == part})
