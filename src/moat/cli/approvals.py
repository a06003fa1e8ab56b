"""`moat approvals`: calls of tools that wait for a person."""

from enum import StrEnum
from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.state import open_state
from moat.cli.group import Json, group
from moat.cli.output import clock, out, print_json, print_table
from moat.domain.tool_approvals import ApprovalState, ToolApproval

app = group(no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="As the caller's error and `list` show it.")]
Reason = Annotated[str, typer.Option(help="Why: kept with it, and in the audit log.")]

_SHOWN = 60
"""Characters of arguments in a table."""


class State(StrEnum):
    """Which."""

    pending = "pending"
    approved = "approved"
    denied = "denied"
    used = "used"
    expired = "expired"
    all = "all"


@app.command("list")
def list_approvals(
    ctx: typer.Context,
    state: Annotated[State, typer.Option(help="How they stand.")] = State.pending,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    json: Json = False,
) -> None:
    """List calls of tools that people were asked about, newest first."""
    wanted: ApprovalState | None = None if state is State.all else state.value  # type: ignore[assignment]  # the same words
    with open_state(Project.find(ctx.obj)) as opened:
        found = opened.approvals.approvals(wanted, limit)
    if json:
        print_json(found)
        return
    print_table(
        ["id", "asked", "state", "until", "tool", "arguments", "key", "tenant", "user"],
        (_row(each) for each in found),
        empty="Nothing waits for a person." if state is State.pending else "There are none.",
    )


@app.command()
def show(ctx: typer.Context, id: Id, json: Json = False) -> None:
    """Show all of one: who called which tool with what, and what became of it."""
    with open_state(Project.find(ctx.obj)) as opened:
        found = opened.approvals.approval(id)
    if json:
        print_json(found)
        return
    times = {"asked": found.asked_ns, "until": found.expires_ns, "decided": found.decided_ns, "used": found.used_ns}
    names = ("id", "state", "tool", "arguments", "key", "tenant", "environment", "feature", "user", "session", "guard")
    rows = [
        *([name, str(getattr(found, name))] for name in (*names, "request", "decided_by", "reason", "used_request")),
        *([name, clock(time_ns)] for name, time_ns in times.items() if time_ns),
    ]
    print_table(["field", "value"], (row for row in rows if row[1]), empty="")


@app.command()
def approve(ctx: typer.Context, id: Id, reason: Reason = "", json: Json = False) -> None:
    """Let the call go on, once: the next time that the same is wanted."""
    _decide(ctx, id, reason, approve=True, json=json)


@app.command()
def deny(ctx: typer.Context, id: Id, reason: Reason = "", json: Json = False) -> None:
    """Say no: the same call is refused until that expires."""
    _decide(ctx, id, reason, approve=False, json=json)


def _decide(ctx: typer.Context, id: str, reason: str, *, approve: bool, json: bool) -> None:
    project = Project.find(ctx.obj)
    with open_state(project) as opened:
        done = opened.approvals.decide(id, approve=approve, actor=project.author, reason=reason)
    if json:
        print_json(done)
        return
    what = "may be made once" if approve else "is refused"
    out.print(f"{done.tool} {what}, until {clock(done.expires_ns)}.")


def _row(found: ToolApproval) -> list[str]:
    arguments = " ".join(found.arguments.split())
    if len(arguments) > _SHOWN:
        arguments = f"{arguments[: _SHOWN - 3]}..."
    until = "" if found.state == "used" else clock(found.expires_ns)
    whose = [found.key, found.tenant, found.user]
    return [found.id, clock(found.asked_ns), found.state, until, found.tool, arguments, *whose]
