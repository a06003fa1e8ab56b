"""`moat restore`: a backup put into a project that has no state yet."""

from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.backup import check, restore
from moat.bootstrap.feedback import link_key_mark
from moat.bootstrap.project import Project
from moat.cli.group import group
from moat.cli.output import clock, counted, err, out

app = group()


@app.command()
def run(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made by `moat backup`.")],
    only_check: Annotated[bool, typer.Option("--check", help="Only compare every byte with the manifest.")] = False,
) -> None:
    """Put the backup in DIR into this project, which has no state yet. A damaged backup changes nothing."""
    if only_check:
        found = check(folder)
    else:
        project = Project.find(ctx.obj)
        found = restore(project, folder)
        if found.link_key not in ("", link_key_mark(project)):
            err.print(
                f"feedback links that were sent before are refused: {project.link_key_path} is not the key that signed "
                f"them (mark {found.link_key}). Put your copy of it there.",
                style="yellow",
            )
    done = "whole" if only_check else "restored"
    out.print(f"{done}: {counted(len(found.parts), 'file')}, {found.bytes / 2**20:,.1f} MiB of {clock(found.made_ns)}")
