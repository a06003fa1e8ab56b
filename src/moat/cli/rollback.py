"""`moat rollback`: back to what was served before, in seconds."""

import time
from typing import Annotated

import typer

from moat.bootstrap.announcement import running_server
from moat.bootstrap.project import Project
from moat.bootstrap.releasing import Releasing, wait_until_served
from moat.bootstrap.wiring import open_state
from moat.cli.group import Json, group
from moat.cli.output import err, out, print_json

app = group()


@app.command()
def run(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(help="Prompt name.")],
    env: Annotated[str, typer.Option("--env", help="Environment.")] = "production",
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    json: Json = False,
) -> None:
    """Serve what was served before; always allowed. Measures how long it took until the server answered with it."""
    project = Project.find(ctx.obj)
    began = time.monotonic()
    with open_state(project) as state:
        before, assignment = Releasing(project, state).roll_back(prompt, env, reason)
        releases = {arm.release: state.releases.get(arm.release) for arm in (*before, *assignment.arms)}
    server = running_server(project.server_path)
    live = server is not None and wait_until_served(server, assignment)
    seconds = time.monotonic() - began
    if not live:
        server = running_server(project.server_path)  # it may have stopped meanwhile
    if server is not None and not live:
        # Not a failure of the command: whoever repeats it goes back one more.
        warning = f"the server at {server.url} was not seen to serve it; the rollback stands, look at `moat status`."
        err.print(f"warning: {warning}", style="yellow")
    if json:
        print_json({"assignment": assignment, "seconds": seconds, "live": live})
        return

    def names(arms: object) -> str:
        return ", ".join(f"{releases[a.release].id} ({releases[a.release].version})" for a in arms)  # type: ignore[attr-defined]

    out.print(f"{env} serves {names(assignment.arms)} again, not {names(before)}.", style="bold")
    seen = "not seen at the running server" if server else "no server runs; the next one will serve it"
    out.print(f"  took {seconds:.2f} s, {'seen at the running server' if live else seen}.")
