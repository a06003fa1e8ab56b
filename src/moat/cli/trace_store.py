"""`moat traces expire|compact|size`: what the trace store holds, and for how long."""

from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.traces import open_traces
from moat.bootstrap.upkeep import open_upkeep
from moat.cli.group import Json
from moat.cli.output import clock, counted, out, print_json


def expire(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much it would be.")] = False,
) -> None:
    """Delete what moat.yaml keeps no longer (`telemetry.keep_days`, `keep_content_days`). The server does it hourly."""
    project = Project.find(ctx.obj)
    kept = project.settings.config.telemetry
    with open_upkeep(project) as upkeep:
        gone = upkeep.expire(dry_run=dry_run)
    out.print(
        f"{counted(gone, 'span')} {'would go or lose' if dry_run else 'went or lost'} the content "
        f"(spans after {kept.keep_days:g} days, inputs and outputs after {kept.keep_content_days:g})."
    )


def compact(ctx: typer.Context) -> None:
    """Give the disk back what deleted spans took. Needs as much room again while it runs."""
    project = Project.find(ctx.obj)
    with open_traces(project) as traces:
        before = traces.kept()
    with open_upkeep(project) as upkeep:
        after = upkeep.compact()
    out.print(f"{before.bytes / 2**20:,.1f} MiB before, {after.bytes / 2**20:,.1f} MiB now.")


def size(ctx: typer.Context, json: Json = False) -> None:
    """Show how much the trace store holds, and since when."""
    with open_traces(Project.find(ctx.obj)) as traces:
        kept = traces.kept()
    if json:
        print_json(kept)
        return
    out.print(f"{counted(kept.spans, 'span')}, {counted(kept.opinions, 'opinion')}, {kept.bytes / 2**20:,.1f} MiB")
    if kept.first_ns:
        out.print(f"since {clock(kept.first_ns)}")
    if kept.rejects:
        out.print(f"{counted(kept.rejects, 'line')} of the spool could not be read and were set aside")
