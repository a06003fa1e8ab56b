"""`moat serve`: gateway and management API in one process."""

import json
import os
import subprocess
import sys
from typing import Annotated, Any, NoReturn

import typer

from moat.cli.group import group

app = group()


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
    options = {
        "project": None if ctx.obj is None else str(ctx.obj),
        "host": host,
        "port": port,
        "workers": workers,
        "log_format": log_format,
        "log_level": log_level,
        "access_log": access_log,
    }
    become(options)


def become(options: dict[str, Any]) -> NoReturn:
    """Go on as the server: the same process, without what the command line has loaded. See `moat.cli.server`."""
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as `multiprocessing` does
    # -P: a module in the folder that the command is run in is none of Moat's.
    os.execv(sys.executable, [sys.executable, *flags, "-P", "-m", "moat.cli.server", json.dumps(options)])
