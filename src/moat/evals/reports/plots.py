"""Small plots as inline SVG: no script, no style attribute; colours come from the page's style sheet.

Widths and heights are in the units of the view box; each plot carries its numbers as text for those who do not see it.
"""

from collections.abc import Sequence
from html import escape

WIDTH = 180
ROW = 18
BINS = 10
BAR_HEIGHT = 56


def mean_plot(mean: float, low: float, high: float, baseline: float | None = None) -> str:
    """A mean with its interval on the scale from 0 to 1; the baseline's mean is a hollow mark."""
    said = f"{mean:.3f}, interval {low:.3f} to {high:.3f}"
    marks = [_line("axis", 0, ROW / 2, WIDTH, ROW / 2), _interval(low, high, 0.0, 1.0)]
    if baseline is not None:
        said += f", baseline {baseline:.3f}"
        marks.append(f'<circle class="old" cx="{_x(baseline, 0, 1)}" cy="{ROW / 2:g}" r="3.5"/>')
    marks.append(f'<circle class="new" cx="{_x(mean, 0, 1)}" cy="{ROW / 2:g}" r="4"/>')
    return _svg(said, marks)


def difference_plot(
    mean: float, low: float, high: float, reach: float, margin: float | None = None, *, sure: bool = True
) -> str:
    """A difference with its interval on a scale from `-reach` to `reach`; what a margin tolerates is shaded.

    Not `sure`: it may be chance whatever its own interval says, as of one slice among many.
    """
    side = "level" if not sure else "worse" if high < 0 else "better" if low > 0 else "level"
    marks = []
    if margin is not None and margin > 0:
        left = _x(-margin, -reach, reach)
        marks.append(f'<rect class="margin" x="{left}" y="1" width="{WIDTH / 2 - left:g}" height="{ROW - 2}"/>')
    marks += [_line("zero", WIDTH / 2, 0, WIDTH / 2, ROW), _interval(low, high, -reach, reach, side)]
    marks.append(f'<circle class="{side}" cx="{_x(mean, -reach, reach)}" cy="{ROW / 2:g}" r="4"/>')
    return _svg(f"{mean:+.3f}, interval {low:+.3f} to {high:+.3f}", marks)


def histogram(new: Sequence[float], old: Sequence[float] | None = None) -> str:
    """How many cases have which score, in tenths: bars for the candidate, an outline for the baseline."""
    counts, before = _bins(new), _bins(old) if old else None
    most = max([*counts, *(before or ()), 1])
    width = WIDTH / BINS
    marks = []
    for index, count in enumerate(counts):
        height = _height(count, most)
        marks.append(_bar("new", index * width + 1, height, width - 2))
    for index, count in enumerate(before or ()):
        marks.append(_bar("old", index * width + 1, _height(count, most), width - 2))
    marks.append(_line("axis", 0, BAR_HEIGHT, WIDTH, BAR_HEIGHT))
    said = "cases by score in tenths: " + " ".join(map(str, counts))
    if before:
        said += "; baseline: " + " ".join(map(str, before))
    return _svg(said, marks, BAR_HEIGHT + 2)


def quantile_plot(quantiles: Sequence[int], most: int, said: str, kind: str = "new") -> str:
    """A box: 5 to 95 % as a line, 25 to 75 % as a box, the median as a mark; `quantiles` as `Totals.latency_ns`."""
    low, q1, median, q3, high = (_x(quantiles[index], 0, max(most, 1)) for index in (1, 2, 3, 4, 5))
    middle = ROW / 2
    marks = [
        f'<g class="{escape(kind)}">',
        _line("whisker", low, middle, high, middle),
        f'<rect class="box" x="{q1}" y="4" width="{max(q3 - q1, 1):g}" height="{ROW - 8}"/>',
        _line("median", median, 2, median, ROW - 2),
        "</g>",
    ]
    return _svg(said, marks)


def _svg(said: str, marks: Sequence[str], height: float = ROW) -> str:
    box = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    return f'<svg class="plot" role="img" {box} aria-label="{escape(said)}">{"".join(marks)}</svg>'


def _interval(low: float, high: float, least: float, most: float, kind: str = "new") -> str:
    return _line(f"interval {kind}", _x(low, least, most), ROW / 2, _x(high, least, most), ROW / 2)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def _bar(kind: str, x: float, height: float, width: float) -> str:
    return f'<rect class="bar {kind}" x="{x:g}" y="{BAR_HEIGHT - height:g}" width="{width:g}" height="{height:g}"/>'


def _height(count: int, most: int) -> float:
    return 0.0 if not count else max(1.5, round(count / most * (BAR_HEIGHT - 4), 1))


def _bins(values: Sequence[float]) -> list[int]:
    counts = [0] * BINS
    for value in values:
        counts[max(0, min(BINS - 1, int(value * BINS)))] += 1
    return counts


def _x(value: float, least: float, most: float) -> float:
    """Where a value stands between the edges, kept inside with room for its mark."""
    share = max(0.0, min(1.0, (value - least) / (most - least)))
    return round(5 + share * (WIDTH - 10), 1)
