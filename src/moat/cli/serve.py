"""`moat serve`: gateway and management API in one process."""

import logging
from functools import partial
from typing import Annotated

import typer
import uvloop

from moat.bootstrap.announcement import ServerFile
from moat.bootstrap.logs import Logs, logs, secrets_of, start_logging
from moat.bootstrap.project import Project
from moat.bootstrap.server import serve
from moat.bootstrap.settings import environment
from moat.cli.group import group
from moat.cli.output import err
from moat.gateway.serving import Live

app = group()
log = logging.getLogger("moat.server")


@app.command()
def run(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on (default: moat.yaml).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, max=64, help="Processes for model calls; 0: this one (default: moat.yaml).")
    ] = None,
    log_format: Annotated[
        str | None, typer.Option(metavar="[text|json]", help="Of the log (default: LOG_FORMAT, else text).")
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(metavar="[debug|info|warning|error]", help="From which on (default: LOG_LEVEL, else info)."),
    ] = None,
    access_log: Annotated[bool, typer.Option("--access-log", help="Log each request.")] = False,
) -> None:
    """Run the gateway and the management API until Ctrl-C or SIGTERM; calls under way are finished first."""
    environ = environment()
    chosen = logs(environ, log_format, log_level, access=access_log)
    project = Project.find(ctx.obj)
    start_logging(chosen, secrets_of(environ, project.settings.document.data))
    server = project.settings.config.server
    address = (host or server.host, server.port if port is None else port)
    count = server.workers if workers is None else workers
    uvloop.run(serve(project, environ, address, partial(_ready, chosen), count, chosen))


def _ready(chosen: Logs, file: ServerFile, live: Live) -> None:
    serving = live.serving
    if chosen.format == "json":
        log.info("Moat is up on %s", file.url)
        for problem in serving.problems:
            log.warning("problem: %s", problem)
        return
    err.print(f"Moat is up on {file.url}", style="bold")
    err.print(f"  OpenAI base URL  {file.url}/v1")
    err.print(f"  models           {', '.join(serving.aliases) or 'none'}")
    err.print(f"  prompts          {', '.join(serving.released) or 'none released yet: `moat release create`'}")
    err.print("  keys             `moat keys create --name my-app` makes one")
    for problem in serving.problems:
        err.print(f"  problem          {problem}", style="yellow")
