"""`moat report`: who spent what, how fast, how reliably."""

import time
from typing import Annotated, cast, get_args

import typer
from msgspec.structs import replace

from moat.bootstrap.project import Project
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json, Shadow, group
from moat.cli.output import out, print_json, print_table
from moat.cli.report_period import monthly, weekly
from moat.domain.errors import RequestError
from moat.ports.traces import Dimension, TraceFilter
from moat.telemetry.filters import parse_time
from moat.telemetry.reports import markdown as to_markdown
from moat.telemetry.reports import notes, report, table

app = group()
app.command()(weekly)
app.command()(monthly)


@app.callback(invoke_without_command=True)
def run(
    ctx: typer.Context,
    by: Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(get_args(Dimension))}.")] = "tenant,feature",
    since: Annotated[str, typer.Option(help="15m, 24h, 7d, or a local date or time.")] = "30d",
    tenant: Annotated[str, typer.Option()] = "",
    feature: Annotated[str, typer.Option()] = "",
    environment: Annotated[str, typer.Option()] = "",
    experiment: Annotated[str, typer.Option(help="A rollout or experiment.")] = "",
    shadow: Shadow = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a GitHub table, to paste or to keep.")] = False,
    json: Json = False,
) -> None:
    """Calls, errors, tokens, money and latency by any dimensions, dearest first."""
    if ctx.invoked_subcommand is not None:
        return
    dimensions = [_dimension(name.strip()) for name in by.split(",") if name.strip()]
    wanted = TraceFilter(
        tenant=tenant,
        feature=feature,
        environment=environment,
        experiment=experiment,
        shadow=shadow,
        since_ns=parse_time(since, time.time_ns(), where="--since"),
    )
    with open_traces(Project.find(ctx.obj)) as traces:
        groups = traces.usages(dimensions, wanted) if dimensions else []
        copies = traces.usages([], replace(wanted, shadow=True))[0] if shadow is None else None
        found = report(dimensions, groups, traces.usages([], wanted)[0], copies)
    if json:
        print_json(found)
    elif markdown:
        out.print(to_markdown(found), end="")
    elif not found.total.calls:
        out.print("No calls in this time. Send some through the gateway, or widen --since.", style="dim")
    else:
        shown = table(found)
        print_table([*shown.words, *(f"{name}>" for name in shown.numbers)], shown.rows, empty="")
        for note in notes(found):
            out.print(note)


def _dimension(name: str) -> Dimension:
    if name not in get_args(Dimension):
        raise RequestError(
            f"{name!r} is no dimension", where="--by", remedy=f"Known: {', '.join(get_args(Dimension))}."
        )
    return cast("Dimension", name)
