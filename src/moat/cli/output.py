"""What commands print: tables for people, JSON for programs."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

PIPED_WIDTH = 180
"""Columns of a table that no terminal shows."""

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPED_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document, indented."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table; a column whose name ends in `>` is aligned right. `empty` says what would fill it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column.rstrip(">"), justify="right" if column.endswith(">") else "left", overflow="fold")
    count = 0
    for row in rows:
        count += 1
        table.add_row(*(cell if isinstance(cell, str) else str(cell) for cell in row))
    if count:
        out.print(table)
    else:
        out.print(empty, style="dim")


def milliseconds(nanoseconds: int) -> str:
    """Milliseconds with a sensible number of digits."""
    value = nanoseconds / 1e6
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"


def clock(nanoseconds: int) -> str:
    """Local time of a Unix time."""
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
