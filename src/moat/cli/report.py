"""`moat report`: who spent what, how fast, how reliably."""

import time
from typing import Annotated, cast, get_args

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json, group
from moat.cli.output import milliseconds, out, print_json, print_table
from moat.domain.errors import RequestError
from moat.domain.usage import format_usd
from moat.ports.traces import Dimension, TraceFilter, Usages
from moat.telemetry.filters import parse_time

app = group()

NOT_SAID = "(not said)"


@app.command()
def run(
    ctx: typer.Context,
    by: Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(get_args(Dimension))}.")] = "tenant,feature",
    since: Annotated[str, typer.Option(help="15m, 24h, 7d or a date.")] = "30d",
    tenant: Annotated[str, typer.Option()] = "",
    feature: Annotated[str, typer.Option()] = "",
    environment: Annotated[str, typer.Option()] = "",
    json: Json = False,
) -> None:
    """Calls, errors, tokens, money and latency by any dimensions, dearest first."""
    dimensions = [name.strip() for name in by.split(",") if name.strip()]
    for name in dimensions:
        if name not in get_args(Dimension):
            raise RequestError(
                f"{name!r} is no dimension", where="--by", remedy=f"Known: {', '.join(get_args(Dimension))}."
            )
    wanted = TraceFilter(
        tenant=tenant,
        feature=feature,
        environment=environment,
        since_ns=parse_time(since, time.time_ns(), where="--since"),
    )
    with open_traces(Project.find(ctx.obj)) as traces:
        rows = traces.usages(cast("list[Dimension]", dimensions), wanted)
        total = traces.usages([], wanted)
    if json:
        print_json({"by": dimensions, "rows": rows, "total": total[0] if total else None})
        return
    print_table(
        [
            *dimensions,
            "calls>",
            "errors>",
            "input>",
            "output>",
            "cost>",
            "share>",
            "p50>",
            "p95>",
            "first token p50>",
        ],
        (_cells(row, len(dimensions), total[0].cost) for row in [*rows, *(total if dimensions and rows else [])]),
        empty="No calls in this time. Send some through the gateway, or widen --since.",
    )
    unpriced = sum(row.unpriced for row in rows)
    if unpriced:
        out.print(f"{unpriced} calls have no known price and are not in the cost: set `price` in moat.yaml.")


def _cells(row: Usages, dimensions: int, whole: int) -> list[str]:
    group = [value or NOT_SAID for value in row.group] if row.group else ["total", *[""] * (dimensions - 1)]
    return [
        *group[: dimensions or 0],
        f"{row.calls:,}",
        f"{row.errors:,}",
        f"{row.input_tokens:,}",
        f"{row.output_tokens:,}",
        format_usd(row.cost),
        f"{row.cost / whole:.0%}" if whole else "",
        milliseconds(row.p50_ns),
        milliseconds(row.p95_ns),
        milliseconds(row.first_token_p50_ns),
    ]
