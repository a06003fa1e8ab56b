"""What can be shown of recorded calls, as columns."""

import csv
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from moat.cli.output import clock, milliseconds
from moat.domain.errors import RequestError
from moat.domain.spans import Span
from moat.domain.usage import exact_usd, format_usd


class Column(NamedTuple):
    """One of them; `heading` ends in `>` when it is aligned right."""

    heading: str
    show: Callable[[Span], str]
    """For people."""
    value: Callable[[Span], Any]
    """For programs."""


def prompt_of(span: Span) -> str:
    """With its version, unless the call was refused before that was known."""
    return f"{span.prompt}@{span.version}" if span.version else span.prompt


def standing(span: Span) -> str:
    """Which arm of a split it was, or that nobody saw it."""
    word = "shadow" if span.shadow_of else span.arm
    return f" ({word})" if word else ""


def cost_of(span: Span) -> str:
    """For people."""
    return "unpriced" if span.cost is None else format_usd(span.cost)


def tokens_a_second(span: Span) -> float | None:
    """Of a stream, from its first token on."""
    streaming = span.duration_ns - span.first_token_ns
    known = span.stream and span.output_tokens > 1 and span.first_token_ns and streaming > 0
    return span.output_tokens / streaming * 1e9 if known else None


def _plain(name: str) -> Column:
    return Column(name, lambda span: str(getattr(span, name)), lambda span: getattr(span, name))


def _speed(span: Span) -> str:
    speed = tokens_a_second(span)
    return "" if speed is None else f"{speed:,.0f}/s"


def _moment(span: Span) -> str:
    return datetime.fromtimestamp(span.started_ns / 1e9, UTC).isoformat(timespec="milliseconds")


_PLAIN = (
    *("tenant", "feature", "user", "session", "key", "environment", "release", "arm", "experiment", "model", "alias"),
    *("operation", "model_answered", "provider", "fingerprint", "service", "tools", "left_alone", "guard", "cache"),
    *("policy", "tier"),
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "attempts", "finish_reason", "error"),
    *("error_message", "shadow_of", "stream", "trace_id", "request_id", "version", "kind", "name"),
)

COLUMNS = {
    "time": Column("time", lambda span: clock(span.started_ns), _moment),
    # What `moat traces show` takes: an application's span has no request of its own.
    "request": Column("request", lambda span: span.request_id or span.trace_id, lambda span: span.request_id),
    "trace": Column("trace", lambda span: span.trace_id, lambda span: span.trace_id),
    "prompt": Column("prompt", lambda s: f"{prompt_of(s) or s.model or s.name}{standing(s)}", prompt_of),
    "latency": Column("latency>", lambda span: milliseconds(span.duration_ns), lambda span: span.duration_ns / 1e6),
    "first_token": Column(
        "first token>",
        lambda span: milliseconds(span.first_token_ns) if span.first_token_ns else "",
        lambda span: span.first_token_ns / 1e6 if span.first_token_ns else None,
    ),
    "speed": Column("speed>", _speed, tokens_a_second),
    "tokens": Column(
        "tokens>", lambda s: f"{s.input_tokens}+{s.output_tokens}", lambda s: s.input_tokens + s.output_tokens
    ),
    "cost": Column("cost>", cost_of, lambda span: None if span.cost is None else exact_usd(span.cost)),
    "result": Column("result", lambda s: s.error or s.finish_reason, lambda s: s.error or s.finish_reason),
    **{name: _plain(name) for name in _PLAIN},
}
"""By name. Values for programs: milliseconds, dollars, UTC."""

_UNITS = {"latency": "latency_ms", "first_token": "first_token_ms", "cost": "cost_usd"}

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet would run: https://owasp.org/www-community/attacks/CSV_Injection."""

DEFAULT = ("time", "request", "tenant", "feature", "user", "prompt", "provider", "latency", "tokens", "cost", "result")


def chosen(names: str, otherwise: Sequence[str] = DEFAULT) -> dict[str, Column]:
    """Columns by their names, with commas between. Raises `RequestError`."""
    wanted = [name.strip() for name in names.split(",") if name.strip()] or otherwise
    for name in wanted:
        if name not in COLUMNS:
            raise RequestError(
                f"there is no column {name!r}", where="--columns", remedy=f"There are: {', '.join(COLUMNS)}."
            )
    return {name: COLUMNS[name] for name in wanted}


def to_csv(calls: Sequence[Span], columns: dict[str, Column]) -> str:
    """A table for spreadsheets, in which no text is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_UNITS.get(name, name) for name in columns)
    for call in calls:
        values = (column.value(call) for column in columns.values())
        writer.writerow(f"'{v}" if isinstance(v, str) and v.startswith(_FORMULA) else v for v in values)
    return text.getvalue()
