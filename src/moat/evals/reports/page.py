"""What the parts of a page are made of: text that cannot become markup, tables, numbers for people."""

import re
from collections.abc import Iterable, Sequence
from html import escape

_CONTROLS = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {127: 0x2421, 13: None}
_UNPAIRED = re.compile("[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def printable(value: str) -> str:
    """Text of anybody as HTML and XML may hold it: control characters made visible, what is no character replaced."""
    return _UNPAIRED.sub("\ufffd", value.translate(_CONTROLS))


def text(value: str) -> str:
    """Text of anybody for a page: no markup, control characters made visible."""
    return escape(printable(value))


def chip(kind: str, words: str) -> str:
    """A coloured word."""
    return f'<span class="chip {kind}">{text(words)}</span>'


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, hidden: bool = False) -> str:
    """A table of ready markup, the first cell of each row being its heading. A head that ends in `>` is of numbers."""
    numbers = [head.endswith(">") for head in heads]
    top = "".join(
        f'<th scope="col"{_num(number)}>{text(head.rstrip(">"))}</th>'
        for head, number in zip(heads, numbers, strict=True)
    )
    body = "".join(f"<tr>{_row(row, numbers)}</tr>\n" for row in rows)
    label = text(caption)
    title = f' aria-label="{label}"' if hidden else ""
    said = "" if hidden else f"<caption>{label}</caption>"
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{label}"><table{title}>{said}'
        f"<thead><tr>{top}</tr></thead><tbody>\n{body}</tbody></table></div>\n"
    )


def block(label: str, content: str, *, ready: bool = False) -> str:
    """A labelled box of preformatted text; `ready` when it is markup already."""
    inner = content if ready else text(content)
    said = text(label)
    return (
        f'<div><div class="label">{said}</div>'
        f'<pre class="text" tabindex="0" role="region" aria-label="{said}">{inner}</pre></div>'
    )


def short_ns(nanoseconds: int) -> str:
    """A time for people."""
    if nanoseconds >= 1_000_000_000:
        return f"{nanoseconds / 1e9:.2f}\u202fs"
    return f"{nanoseconds / 1e6:.0f}\u202fms" if nanoseconds >= 10_000_000 else f"{nanoseconds / 1e6:.1f}\u202fms"


def _num(number: bool) -> str:
    return ' class="num"' if number else ""


def _row(cells: Sequence[str], numbers: Sequence[bool]) -> str:
    first, *rest = cells
    found = [f'<th scope="row">{first}</th>']
    found += [f"<td{_num(number)}>{cell}</td>" for cell, number in zip(rest, numbers[1:], strict=True)]
    return "".join(found)
