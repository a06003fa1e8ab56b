"""`moat doctor`: one list of checks over the whole installation."""

from itertools import groupby
from typing import Annotated

import msgspec
import typer

from moat.bootstrap.announcement import running_server
from moat.bootstrap.asking import ask
from moat.bootstrap.doctor import examined
from moat.bootstrap.examination import Look
from moat.bootstrap.project import STATE_FOLDER, Project
from moat.bootstrap.settings import environment
from moat.cli.group import Json, group
from moat.cli.output import counted, err, out, print_json
from moat.ports.doctor import Check, Checkup

app = group()

_SECONDS = 60.0
"""For a server that has much to look at."""
_STYLES = {"ok": "green", "warning": "yellow", "error": "red", "unknown": "magenta"}


@app.command()
def run(
    ctx: typer.Context,
    providers: Annotated[
        bool, typer.Option("--providers", help="Connect to providers' hosts too, without a credential.")
    ] = False,
    json: Json = False,
) -> None:
    """Look at configuration, providers, stores, server and limits, and say what to do: exit 1 when something is wrong.
    A running server looks at itself; without one the files are looked at. Nothing is changed.
    """
    project = Project.find(ctx.obj)
    found = _asked(project, providers=providers) or examined(Look(project, environment(), None), providers=providers)
    if json:
        print_json(found)
    else:
        _print(found)
    if found.errors:
        raise typer.Exit(1)


def _asked(project: Project, *, providers: bool) -> Checkup | None:
    """What the running server says of itself; None when none runs, or it does not say."""
    server = running_server(project.root / STATE_FOLDER / "server.json")
    if server is None:
        return None
    asked = "true" if providers else "false"
    answer = ask(server, f"/api/v1/doctor?providers={asked}", seconds=_SECONDS)
    if answer is None:
        err.print(
            f"warning: the server at {server.url} did not say how it is; its files are looked at.", style="yellow"
        )
        return None
    return msgspec.convert(answer, Checkup)


def _print(found: Checkup) -> None:
    for area, checks in groupby(found.checks, key=lambda check: check.area):
        out.print(area, style="bold")
        for check in checks:
            _print_check(check)
    asked = "" if found.providers else " Providers were not asked: --providers does."
    who = f"by the server at {found.url}" if found.url else "by this command; no server runs"
    told = f"{counted(found.errors, 'error')}, {counted(found.warnings, 'warning')}"
    out.print(f"{counted(len(found.checks), 'check')} {who}: {told}.{asked}", style="bold")


def _print_check(check: Check) -> None:
    out.print(f"  {check.standing:8}", style=_STYLES[check.standing], end="")
    out.print(f"{check.name}: {check.found}")
    if check.standing == "ok":
        return
    out.print(f"          {check.looked_at}", style="dim")
    if check.remedy:
        out.print(f"          {check.remedy}")
    if check.command:
        out.print(f"          $ {check.command}")
