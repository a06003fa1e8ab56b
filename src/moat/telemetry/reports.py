"""Cost, latency and errors per dimension, ready to print: pure functions over what the trace store counted."""

from collections.abc import Sequence

import msgspec

from moat.domain.usage import format_usd
from moat.ports.traces import Dimension, Usages


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One group of calls. Money is picodollars, durations milliseconds, rates and shares 0 to 1."""

    group: tuple[str, ...]
    calls: int
    errors: int
    error_rate: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int
    share: float
    """Of the total cost; 0 when nothing cost anything."""
    cost_per_call: int
    """Over the calls whose cost is known, rounded down; 0 when there is none."""
    unpriced: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    first_token_p50_ms: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Totals, and one row per group, most expensive first."""

    by: tuple[Dimension, ...]
    total: Row
    rows: list[Row]


def report(by: Sequence[Dimension], groups: Sequence[Usages], total: Usages) -> Report:
    """Relate the groups to the total (what `usages` answers without dimensions, for the same filter)."""
    rows = [_row(group, total.cost) for group in groups]
    return Report(by=tuple(by), total=_row(total, total.cost), rows=rows)


def markdown(found: Report) -> str:
    """A GitHub table, the total last; groups without a value are shown as `-`."""
    names = [
        *found.by,
        "calls",
        "errors",
        "tokens in",
        "tokens out",
        "cost",
        "share",
        "per call",
        "p50 ms",
        "p95 ms",
    ]
    left = len(found.by)
    lines = [_line(names), _line([":--"] * left + ["--:"] * (len(names) - left))]
    lines += [_line([*map(_cell, row.group), *_measures(row)]) for row in found.rows]
    total = ["**total**", *[""] * (left - 1)] if left else []
    lines.append(_line([*total, *_measures(found.total)]))
    if found.total.unpriced:
        lines += ["", f"{found.total.unpriced} calls have no known price and are not in the cost."]
    return "\n".join(lines) + "\n"


def _row(usages: Usages, total_cost: int) -> Row:
    priced = usages.calls - usages.unpriced
    return Row(
        group=usages.group,
        calls=usages.calls,
        errors=usages.errors,
        error_rate=usages.errors / usages.calls if usages.calls else 0.0,
        input_tokens=usages.input_tokens,
        output_tokens=usages.output_tokens,
        cached_tokens=usages.cached_tokens,
        cost=usages.cost,
        share=usages.cost / total_cost if total_cost else 0.0,
        cost_per_call=usages.cost // priced if priced else 0,
        unpriced=usages.unpriced,
        p50_ms=usages.p50_ns / 1e6,
        p95_ms=usages.p95_ns / 1e6,
        p99_ms=usages.p99_ns / 1e6,
        first_token_p50_ms=usages.first_token_p50_ns / 1e6,
    )


def _measures(row: Row) -> list[str]:
    return [
        f"{row.calls:,}",
        f"{row.errors:,} ({row.error_rate:.1%})" if row.errors else "0",
        f"{row.input_tokens:,}",
        f"{row.output_tokens:,}",
        format_usd(row.cost),
        f"{row.share:.1%}",
        format_usd(row.cost_per_call),
        f"{row.p50_ms:,.0f}",
        f"{row.p95_ms:,.0f}",
    ]


def _cell(text: str) -> str:
    r"""Text that cannot leave its cell.

    >>> _cell("a|b\nc")
    'a\\|b c'
    """
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split()) or "-"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
