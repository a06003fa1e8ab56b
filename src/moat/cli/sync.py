"""`moat release sync`: releases what was merged."""

from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.state import open_state
from moat.bootstrap.syncing import Syncing
from moat.cli.group import Json
from moat.cli.output import out, print_json, print_table
from moat.ports.releases import SyncReport


def sync(
    ctx: typer.Context,
    revision: Annotated[
        str, typer.Option(help="Branch, tag or commit to release from (default: `git.branch` in moat.yaml).")
    ] = "",
    environment: Annotated[
        list[str] | None, typer.Option("--env", help="Only this environment; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what is new.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when something waits or is refused.")] = False,
    json: Json = False,
) -> None:
    """Release what was merged, in every environment whose `auto` says so; the same commit again changes nothing."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        wanted = revision or f"refs/heads/{project.settings.config.git.branch}"
        report = Syncing(project, state).release_merged(wanted, environment or (), dry_run=dry_run)
    if json:
        print_json(report)
    else:
        _show(report)
    if strict and any(step.outcome in ("waiting", "refused") for step in report.steps):
        raise typer.Exit(1)


def _show(report: SyncReport) -> None:
    dry = "  (dry run: nothing was changed)" if report.dry_run else ""
    out.print(f"{report.commit[:10]}  {report.subject}  by {report.author}{dry}", style="bold")
    print_table(
        ["environment", "prompt", "outcome", "release", "why"],
        ([s.environment, f"{s.prompt}@{s.version}", s.outcome, s.release, s.detail] for s in report.steps),
        empty="No environment releases by itself: write `auto: merge` or `auto: verdict` in moat.yaml.",
    )
