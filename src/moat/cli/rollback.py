"""`moat rollback`: back to what was served before, in seconds."""

import time
from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.state import open_state
from moat.cli.changes import print_seen, serves, watch
from moat.cli.group import Json, group
from moat.cli.output import out, print_json

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
        assignment = Releasing(project, state).roll_back(prompt, env, project.author, reason)
        seen = watch(project, assignment, began)
        fled = state.releases.history(prompt, env)[1]
        again, before = serves(state, assignment), serves(state, fled)
    if json:
        print_json({"assignment": assignment, "seconds": seen.seconds, "live": seen.live})
        return
    out.print(f"{env} serves {again} again, not {before}.", style="bold")
    print_seen(seen)
