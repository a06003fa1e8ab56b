"""A report as text: Markdown, HTML, CSV. Names in it were written by callers, and stay text everywhere."""

import csv
import html
import io
import re
from decimal import Decimal
from typing import Any

from moat.domain.usage import PICODOLLARS
from moat.spend.reports import Column, Document, Sheet

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#1b1f24}
h1{font-size:1.5rem;margin-bottom:0}h2{font-size:1.1rem;margin-top:2rem}.period,.note{color:#57606a}
.scroll{overflow-x:auto}table{border-collapse:collapse}
th,td{padding:.3rem .8rem;border-bottom:1px solid #d0d7de;text-align:left}
th,.t{white-space:nowrap}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}th,td{border-color:#30363d}}
"""


_CLASSES = {"name": "", "text": " class=t"}
"""Of the cells of a kind; all others are numbers. Callers' names may be long, and break; dates do not."""


def to_markdown(document: Document) -> str:
    """Tables as GitHub reads them."""
    parts = [f"# {_cell(document.title)}", _cell(document.period)]
    for sheet in document.sheets:
        parts += [f"## {_cell(sheet.title)}", _markdown_table(sheet), *map(_cell, sheet.notes)]
    return "\n\n".join(parts) + "\n"


def to_html(document: Document) -> str:
    """One page that needs nothing else: no script, no font, no picture from elsewhere."""
    title = html.escape(document.title)
    parts = [f'<h1>{title}</h1><p class="period">{html.escape(document.period)}</p>']
    for sheet in document.sheets:
        parts.append(f"<h2>{html.escape(sheet.title)}</h2>")
        parts.append(_html_table(sheet))
        parts += [f'<p class="note">{_prose(note)}</p>' for note in sheet.notes]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{title}</title><style>{_STYLE}</style></head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def to_csv(document: Document) -> str:
    """Exact values: money in US dollars with every digit, times in milliseconds, shares from 0 to 1.
    Totals and charts are left out: whoever adds up a column must not count twice.

    Where a report has several sheets, they are one table: `section` says which sheet a row is of, and columns that
    this sheet has not are empty. What a spreadsheet would take for a formula gets an apostrophe in front
    (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    text = io.StringIO()
    headings = dict.fromkeys(_heading(column) for sheet in document.tables for column in sheet.columns)
    first = ["section"] if len(document.tables) > 1 else []
    writer = csv.DictWriter(text, [*first, *headings], restval="", extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for sheet in document.tables:
        for row in sheet.rows:
            cells = {_heading(c): _plain(c, v) for c, v in zip(sheet.columns, row, strict=True)}
            writer.writerow({**cells, "section": sheet.key})
    return text.getvalue()


def _markdown_table(sheet: Sheet) -> str:
    shown = sheet.lines()
    if not shown:
        return _cell(sheet.empty)
    lines = [[_cell(column.title) for column in sheet.columns]]
    lines.append([":--" if column.is_text else "--:" for column in sheet.columns])
    lines += [[_cell(cell) for cell in line] for line in shown]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    r"""Text that cannot leave its cell, nor be markup or a link.

    >>> _cell("a|b\n<i>[x](y)")
    'a\\|b &lt;i>\\[x](y)'
    """
    plain = " ".join(text.replace("\\", "\\\\").split())
    for mark in "|[`*":
        plain = plain.replace(mark, f"\\{mark}")
    return plain.replace("<", "&lt;")


def _html_table(sheet: Sheet) -> str:
    shown = sheet.lines()
    if not shown:
        return f"<p>{_prose(sheet.empty)}</p>"

    def line(tag: str, cells: list[str]) -> str:
        found = (
            f"<{tag}{_CLASSES.get(column.kind, ' class=n')}>{html.escape(cell)}</{tag}>"
            for column, cell in zip(sheet.columns, cells, strict=True)
        )
        return f"<tr>{''.join(found)}</tr>"

    rows = [line("td", cells) for cells in shown]
    head = line("th", [column.title for column in sheet.columns])
    return (
        '<div class="scroll"><table>\n<thead>'
        + head
        + "</thead>\n<tbody>\n"
        + "\n".join(rows)
        + "\n</tbody></table></div>"
    )


def _prose(text: str) -> str:
    """A sentence of ours, with commands between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _heading(column: Column) -> str:
    return column.key + {"money": "_usd", "duration": "_ms"}.get(column.kind, "")


def _plain(column: Column, value: Any) -> str:
    if value is None:
        return ""
    if column.kind == "money":
        return format((Decimal(value) / PICODOLLARS).normalize(), "f")
    if column.kind == "duration":
        return format(Decimal(value) / 10**6, "f")
    if column.kind in ("share", "change"):
        return f"{value:.6f}"
    text = str(value)
    return f"'{text}" if column.is_text and text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else text
