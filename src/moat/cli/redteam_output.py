"""What a red team found: in the terminal, and in files."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from moat.cli.file_output import write
from moat.cli.output import out, print_table
from moat.cli.verdicts import COLOURS
from moat.cli.visible import continued
from moat.evals.redteam.rates import RedTeamReport
from moat.evals.redteam.telling import COMPARED, HEADS, head, row, to_html, to_markdown
from moat.evals.reports.slicing import FEW

SHOWN = 10
SHOWN_TEXT = 160
ALWAYS = ("all", "category", "owasp")
"""What rates are shown by, however few attacks there were."""


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written."""

    markdown: Annotated[Path | None, typer.Option(help="Write the report as Markdown to this file.")] = None
    html: Annotated[Path | None, typer.Option(help="Write the report as a page to this file.")] = None
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")] = None
    report: Annotated[Path | None, typer.Option("--report", help="Write the report as JSON to this file.")] = None


def write_outputs(outputs: Outputs, found: RedTeamReport, junit: Callable[[], bytes]) -> None:
    """Each that was asked for. Raises `StorageError`."""
    if outputs.markdown is not None:
        write(outputs.markdown, to_markdown(found))
    if outputs.html is not None:
        write(outputs.html, to_html(found))
    if outputs.report is not None:
        write(outputs.report, msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    if outputs.junit is not None:
        write(outputs.junit, junit().decode())


def print_report(found: RedTeamReport) -> None:
    """Rates, then what went wrong."""
    if found.verdict is not None:
        out.print(found.verdict.upper(), style=f"bold {COLOURS[found.verdict]}", end="  ")
    out.print(f"red team on {found.target}", style="bold")
    out.print(" ".join(head(found)), style="dim")
    for reason in found.reasons:
        out.print(reason, style="yellow")
    compared = found.baseline is not None
    told = [rate for rate in found.rates if rate.by in ALWAYS or rate.attacks >= FEW]
    heads = COMPARED if compared else HEADS
    print_table(heads, (row(rate, compared=compared) for rate in told), empty="Nothing was tried.")
    if len(told) < len(found.rates):
        few = f"{len(found.rates) - len(told)} parts with fewer than {FEW} attacks"
        out.print(f"{few} are left out here: --html, --markdown and --report have them.", style="dim")
    for failure in found.failures[:SHOWN]:
        out.print(f"no answer: {failure.case}: {failure.error}", style="red")
    for one in found.broken[:SHOWN]:
        out.print(f"{one.case}: {one.reason}", style="bold")
        out.print(f"    asked     {_short(one.asked)}")
        out.print(f"    answered  {_short(one.answered)}")
    if len(found.broken) > SHOWN:
        out.print(f"{len(found.broken) - SHOWN} more: moat redteam show {found.run.id} --html report.html")


def _short(words: str) -> str:
    line = continued(" ".join(words.split()))
    return line if len(line) <= SHOWN_TEXT else line[: SHOWN_TEXT - 1] + "…"
