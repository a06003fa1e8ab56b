"""What a filter may speak of: fields, their kinds and units, and the tree that an expression becomes."""

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Literal, get_args

import msgspec

from moat.domain.errors import RequestError
from moat.domain.spans import SpanKind
from moat.domain.usage import PICODOLLARS
from moat.telemetry.filters import parse_time

Kind = Literal["text", "list", "count", "time", "money", "moment", "flag", "score", "attribute"]
Operator = Literal["=", "!=", "~", "!~", "<", "<=", ">", ">="]


class Field(msgspec.Struct, frozen=True):
    """Something that a call has."""

    name: str
    """As it is written."""
    kind: Kind
    columns: tuple[str, ...] = ()
    """Fields of `Span`, added up when there are several; none of a score or an attribute."""
    key: str = ""
    """Of a score its name (empty: any), of an attribute its key."""


class Test(msgspec.Struct, frozen=True):
    """A field compared with values: one of them must hold. No value: the field is there, a flag is up.

    Texts compare exactly with `=`; `~` ignores case, and looks anywhere unless the value has `*` or `?`. Times are
    nanoseconds, money picodollars. What is not known (a cost, a score, an attribute) compares with nothing. For `!=`
    and `!~` the parser says `Not`.
    """

    field: Field
    operator: Literal["=", "~", "<", "<=", ">", ">="]
    values: tuple[str | int | float, ...] = ()


class Words(msgspec.Struct, frozen=True):
    """Text in what was sent or answered, whatever its case."""

    text: str


class And(msgspec.Struct, frozen=True):
    """All parts hold; without parts it does."""

    parts: tuple["Expression", ...] = ()


class Or(msgspec.Struct, frozen=True):
    """One part at least holds."""

    parts: tuple["Expression", ...]


class Not(msgspec.Struct, frozen=True):
    """The part does not hold."""

    part: "Expression"


Expression = Test | Words | And | Or | Not

_TEXTS = (
    *("tenant", "feature", "user", "session", "key", "model", "alias", "provider", "operation", "prompt", "version"),
    *("release", "arm", "experiment", "environment", "service", "guard", "error", "name", "fingerprint", "cache"),
    *("tier", "request_id", "trace_id", "model_answered", "finish_reason", "error_message"),
)
_SHORT = {
    "request": "request_id",
    "trace": "trace_id",
    "answered": "model_answered",
    "finish": "finish_reason",
    "message": "error_message",
}
_COUNTS = (
    *("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "attempts"),
    *("units", "searches", "runs"),
)
FLAGS = {
    "error": "error",
    "failed": "error",
    "shadow": "shadow_of",
    "stream": "stream",
    "estimated": "usage_estimated",
    "guarded": "guard",
}
"""Words that stand alone, and the field that must not be empty then."""

FIELDS = {
    **{name: Field(name, "text", (name,)) for name in _TEXTS},
    **{name: Field(name, "text", (column,)) for name, column in _SHORT.items()},
    "kind": Field("kind", "text", ("kind",)),
    "tools": Field("tools", "list", ("tools",)),
    "policy": Field("policy", "list", ("policy",)),
    "left_alone": Field("left_alone", "list", ("left_alone",)),
    **{name: Field(name, "count", (name,)) for name in _COUNTS},
    "tokens": Field("tokens", "count", ("input_tokens", "output_tokens")),
    "latency": Field("latency", "time", ("duration_ns",)),
    "first_token": Field("first_token", "time", ("first_token_ns",)),
    "cost": Field("cost", "money", ("cost",)),
    "saved": Field("saved", "money", ("saved",)),
    "time": Field("time", "moment", ("started_ns",)),
}
"""By name. Scores and attributes stand as `score`, `score.NAME` and `attributes.KEY` beside them."""

ORDERED = ("count", "time", "money", "moment", "score", "attribute")
"""Kinds that are more or less."""
MATCHED = ("text", "list", "attribute")
"""Kinds that `~` looks into."""

TIMEOUT = "timeout"
TIMEOUTS = (TIMEOUT, "provider_timeout", "deadline_passed")
"""Errors that `error = timeout` means: that nobody answered in time, whoever waited."""

ANY = "any"
KINDS: tuple[str, ...] = get_args(SpanKind)
"""What `kind = any` means. Where no `kind` is spoken of, an expression is about calls."""

MOST = 2**63 - 1
_LENGTHS = {"us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}
_SIZES = {"": 1, "k": 10**3, "K": 10**3, "m": 10**6, "M": 10**6, "B": 10**9}
_CENT = PICODOLLARS // 100
_NUMBER = re.compile(r"([0-9][0-9_]{0,30}(?:\.[0-9]{1,18})?|\.[0-9]{1,18})([A-Za-zµ]{0,2})")


class Unfit(ValueError):
    """A value that its field cannot have; says in words what it could be."""


def value_of(field: Field, text: str, now_ns: int) -> str | int | float:
    """What a written value is, in the unit of its field. Raises `Unfit`.

    >>> [value_of(FIELDS[name], text, 0) for name, text in (("latency", "1.5s"), ("cost", "$0.01"), ("tokens", "2k"))]
    [1500000000, 10000000000, 2000]
    """
    if field.columns == ("kind",) and text not in KINDS:
        raise Unfit(f"a kind is {', '.join(KINDS)} or {ANY}")
    if field.kind in ("text", "list", "attribute"):
        return text
    if field.kind == "moment":
        try:
            return parse_time(text, now_ns)
        except RequestError:
            raise Unfit("a moment is 30m, 24h or 7d (that long ago), or 2026-11-20 or '2026-11-20 14:30'") from None
    if field.kind == "time":
        return _scaled(text, _LENGTHS, "a length of time is 500ms, 2s, 1.5m or 1h")
    if field.kind == "money":
        cents = text.endswith(("c", "¢"))
        bare = text.rstrip("c¢") if cents else text.removeprefix("$")
        return _scaled(bare, {"": _CENT if cents else PICODOLLARS}, "an amount is $0.01, 0.01 or 1c")
    if field.kind == "score":
        return float(_decimal(text, "a score is a number from 0 to 1")[0])
    return _scaled(text, _SIZES, "a count is 1000, 1k or 1.5M")


def speaks_of(expression: Expression, column: str) -> bool:
    """Does one of its tests look at this field of a span?"""
    return any(column in test.field.columns for test in _tests(expression))


def _tests(expression: Expression) -> Iterator[Test]:
    if isinstance(expression, And | Or):
        for part in expression.parts:
            yield from _tests(part)
    elif isinstance(expression, Not):
        yield from _tests(expression.part)
    elif isinstance(expression, Test):
        yield expression


def number_of(text: str) -> float | None:
    """A text as a number, when it is one."""
    try:
        return float(_decimal(text, "")[0])
    except Unfit:
        return None


def _scaled(text: str, units: dict[str, int], otherwise: str) -> int:
    number, unit = _decimal(text, otherwise, tuple(units))
    value = number * units[unit]
    if value > MOST:
        raise Unfit("the value is too large")
    return int(value)


def _decimal(text: str, otherwise: str, units: tuple[str, ...] = ("",)) -> tuple[Decimal, str]:
    found = _NUMBER.fullmatch(text)
    if found is None or found[2] not in units:
        raise Unfit(otherwise)
    try:
        return Decimal(found[1].replace("_", "")), found[2]
    except InvalidOperation:
        raise Unfit(otherwise) from None
