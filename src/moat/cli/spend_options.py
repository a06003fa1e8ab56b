"""What the commands of `moat spend` share: filters, time zones, and how a report is printed."""

import os
import time
from contextlib import suppress
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast, get_args

import msgspec
import typer
from msgspec import Struct
from msgspec.structs import asdict
from rich.console import Console

from moat.cli.group import Json, Shadow
from moat.cli.output import out, print_json, print_table, text_console
from moat.domain.errors import ConfigError, RequestError, StorageError
from moat.domain.windows import zone
from moat.ports.traces import Dimension, TraceFilter
from moat.spend.reports import Document
from moat.spend.reports_format import to_csv, to_html, to_markdown
from moat.spend.reports_time import Clock
from moat.telemetry.filters import parse_time


class Format(StrEnum):
    """How a report is printed."""

    table = "table"
    markdown = "markdown"
    html = "html"
    csv = "csv"
    json = "json"


By = Annotated[str, typer.Option("--by", help=f"Comma-separated: {', '.join(get_args(Dimension))}.")]
Timezone = Annotated[str, typer.Option("--timezone", metavar="ZONE", help="Where days begin, such as Europe/Berlin.")]
Top = Annotated[int, typer.Option(min=1, help="Rows of each table.")]


class Only(Struct, frozen=True, kw_only=True):
    """Whose spending."""

    tenant: Annotated[str, typer.Option()] = ""
    feature: Annotated[str, typer.Option()] = ""
    user: Annotated[str, typer.Option()] = ""
    key: Annotated[str, typer.Option(metavar="ID", help="Id of a key.")] = ""
    environment: Annotated[str, typer.Option()] = ""
    prompt: Annotated[str, typer.Option(help="Name of a prompt.")] = ""
    shadow: Shadow = None

    @property
    def filter(self) -> TraceFilter:
        """The same for the trace store."""
        return TraceFilter(**asdict(self))


class Shown(Struct, frozen=True, kw_only=True):
    """How a report is printed, and where its days begin."""

    timezone: Timezone = "UTC"
    form: Annotated[Format, typer.Option("--format", help="How it is printed.")] = Format.table
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there instead.")] = (
        None
    )
    json: Json = False

    @property
    def clock(self) -> Clock:
        """Now, in the time zone. Raises `RequestError`."""
        return the_clock(self.timezone)

    def show(self, document: Document) -> None:
        """Print a report, or write it to a file, whole or not at all. Raises `StorageError`."""
        show(document, self.form, json=self.json, output=self.output)


def the_clock(timezone: str) -> Clock:
    """Now, in a time zone. Raises `RequestError`."""
    try:
        return Clock(time.time_ns(), zone(timezone), timezone)
    except ConfigError as error:
        raise RequestError(error.what, where="--timezone", remedy=error.remedy) from None


def moment(text: str, clock: Clock, where: str) -> int:
    """Unix nanoseconds of a time as `parse_time` knows them; a plain date is the start of that day in the zone."""
    with suppress(ValueError):
        return clock.start(date.fromisoformat(text))
    return parse_time(text, clock.now_ns, where=where)


def dimensions(text: str) -> list[Dimension]:
    """Comma-separated names. Raises `RequestError` with those there are."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in get_args(Dimension):
            known = ", ".join(get_args(Dimension))
            raise RequestError(f"{name!r} is no dimension", where="--by", remedy=f"Known: {known}.")
    if len(set(names)) < len(names):
        raise RequestError("a dimension stands twice", where="--by")
    return cast("list[Dimension]", names)


def options_first(ctx: typer.Context) -> None:
    """Refuse options in front of a sub-command, which it would not see."""
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            wanted = f"--{name.replace('_', '-')}"
            raise RequestError(f"{wanted} belongs behind {ctx.invoked_subcommand!r}", where=wanted)


def show(document: Document, form: Format, *, json: bool, output: Path | None) -> None:
    """Print a report, or write it to a file, whole or not at all. Raises `StorageError`."""
    form = Format.json if json else form
    if output is None and form is Format.json:
        print_json(document.data())
    elif output is None and form is Format.table:
        _print(document, out)
    else:
        text = _text(document, form)
        if output is None:
            typer.echo(text, nl=False)
        else:
            write(output, text)


def _text(document: Document, form: Format) -> str:
    if form is Format.table:
        console = text_console()
        _print(document, console)
        return console.export_text()
    if form is Format.json:
        return msgspec.json.format(msgspec.json.encode(document.data()), indent=2).decode() + "\n"
    if form is Format.html:
        return to_html(document)
    return to_csv(document) if form is Format.csv else to_markdown(document)


def _print(document: Document, console: Console) -> None:
    console.print(document.title, style="bold")
    console.print(document.period, style="dim")
    for sheet in document.sheets:
        console.print()
        if len(document.sheets) > 1:
            console.print(sheet.title, style="bold")
        names = [column.title if column.is_text else f"{column.title}>" for column in sheet.columns]
        print_table(names, sheet.lines(), empty=sheet.empty, on=console)
        for note in sheet.notes:
            console.print(note)


def write(path: Path, text: str) -> None:
    """Write a file, whole or not at all. Raises `StorageError`."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        scratch.write_text(text, encoding="utf-8", newline="")
        scratch.replace(path)
    except OSError as error:
        with suppress(OSError):
            scratch.unlink()
        raise StorageError(f"the report cannot be written: {error.strerror}", where=str(path)) from None
