"""`moat serve`: gateway and management API in one process."""

import logging
from typing import Annotated

import typer
import uvloop

from moat.bootstrap.announcement import ServerFile
from moat.bootstrap.project import Project
from moat.bootstrap.server import serve
from moat.bootstrap.settings import environment
from moat.cli.group import group
from moat.cli.output import err
from moat.gateway.serving import Live

app = group()


@app.command()
def run(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on (default: moat.yaml).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, max=64, help="Processes for model calls; 0: this one (default: moat.yaml).")
    ] = None,
) -> None:
    """Run the gateway and the management API until Ctrl-C or SIGTERM; calls under way are finished first."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # its steps say nothing to whoever starts a server
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    project = Project.find(ctx.obj)
    server = project.settings.config.server
    address = (host or server.host, server.port if port is None else port)
    uvloop.run(serve(project, environment(), address, _ready, server.workers if workers is None else workers))


def _ready(file: ServerFile, live: Live) -> None:
    serving = live.serving
    err.print(f"Moat is up on {file.url}", style="bold")
    err.print(f"  OpenAI base URL  {file.url}/v1")
    err.print(f"  models           {', '.join(serving.aliases) or 'none'}")
    err.print(f"  prompts          {', '.join(serving.released) or 'none released yet: `moat release create`'}")
    err.print("  keys             `moat keys create --name my-app` makes one")
    for problem in serving.problems:
        err.print(f"  problem          {problem}", style="yellow")
