"""`moat init`: a project to start from."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from moat.bootstrap.scaffold import create_project
from moat.bootstrap.settings import environment
from moat.cli.group import group
from moat.cli.output import out

app = group()


@app.command()
def run(
    folder: Annotated[Path, typer.Argument(help="New folder for the project.")],
    provider: Annotated[
        Literal["auto", "openai", "simulated"],
        typer.Option(help="auto: openai when OPENAI_API_KEY is set, else simulated."),
    ] = "auto",
) -> None:
    """Make a project from the support-assistant example: a git repository of its own, nothing half-written."""
    chosen = provider
    if provider == "auto":
        chosen = "openai" if environment().get("OPENAI_API_KEY") else "simulated"
    create_project(folder, openai=chosen == "openai")
    out.print(f"{folder} is a Moat project now.", style="bold")
    if chosen == "simulated":
        out.print("  Its provider is simulated: no model is asked. moat.openai.yaml shows a real one.")
    out.print(f"  Next: cd {folder} && moat lint && moat eval run support/answer@1.0.0")
