"""`moat traces search|saved|save|forget`: recorded calls that match an expression, and expressions with a name."""

import sys
import time
from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.state import open_state
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json
from moat.cli.output import clock, out, print_json, print_table
from moat.cli.trace_columns import chosen, to_csv
from moat.cli.trace_filters import Chosen, expression, wanted
from moat.cli.unfolding import unfolded
from moat.domain.errors import RequestError
from moat.domain.searches import SavedSearch
from moat.telemetry.saved import NAME

Columns = Annotated[str, typer.Option(help="Names with commas between; a wrong one lists them all.")]


@unfolded
def search(
    ctx: typer.Context,
    given: Chosen,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    columns: Columns = "",
    csv: Annotated[bool, typer.Option("--csv", help="Print a table for spreadsheets.")] = False,
    json: Json = False,
) -> None:
    """List calls that match, newest first."""
    shown = chosen(columns)
    project = Project.find(ctx.obj)
    which = wanted(project, given)
    with open_traces(project) as traces:
        calls = traces.search(which, limit)
    if csv:
        sys.stdout.write(to_csv(calls, shown))
    elif json:
        values = [{name: column.value(call) for name, column in shown.items()} for call in calls]
        print_json(values if columns else calls)
    else:
        print_table(
            [column.heading for column in shown.values()],
            ([column.show(call) for column in shown.values()] for call in calls),
            empty="No calls match. Send one through the gateway, or widen the filter.",
        )


def save(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    words: Annotated[list[str], typer.Argument(metavar="EXPR")],
) -> None:
    """Give an expression a name: `@NAME` stands for it from now on, in all commands and other expressions."""
    if NAME.fullmatch(name) is None:
        raise RequestError(f"{name!r} is no name", where="NAME", remedy="Letters, digits, - and _; a letter first.")
    project = Project.find(ctx.obj)
    text = " ".join(words).strip()
    if not text:
        raise RequestError("an expression is missing", where="EXPR")
    expression(project, words)
    with open_state(project) as state:
        state.searches.save(SavedSearch(name=name, expression=text, actor=project.author, changed_ns=time.time_ns()))
    out.print(f"@{name} is {text}")


def saved(ctx: typer.Context, json: Json = False) -> None:
    """List the searches that have a name."""
    with open_state(Project.find(ctx.obj)) as state:
        found = state.searches.searches()
    if json:
        print_json(found)
        return
    print_table(
        ["name", "expression", "by", "changed"],
        ([f"@{one.name}", one.expression, one.actor, clock(one.changed_ns)] for one in found),
        empty="None yet: `moat traces save NAME EXPR`.",
    )


def forget(ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Delete a saved search."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        state.searches.forget(name.removeprefix("@"), actor=project.author)
    out.print(f"@{name.removeprefix('@')} is gone")
