"""A report as Markdown, and as one page that needs nothing from elsewhere: no script, plots as inline SVG."""

from collections.abc import Sequence
from html import escape

from moat.telemetry.recap.document import Grid, Plot, Recap

WIDTH, HEIGHT, EDGE = 640, 130, 14
WIDEST = 48
"""Of a bar."""
FEW = 10
"""Values that all have room for their figures; of more, the highest has."""

_VISIBLE = {code: 0x2400 + code for code in range(32)} | {127: 0x2421}
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem;border-top:1px solid #ccd3dc;padding-top:1rem}
table{border-collapse:collapse;margin:1rem 0;font-size:.9rem}caption{text-align:left;font-weight:600}
th,td{padding:.25rem 1.4rem .25rem 0;border-bottom:1px solid #e3e8ee;text-align:left;font-weight:400}
thead th{color:#5a6675}.n{text-align:right;padding:.25rem 0 .25rem 1.4rem;font-variant-numeric:tabular-nums}
figure{margin:1rem 0}
figcaption{font-weight:600;font-size:.9rem}svg{width:100%;height:auto}.bar{fill:#3569b5}.line{fill:none;stroke:#3569b5;
stroke-width:2}.dot{fill:#3569b5}.axis{stroke:#8b97a6}.tick{font-size:10px;fill:#5a6675;text-anchor:middle}
@media(prefers-color-scheme:dark){body{background:#14181e;color:#e4e9f0}th,td,h2{border-color:#333c48}
.bar,.dot{fill:#7fb0f5}.line{stroke:#7fb0f5}.tick,thead th{fill:#9aa7b6;color:#9aa7b6}}
""".strip()

_NOTHING_ELSE = (
    """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""
)


def text(recap: Recap) -> str:
    """For a mail: sentences only."""
    parts = [recap.title, recap.period]
    for section in recap.sections:
        parts += ["", section.title, *section.sentences]
    return "\n".join(parts) + "\n"


def markdown(recap: Recap) -> str:
    """As GitHub reads it."""
    lines = [f"# {_plain(recap.title)}", "", _plain(recap.period)]
    for section in recap.sections:
        lines += ["", f"## {section.title}", ""]
        lines += [f"- {_plain(sentence)}" for sentence in section.sentences]
        for grid in section.grids:
            if grid.rows:
                lines += ["", f"**{_plain(grid.title)}**", "", *_table(grid)]
    return "\n".join(lines) + "\n"


def page(recap: Recap) -> str:
    """As HTML 5."""
    parts = [f"<h1>{_safe(recap.title)}</h1><p>{_safe(recap.period)}</p>"]
    for section in recap.sections:
        parts.append(f"<section><h2>{_safe(section.title)}</h2>")
        if section.sentences:
            parts.append("<ul>" + "".join(f"<li>{_safe(said)}</li>" for said in section.sentences) + "</ul>")
        parts += [_svg(plot) for plot in section.plots]
        parts += [_grid(grid) for grid in section.grids if grid.rows]
        parts.append("</section>")
    head = f'<meta charset="utf-8"><title>{_safe(recap.title)}</title><style>{_STYLE}</style>'
    sizes = '<meta name="viewport" content="width=device-width">' + _NOTHING_ELSE
    return f'<!doctype html>\n<html lang="en"><head>{head}{sizes}</head><body>\n{"".join(parts)}\n</body></html>\n'


def bars(plot: Plot, width: int = 30) -> list[tuple[str, str, str]]:
    """For a terminal: label, value, bar."""
    most = max((value for value in plot.values if value), default=0.0)
    rows = []
    for label, value, said in zip(plot.labels, plot.values, plot.said, strict=True):
        length = round(value / most * width) if value and most else 0
        rows.append((label, said, "█" * max(length, 1 if value else 0)))
    return rows


def _table(grid: Grid) -> list[str]:
    heads = [head.rstrip(">") for head in grid.heads]
    rule = ["--:" if head.endswith(">") else ":--" for head in grid.heads]
    rows = [[_plain(cell) for cell in row] for row in (heads, *grid.rows)]
    return [f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:])]


def _plain(words: str) -> str:
    """Text of anybody that is no markup in Markdown."""
    shown = " ".join(words.translate(_VISIBLE).split())
    for sign in "\\|*_`[]":
        shown = shown.replace(sign, f"\\{sign}")
    return shown.replace("<", "&lt;")


def _safe(words: str) -> str:
    return escape(words.translate(_VISIBLE).encode("utf-8", "replace").decode())


def _grid(grid: Grid) -> str:
    number = [head.endswith(">") for head in grid.heads]

    def cells(row: Sequence[str], tag: str) -> str:
        marks = (' class="n"' if right else "" for right in number)
        found = (f"<{tag}{mark}>{_safe(cell)}</{tag}>" for cell, mark in zip(row, marks, strict=True))
        return f"<tr>{''.join(found)}</tr>"

    heads = cells([head.rstrip(">") for head in grid.heads], "th")
    rows = "".join(cells(row, "td") for row in grid.rows)
    return f"<table><caption>{_safe(grid.title)}</caption><thead>{heads}</thead><tbody>{rows}</tbody></table>"


def _svg(plot: Plot) -> str:
    most = max((value for value in plot.values if value), default=0.0) or 1.0
    step = (WIDTH - 2 * EDGE) / max(1, len(plot.values))
    base = HEIGHT - EDGE - 4
    few = len(plot.values) <= FEW
    marks, points = [], []
    for index, (label, value, said) in enumerate(zip(plot.labels, plot.values, plot.said, strict=True)):
        x = EDGE + (index + 0.5) * step
        top = base - (0.0 if value is None else value / most * (base - 2 * EDGE))
        named = f"<title>{_safe(label)}: {_safe(said)}</title>"
        if plot.kind == "bars" and value:
            wide = min(0.7 * step, WIDEST)
            place = f'x="{x - wide / 2:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{base - top:.1f}"'
            marks.append(f'<rect class="bar" {place}>{named}</rect>')
        elif plot.kind == "line" and value is not None:
            points.append(f"{x:.1f},{top:.1f}")
            marks.append(f'<circle class="dot" cx="{x:.1f}" cy="{top:.1f}" r="3">{named}</circle>')
        if value is not None and (few or (value == most and most not in plot.values[:index])):
            marks.append(f'<text class="tick" x="{x:.1f}" y="{top - 6:.1f}">{_safe(said)}</text>')
        if index % max(1, len(plot.values) // 7) == 0:
            marks.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 2}">{_safe(label)}</text>')
    if len(points) > 1:
        marks.insert(0, f'<polyline class="line" points="{" ".join(points)}"/>')
    axis = f'<line class="axis" x1="{EDGE}" y1="{base}" x2="{WIDTH - EDGE}" y2="{base}"/>'
    said = "; ".join(f"{label} {value}" for label, value in zip(plot.labels, plot.said, strict=True))
    head = f'<svg role="img" viewBox="0 0 {WIDTH} {HEIGHT}" aria-label="{_safe(said)}">'
    return f"<figure><figcaption>{_safe(plot.title)}</figcaption>{head}{axis}{''.join(marks)}</svg></figure>"
