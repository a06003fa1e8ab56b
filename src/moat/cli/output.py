"""What commands print: tables for people, JSON for programs."""

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from moat.cli.visible import visible

PIPED_WIDTH = 10_000
"""Columns of a table that no terminal shows: what reads it wants a row in one line."""

_BETWEEN = 3
"""Columns between two columns of a table."""


class _Console(Console):
    """Prints text as it is: what callers and models wrote is no markup, and steers no terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The text, with control characters made visible."""
        return super().render_str(visible(text), **options)

    def on_broken_pipe(self) -> None:
        """Leave the exit code to `main`: rich's 1, and typer's for an EPIPE, would mean "regressed"."""
        raise BrokenPipeError from None


def _console(width: int | None, **options: Any) -> _Console:
    return _Console(width=width, highlight=False, soft_wrap=True, markup=False, emoji=False, **options)


out = _console(None if sys.stdout.isatty() else PIPED_WIDTH)
err = _console(None, stderr=True)


def print_json(value: Any) -> None:
    """One JSON document, indented."""
    try:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    except BrokenPipeError:
        out.on_broken_pipe()


def text_console() -> Console:
    """One whose text is taken with `export_text`: for a file, so as wide as it needs to be."""
    return _console(PIPED_WIDTH, record=True, file=io.StringIO())


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str, on: Console | None = None
) -> None:
    """A table; a column whose name ends in `>` is aligned right. `empty` says what would fill it.

    Where words would have to be broken to fit, each row is a block of lines instead: ids stay in one piece.
    """
    names = [column.rstrip(">") for column in columns]
    cells = [[cell if isinstance(cell, str) else str(cell) for cell in row] for row in rows]
    console = on or out
    if not cells:
        console.print(empty, style="dim")
        return
    widths = _widths(console, names, cells)
    if widths is None:
        _print_blocks(console, names, cells)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for column, name, width in zip(columns, names, widths, strict=True):
        table.add_column(name, justify="right" if column.endswith(">") else "left", overflow="fold", width=width)
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _widths(console: Console, names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int] | None:
    """How wide each column is on this terminal, or None where some word would have to be broken.

    Rich alone shortens the widest columns first, and breaks the ids in them.
    """
    unbounded = console.options.update(width=sys.maxsize)
    columns = [
        [Measurement.get(console, unbounded, cell) for cell in column] for column in zip(names, *rows, strict=True)
    ]
    widths = [max(cell.minimum for cell in column) for column in columns]
    spare = console.width - sum(widths) - _BETWEEN * (len(widths) - 1)
    if spare < 0:
        return None
    wanted = [max(cell.maximum for cell in column) - width for column, width in zip(columns, widths, strict=True)]
    for index in sorted(range(len(widths)), key=wanted.__getitem__):
        more = min(wanted[index], spare)
        widths[index] += more
        spare -= more
    return widths


def _print_blocks(console: Console, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    width = max(map(len, names))
    for number, row in enumerate(rows):
        if number:
            console.print()
        for name, cell in zip(names, row, strict=True):
            if cell:
                console.print(f"{name:<{width}}  {cell}")


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def milliseconds(nanoseconds: int) -> str:
    """Milliseconds with a sensible number of digits."""
    value = nanoseconds / 1e6
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"


def clock(nanoseconds: int) -> str:
    """Local time of a Unix time, as `--since` takes it."""
    return datetime.fromtimestamp(nanoseconds / 1e9).astimezone().strftime("%Y-%m-%d %H:%M:%S")


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[Any], None]]:
    """A bar on a terminal's standard error, nothing elsewhere; feed it `moat.evals.runner.Progress`."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[errors]} errors"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    ) as bar:
        task = bar.add_task(title, total=None, errors=0)
        yield lambda seen: bar.update(task, completed=seen.done, total=seen.total, errors=seen.errors)
