"""The filters that templates may use: Jinja's, less what is for HTML or random, each paying for its work.

Differences from Jinja: `tojson` writes plain JSON and `escape` plain text (nothing here is HTML that could be
`safe`); numbers given to a filter are at most 100,000; `sum` adds numbers only.
"""

import html
import json
import re
from collections.abc import Callable
from typing import Any

from jinja2.exceptions import FilterArgumentError, SecurityError
from jinja2.filters import FILTERS as DEFAULT_FILTERS
from jinja2.utils import pass_context

from moat.prompts.sandbox import MAX_STRIP, OverBudget, RenderContext, kind, made, text

Filter = Callable[..., Any]

MAX_ARGUMENT = 100_000
MAX_FORMAT_WIDTH = 999
MAX_DIGITS = 20

TICK = " tick"
SIZED = " sized"
PART = " part"
"""Filters that only the compiler writes into a template: no name in a template can hold a space."""

_CONVERSION = re.compile(r"%(?:\(\w+\))?[-+ #0]*(\*|\d+)?(?:\.(\*|\d+))?[diouxXeEfFgGcrsa%]")


_OF_TEXT = ("lower", "upper", "capitalize", "title", "truncate", "center", "urlencode", "wordcount")
_PLAIN = ("abs", "filesizeformat", "float", "int", "default", "d", "first", "last", "length", "count")
_OF_ITEMS = (
    "batch", "dictsort", "groupby", "items", "list", "map", "max", "min", "reject", "rejectattr", "reverse",
    "select", "selectattr", "slice", "sort", "unique",
)  # fmt: skip


def filters() -> dict[str, Filter]:
    """All filters by name."""
    table: dict[str, Filter] = {}
    table |= {name: _of_text(DEFAULT_FILTERS[name]) for name in _OF_TEXT}
    table |= {name: _plain(DEFAULT_FILTERS[name]) for name in _PLAIN}
    table |= {name: _of_items(DEFAULT_FILTERS[name]) for name in _OF_ITEMS}
    own = (_escape, _format, _indent, _join, _replace, _round, _sum, _tojson, _trim)
    table |= {function.__name__[1:]: pass_context(function) for function in own}
    return table | {"e": table["escape"], "string": text, TICK: _tick, SIZED: _sized, PART: _part}


def _of_text(function: Filter) -> Filter:
    """A filter on the value's text. What it makes is at most its input and its numbers long."""

    @pass_context
    def paid(context: RenderContext, value: Any, *args: Any, **kwargs: Any) -> Any:
        _check_arguments(context, args, kwargs)
        return made(context, function(*_leading(function, context), text(context, value), *args, **kwargs))

    return paid


def _plain(function: Filter) -> Filter:
    """A filter that makes nothing larger than a number, or hands on what is there already."""

    @pass_context
    def paid(context: RenderContext, value: Any, *args: Any, **kwargs: Any) -> Any:
        _check_arguments(context, args, kwargs)
        context.budget.charge(len(value) + 1 if isinstance(value, str) else 1)
        return function(*_leading(function, context), value, *args, **kwargs)

    return paid


def _of_items(function: Filter) -> Filter:
    """A filter over a list; each item pays for the arguments it may be compared with."""

    @pass_context
    def paid(context: RenderContext, value: Any, *args: Any, **kwargs: Any) -> Any:
        budget = context.budget
        before = budget.left
        _check_arguments(context, args, kwargs)
        each = before - budget.left + 1
        if isinstance(value, list | tuple | dict | str):
            budget.charge(len(value) * each)
        budget.weigh(value)
        return made(context, function(*_leading(function, context), value, *args, **kwargs))

    return paid


def _leading(function: Filter, context: RenderContext) -> tuple[Any, ...]:
    """The argument that Jinja passes to this filter before the value."""
    wanted = getattr(function, "jinja_pass_arg", None)
    if wanted is None:
        return ()
    return ({"context": context, "eval_context": context.eval_ctx}.get(wanted.name, context.environment),)


def _check_arguments(context: RenderContext, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    for argument in (*args, *kwargs.values()):
        if isinstance(argument, int | float) and not abs(argument) <= MAX_ARGUMENT:
            raise OverBudget(f"a number given to a filter is at most {MAX_ARGUMENT}")
        context.budget.weigh(argument)


def _escape(context: RenderContext, value: Any) -> str:
    """`&`, `<`, `>` and quotes as character references, as in XML."""
    escaped = html.escape(text(context, value))
    context.budget.charge(len(escaped))
    return escaped


def _format(context: RenderContext, value: Any, *args: Any, **kwargs: Any) -> str:
    """Python's `%` formatting, with widths and precisions of at most three digits."""
    if args and kwargs:
        raise FilterArgumentError("format takes positional or named values, not both")
    template = text(context, value)
    if "%" in _CONVERSION.sub("", template):
        raise SecurityError(f"format does not know this in {template[:60]!r}")
    for match in _CONVERSION.finditer(template):
        for size in match.groups():
            if size is not None and (size == "*" or int(size) > MAX_FORMAT_WIDTH):
                raise SecurityError(f"format allows widths up to {MAX_FORMAT_WIDTH}, and no *")
        context.budget.charge(2 * MAX_FORMAT_WIDTH)
    for argument in (*args, *kwargs.values()):
        text(context, argument)
    formatted: str = template % (kwargs or args)
    context.budget.charge(len(formatted))
    return formatted


def _indent(context: RenderContext, value: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    """Indent all lines but the first (or that too), blank ones only if asked."""
    source = text(context, value)
    _check_arguments(context, (width,), {})
    step = len(width) if isinstance(width, str) else width
    context.budget.charge((len(source.splitlines()) + 1) * (step + 1) + len(source))
    indented: str = DEFAULT_FILTERS["indent"](source, width, first, blank)
    return indented


def _join(context: RenderContext, value: Any, d: Any = "", attribute: Any = None) -> str:
    """The texts of all items, with `d` between them."""
    if attribute is not None:
        value = _MAP(context, value, attribute=attribute)
    parts = [text(context, item) for item in value]
    between = text(context, d)
    context.budget.charge(len(parts) * (len(between) + 1))
    return between.join(parts)


def _replace(context: RenderContext, value: Any, old: Any, new: Any, count: int = -1) -> str:
    """Every `old` replaced by `new`, or the first `count`."""
    source, wanted, other = (text(context, part) for part in (value, old, new))
    context.budget.charge((source.count(wanted) + 1) * (len(other) + 1) + len(source))
    return source.replace(wanted, other, count)


def _round(context: RenderContext, value: Any, precision: int = 0, method: str = "common") -> float:
    """Round to `precision` digits (`common`, `ceil` or `floor`)."""
    context.budget.charge(1)
    if not isinstance(value, int | float) or abs(precision) > MAX_DIGITS:
        raise FilterArgumentError(f"round takes a number (this is {kind(value)}) and up to {MAX_DIGITS} digits")
    rounded: float = DEFAULT_FILTERS["round"](value, precision, method)
    return rounded


def _sum(context: RenderContext, value: Any, attribute: Any = None, start: float = 0) -> float:
    """The sum of numbers."""
    if attribute is not None:
        value = _MAP(context, value, attribute=attribute)
    context.budget.weigh(value)
    if not all(isinstance(item, int | float) for item in (start, *value)):
        raise FilterArgumentError("sum adds numbers only")
    return sum(value, start)


def _tojson(context: RenderContext, value: Any, indent: int | None = None) -> str:
    """JSON as it is: characters beyond ASCII stay, nothing is escaped for HTML."""
    _check_arguments(context, (indent,), {})
    context.budget.weigh(value)
    if indent:
        before = context.budget.left
        context.budget.weigh(value)
        context.budget.charge((before - context.budget.left) * indent)
    encoded = json.dumps(value, ensure_ascii=False, indent=indent)
    context.budget.charge(len(encoded))
    return encoded


def _trim(context: RenderContext, value: Any, chars: str | None = None) -> str:
    """Strip white space, or these characters, from both ends."""
    if chars is not None and len(chars) > MAX_STRIP:
        raise SecurityError(f"trim takes at most {MAX_STRIP} characters")
    return text(context, value).strip(chars)


@pass_context
def _tick(context: RenderContext, cost: int) -> bool:
    """Pay for one turn of a loop; true, so that it can stand in a condition."""
    context.budget.charge(cost)
    return True


@pass_context
def _sized(context: RenderContext, value: Any) -> Any:
    """Pay for a value that is made (a list) or looked at (a comparison)."""
    context.budget.weigh(value)
    return value


@pass_context
def _part(context: RenderContext, value: Any, start: Any, stop: Any, step: Any) -> Any:
    """`value[start:stop:step]`."""
    if not isinstance(value, str | list | tuple):
        raise FilterArgumentError(f"only texts and lists have parts; this is {kind(value)}")
    return made(context, value[start:stop:step])


_MAP = _of_items(DEFAULT_FILTERS["map"])
