"""Cost, latency and errors per dimension, ready to print: pure functions over what the trace store counted."""

from collections.abc import Sequence

import msgspec

from moat.domain.usage import format_usd
from moat.ports.traces import Dimension, Usages

NOT_SAID = "(not said)"

_NUMBERS = (
    "calls",
    "errors",
    "input",
    "output",
    "cost",
    "share",
    "per call",
    "p50 ms",
    "p95 ms",
    "first token p50 ms",
)


class Row(Usages, frozen=True, kw_only=True):
    """One group of calls, related to the whole. Rates and shares are 0 to 1."""

    error_rate: float
    share: float
    """Of the total cost; 0 when nothing cost anything."""
    cost_per_call: int
    """Picodollars over the calls whose cost is known, rounded down; 0 when there is none."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Totals, and one row per group, most expensive first."""

    by: tuple[Dimension, ...]
    rows: list[Row]
    total: Row
    copies: Row | None = None
    """What nobody saw of the total: copies for releases on trial. None when only they, or none of them, were wanted."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A report as text: columns of words, then columns of numbers; the total is the last row."""

    words: list[str]
    numbers: list[str]
    rows: list[list[str]]


def report(by: Sequence[Dimension], groups: Sequence[Usages], total: Usages, copies: Usages | None = None) -> Report:
    """Relate groups and copies to the total (what `usages` answers without dimensions, for the same filter)."""
    rows = [_row(group, total.cost) for group in groups]
    shadows = None if copies is None else _row(copies, total.cost)
    return Report(by=tuple(by), rows=rows, total=_row(total, total.cost), copies=shadows)


def table(found: Report) -> Table:
    """What people want to see of a report."""
    rows = [[*(value or NOT_SAID for value in row.group), *_measures(row)] for row in found.rows if found.by]
    blank = [""] * (len(found.by) - 1)
    rows.append([*(["total", *blank] if found.by else []), *_measures(found.total)])
    return Table(words=list(found.by), numbers=list(_NUMBERS), rows=rows)


def notes(found: Report) -> list[str]:
    """Sentences that belong below the table."""
    unpriced, copies = found.total.unpriced, found.copies
    said = [f"{unpriced} calls have no known price and are not in the cost: set `price` in moat.yaml."] * bool(unpriced)
    if copies is not None and copies.calls:
        share = f"{copies.calls:,} of the calls and {format_usd(copies.cost)} of the cost"
        said.append(f"{share} are copies for releases on trial: `--no-shadow` leaves them out.")
    return said


def markdown(found: Report) -> str:
    """The table as GitHub reads it, and the notes."""
    shown = table(found)
    lines = [[*shown.words, *shown.numbers], [":--"] * len(shown.words) + ["--:"] * len(shown.numbers), *shown.rows]
    text = [f"| {' | '.join(map(_cell, line))} |" for line in lines]
    for note in notes(found):
        text += ["", note]
    return "\n".join(text) + "\n"


def _row(usages: Usages, total_cost: int) -> Row:
    priced = usages.calls - usages.unpriced - usages.refused
    return Row(
        **msgspec.structs.asdict(usages),
        error_rate=usages.errors / usages.calls if usages.calls else 0.0,
        share=usages.cost / total_cost if total_cost else 0.0,
        cost_per_call=usages.cost // priced if priced else 0,
    )


def _measures(row: Row) -> list[str]:
    return [
        f"{row.calls:,}",
        f"{row.errors:,} ({row.error_rate:.1%})" if row.errors else "0",
        f"{row.input_tokens:,}",
        f"{row.output_tokens:,}",
        format_usd(row.cost),
        f"{row.share:.0%}",
        format_usd(row.cost_per_call),
        *(f"{ns / 1e6:,.1f}" if ns else "" for ns in (row.p50_ns, row.p95_ns, row.first_token_p50_ns)),
    ]


def _cell(text: str) -> str:
    r"""Text that cannot leave its cell.

    >>> _cell("a|b\nc")
    'a\\|b c'
    """
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())
