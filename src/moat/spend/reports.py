"""Reports on money as sheets of typed cells: whoever prints them decides how a cell looks."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from moat.domain.usage import format_usd
from moat.ports.traces import Dimension, Spend

NOT_SAID = "(not said)"

CellKind = Literal["text", "name", "count", "money", "share", "change", "duration", "bar", "line"]
"""`name`: what a caller said, perhaps nothing; `money` is picodollars and `duration` nanoseconds, None where it is not
known; `share` is 0 to 1; `change` is a ratio to before, None where there was nothing before. Drawn for people: `bar`, 0
to 1 of the longest, and `line`, a sequence of amounts."""

BAR = 30
"""Characters of the longest bar."""


class Column(msgspec.Struct, frozen=True):
    """One column: its heading, and the same as a key for programs."""

    title: str
    kind: CellKind = "text"

    @property
    def is_text(self) -> bool:
        """Words, not a number."""
        return self.kind in ("text", "name") or self.is_drawn

    @property
    def is_drawn(self) -> bool:
        """A picture of numbers."""
        return self.kind in ("bar", "line")

    @property
    def key(self) -> str:
        """Lower case, words joined by `_`."""
        return self.title.lower().replace(" ", "_")


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """One table of a report."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: tuple[Any, ...] = ()
    """Below the rows for people, apart from them for programs; may be empty."""
    notes: tuple[str, ...] = ()
    empty: str = "Nothing in this time."
    """What stands there when there are no rows."""

    @property
    def key(self) -> str:
        """The title for programs."""
        return self.title.lower().replace(" ", "_")

    @property
    def is_chart(self) -> bool:
        """Shows people what stands in another sheet: not for programs."""
        return any(column.is_drawn for column in self.columns)

    def records(self) -> list[dict[str, Any]]:
        """Rows for programs."""
        return [self._record(row) for row in self.rows]

    def sums(self) -> dict[str, Any]:
        """The total for programs; empty when there is none."""
        return self._record(self.total) if self.total else {}

    def lines(self) -> list[list[str]]:
        """Rows for people, the total last."""
        rows = [[shown(c.kind, v) for c, v in zip(self.columns, row, strict=True)] for row in self.rows]
        if self.total:
            cells = zip(self.columns, self.total, strict=True)
            rows.append([str(v) if c.kind == "name" else shown(c.kind, v) for c, v in cells])
        return rows

    def _record(self, row: tuple[Any, ...]) -> dict[str, Any]:
        return {column.key: value for column, value in zip(self.columns, row, strict=True)}


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A whole report."""

    title: str
    period: str
    """Which time it is about, in words, with its time zone."""
    sheets: tuple[Sheet, ...]

    @property
    def tables(self) -> list[Sheet]:
        """The sheets without the charts."""
        return [sheet for sheet in self.sheets if not sheet.is_chart]

    def data(self) -> dict[str, Any]:
        """For programs: rows and totals as objects, by the sheet's title as a key."""
        named = {sheet.key: sheet for sheet in self.tables}
        return {
            "title": self.title,
            "period": self.period,
            "sheets": {key: sheet.records() for key, sheet in named.items()},
            "totals": {key: sheet.sums() for key, sheet in named.items() if sheet.total},
            "notes": [note for sheet in self.sheets for note in sheet.notes],
        }


def shown(kind: CellKind, value: Any) -> str:
    """A cell for people."""
    if value is None:
        return {"money": "unknown", "change": "new"}.get(kind, "")
    match kind:
        case "name":
            return str(value) or NOT_SAID
        case "count":
            return f"{value:,}"
        case "money":
            return format_usd(value)
        case "share":
            return f"{value:.1%}"
        case "change":
            return f"{value:+.1%}"
        case "duration":
            return f"{value / 1e6:,.1f} ms" if value else ""
        case "bar":
            return bar(value)
        case "line":
            return line(value)
        case _:
            return str(value)


def bar(share: float) -> str:
    """A bar of blocks, to an eighth of a character.

    >>> bar(0.125), bar(0.0)
    ('███▊', '')
    """
    whole, eighths = divmod(round(share * BAR * 8), 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[eighths].strip()


def line(amounts: Sequence[int]) -> str:
    """One block an amount, as high as its share of the highest; a dot for nothing.

    >>> line([0, 1, 4, 8])
    '·▁▄█'
    """
    highest = max(amounts, default=0)
    return "".join("▁▂▃▄▅▆▇█"[-(-8 * amount // highest) - 1] if amount else "·" for amount in amounts)


def cost_of(spend: Spend) -> int | None:
    """What is known of the cost; None when nothing is, although there were requests."""
    return None if spend.requests and spend.unpriced == spend.requests else spend.cost


def total_of(groups: Sequence[Spend]) -> Spend:
    """The sum of groups that share no attempt."""
    total = Spend(group=())
    for group in groups:
        sums = {name: getattr(total, name) + getattr(group, name) for name in _SUMS}
        total = msgspec.structs.replace(total, usage=total.usage + group.usage, **sums)
    return total


_SUMS = ("calls", "requests", "failed", "estimated", "cost", "unpriced", "hits", "saved", "refused")

MEASURES = (
    Column("calls", "count"),
    Column("requests", "count"),
    Column("failed", "count"),
    Column("input tokens", "count"),
    Column("cached tokens", "count"),
    Column("output tokens", "count"),
    Column("cost", "money"),
    Column("share", "share"),
    Column("per call", "money"),
    Column("unpriced", "count"),
)


def measures(spend: Spend, total: Spend) -> tuple[Any, ...]:
    """Cells below `MEASURES`."""
    cost = cost_of(spend)
    return (
        spend.calls,
        spend.requests,
        spend.failed,
        spend.usage.input,
        spend.usage.cached,
        spend.usage.output,
        cost,
        spend.cost / total.cost if total.cost else 0.0,
        per_call(spend),
        spend.unpriced,
    )


def per_call(spend: Spend) -> int | None:
    """Picodollars, rounded down; None when a part of the cost is not known. Calls refused before any request, which
    could cost nothing, are left out.
    """
    calls = spend.calls - spend.refused
    return None if spend.unpriced or calls <= 0 else spend.cost // calls


def names(by: Sequence[Dimension]) -> tuple[Column, ...]:
    """Columns for dimensions."""
    return tuple(Column(name, "name") for name in by)


def by_dimensions(by: Sequence[Dimension], groups: Sequence[Spend], total: Spend, title: str = "Spend") -> Sheet:
    """One row for each group, dearest first, and the total, which is asked for by itself: with models or providers as
    dimensions, a call with a fallback counts in two groups. Without dimensions the total is the only row.
    """
    sums = measures(total, total)
    if by:
        rows = [(*_said(by, group.group), *measures(group, total)) for group in groups]
        sums = ("total", *[""] * (len(by) - 1), *sums) if rows else ()
    else:
        rows, sums = [sums] if total.calls or total.requests else [], ()
    return Sheet(title=title, columns=(*names(by), *MEASURES), rows=tuple(rows), total=sums, notes=remarks(total))


def with_key_names(document: Document, names: Mapping[str, str]) -> Document:
    """The report with a column of names behind each column of key ids."""
    return msgspec.structs.replace(document, sheets=tuple(_with_key_names(sheet, names) for sheet in document.sheets))


def _with_key_names(sheet: Sheet, names: Mapping[str, str]) -> Sheet:
    column = Column("key", "name")
    if column not in sheet.columns:
        return sheet
    at = sheet.columns.index(column)

    def wider(row: tuple[Any, ...], value: object) -> tuple[Any, ...]:
        return (*row[: at + 1], value, *row[at + 1 :])

    return msgspec.structs.replace(
        sheet,
        columns=wider(sheet.columns, Column("key name")),
        rows=tuple(wider(row, names.get(row[at], "")) for row in sheet.rows),
        total=wider(sheet.total, "") if sheet.total else (),
    )


def _said(by: Sequence[Dimension], group: Sequence[str]) -> list[str]:
    """A group's values; a record leaves the operation out when it is a chat."""
    return ["chat" if name == "operation" and not value else value for name, value in zip(by, group, strict=True)]


def remarks(total: Spend) -> tuple[str, ...]:
    """What must be known to read a sum right."""
    said = []
    if total.unpriced:
        said.append(
            f"{total.unpriced:,} of {total.requests:,} requests have no known price and are not in the cost: "
            "set `price` in moat.yaml, then `moat spend reprice`."
        )
    if total.estimated:
        said.append(
            f"The usage of {total.estimated:,} requests is estimated: their provider reported none, or numbers that "
            "cannot be right."
        )
    if total.refused:
        said.append(
            f"{total.refused:,} of {total.calls:,} calls were refused before any request, and are not in `per call`."
        )
    if total.hits:
        said.append(f"A cache answered {total.hits:,} calls and saved {format_usd(total.saved)}.")
    return tuple(said)
