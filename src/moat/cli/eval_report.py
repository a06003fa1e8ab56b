"""`moat eval report`: a stored run as a file for people or programs."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.reporting import stored_report
from moat.bootstrap.state import open_state
from moat.cli.output import err
from moat.domain.errors import RequestError
from moat.evals.reports.files import FORMATS, SUFFIXES, rendered, write_report


class Format(StrEnum):
    """What `--format` takes."""

    html = "html"
    markdown = "markdown"
    md = "md"
    junit = "junit"
    json = "json"
    parquet = "parquet"


def report(
    ctx: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of a stored run, or its beginning.")],
    baseline: Annotated[str, typer.Option(metavar="RUN", help="Compare with this run, case by case.")] = "",
    file: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; without it the report is printed.")
    ] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="Without it the file's ending says; `markdown` when printed.")
    ] = None,
    slice_by: Annotated[
        list[str] | None,
        typer.Option("--slice", metavar="PATH", help="Scores by `tags`, `labels.<name>`, ...; may be repeated."),
    ] = None,
) -> None:
    """Write a report on a run: HTML, Markdown, JUnit, JSON or Parquet."""
    kind = _kind(form, file)
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        made = stored_report(project, state, run_id, baseline_id=baseline, slice_by=slice_by or ())
    if file is None:
        for part in rendered(made, kind):
            sys.stdout.write(part.decode())
        return
    write_report(made, file, kind)
    err.print(f"wrote {file}", style="dim")


def _kind(form: Format | None, file: Path | None) -> str:
    if form is None:
        kind = SUFFIXES.get(file.suffix.lower(), "") if file is not None else "markdown"
        if not kind:
            raise RequestError(
                f"{file} does not say its format", where="--output", remedy=f"Give --format: {', '.join(FORMATS)}."
            )
        return kind
    if form is Format.parquet and file is None:
        raise RequestError("Parquet is no text", where="--format", remedy="Give a file: `-o report.parquet`.")
    return SUFFIXES.get(f".{form}", form.value)
