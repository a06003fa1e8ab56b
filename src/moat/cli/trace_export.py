"""`moat traces export`: recorded calls for other tools."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.auditing import record
from moat.bootstrap.exporting import export as write
from moat.bootstrap.project import Project
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json
from moat.cli.output import out, print_json
from moat.cli.trace_filters import Chosen, Since, Until, Words, wanted
from moat.domain.audit import given


class Format(StrEnum):
    """What is written."""

    jsonl = "jsonl"
    parquet = "parquet"
    otlp = "otlp"


def export(
    ctx: typer.Context,
    target: Annotated[Path, typer.Option("--out", help="A file for jsonl, else a folder; not there yet.")],
    expression: Words = None,
    format: Annotated[
        Format, typer.Option(help="parquet: a folder a day. otlp: bodies for a collector.")
    ] = Format.jsonl,
    since: Since = "",
    until: Until = "",
    json: Json = False,
) -> None:
    """Write whole traces to files: all, or those with a call that matches."""
    project = Project.find(ctx.obj)
    which = wanted(project, Chosen(expression=expression, since=since, until=until))
    record(project, "traces.export", str(target.resolve()), {"format": format.value, **given(which)})
    with open_traces(project) as traces:
        done = write(traces, which, format.value, target)
    if json:
        print_json(done)
        return
    out.print(f"{done.spans:,} spans of {done.traces:,} traces in {done.path} ({done.bytes / 2**20:,.1f} MiB)")
