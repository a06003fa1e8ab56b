"""`moat backup`: a project's state copied into a folder."""

from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.backup import back_up
from moat.bootstrap.project import Project
from moat.cli.group import group
from moat.cli.output import counted, err, out

app = group()


@app.command()
def run(
    ctx: typer.Context, folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet.")]
) -> None:
    """Copy traces, releases, keys, runs and files into DIR, as of now, while the server runs.

    With a manifest of digests. Prompts and configuration are in git. Secrets are in no backup: provider credentials,
    and the key that signs feedback links.
    """
    project = Project.find(ctx.obj)
    made = back_up(project, folder)
    if made.link_key:
        err.print(
            f"not in it: {project.link_key_path} (mark {made.link_key}), which signs feedback links. Keep a copy with "
            "your provider credentials.",
            style="yellow",
        )
    out.print(f"{counted(len(made.parts), 'file')}, {made.bytes / 2**20:,.1f} MiB in {folder}")
