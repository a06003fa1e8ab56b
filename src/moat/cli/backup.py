"""`moat backup`: a project's state copied into a folder."""

from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.backup import back_up
from moat.bootstrap.project import Project
from moat.cli.group import group
from moat.cli.output import counted, out

app = group()


@app.command()
def run(
    ctx: typer.Context, folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet.")]
) -> None:
    """Copy traces, releases, keys, runs and files into DIR, as of now, while the server runs.

    With a manifest of digests. Prompts and configuration are in git; provider credentials are in no backup.
    """
    made = back_up(Project.find(ctx.obj), folder)
    out.print(f"{counted(len(made.parts), 'file')}, {made.bytes / 2**20:,.1f} MiB in {folder}")
