"""The world a template runs in: JSON values, a closed list of filters, and a budget of work.

Jinja's own sandbox keeps templates from Python's insides but not from eating memory or time. Here every value
that a template makes is paid for by its expanded size (a text by its length, a container by all it holds,
shared parts counted each time), every turn of a loop by the length of its body. What can be large is paid for
before it is made. So memory and time are bounded by one number, and the outcome is the same on every machine.

The world is closed: a dict has its keys and a few methods, a text a few methods, `loop` its counters. No other
object has attributes, and nothing else can be called.
"""

import types
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS as DEFAULT_TESTS
from jinja2.utils import Namespace, pass_context

WORK = 4 * 2**20
"""Units of work for one rendering: about one for a character or value that is made or looked at."""
MAX_NUMBER_BITS = 4096
MAX_STRIP = 100
"""Characters `strip` takes: it costs the product of both lengths."""

METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        {
            "lower", "upper", "title", "capitalize", "strip", "lstrip", "rstrip", "split", "splitlines",
            "startswith", "endswith", "find", "count",
        }
    ),
    dict: frozenset({"items", "keys", "values", "get"}),
    LoopContext: frozenset({"cycle", "changed"}),
}  # fmt: skip
_LOOP = frozenset(
    {
        "index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem", "depth",
        "depth0",
    }
)  # fmt: skip


class OverBudget(jinja2.TemplateRuntimeError):
    """The template asked for more work than one rendering may take."""


class Budget:
    """Work left for one rendering."""

    __slots__ = ("left",)

    def __init__(self, work: int = WORK) -> None:
        self.left = work

    def charge(self, work: int) -> None:
        """Take off `work`; raises `OverBudget` when it is not there."""
        if work < 0:
            raise SecurityError("work cannot be negative")
        self.left -= work
        if self.left < 0:
            raise OverBudget("the template does too much: its loops or texts are too large")

    def weigh(self, value: Any) -> None:
        """Take off the expanded size of a value. Raises `SecurityError` for what is no value: a function, say."""
        if type(value) is str:
            self.charge(len(value) + 1)
            return
        if isinstance(value, Undefined):
            self.charge(1)
            return
        stack = [value]
        while stack:
            item = stack.pop()
            if isinstance(item, list | tuple):
                self.charge(len(item) + 1)
                stack.extend(item)
            elif isinstance(item, dict):
                self.charge(2 * len(item) + 1)
                stack.extend(item)
                stack.extend(item.values())
            elif isinstance(item, str):
                self.charge(len(item) + 1)
            elif isinstance(item, int):
                self.charge(item.bit_length() // 32 + 1)
            elif item is None or isinstance(item, float):
                self.charge(1)
            elif isinstance(item, Undefined):
                str(item)  # raises, and says what is not defined
            else:
                raise SecurityError(f"{kind(item)} is not a value; is it missing its ()?")


class RenderContext(Context):
    """Jinja's context with the budget of this rendering."""

    budget: Budget


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment all templates are compiled and run in."""

    context_class = RenderContext
    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])

    def __init__(self, filters: dict[str, Callable[..., Any]]) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,
            optimized=False,
            finalize=text,
            cache_size=0,
        )
        self.globals = {"range": numbers, "namespace": Namespace}
        self.filters = dict(filters)
        self.tests = {name: _paid_test(test) for name, test in DEFAULT_TESTS.items() if name != "callable"}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A key of a dict, a method from the closed list, a counter of `loop`; otherwise undefined."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, Undefined | Namespace):
            return super().getattr(obj, attribute)
        if attribute in METHODS.get(type(obj), ()) or (isinstance(obj, LoopContext) and attribute in _LOOP):
            return getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item of a dict, list or text; otherwise undefined. Never an attribute."""
        if isinstance(obj, Undefined):
            return super().getitem(obj, argument)
        if isinstance(obj, dict | list | tuple | str):
            try:
                return obj[argument]
            except (TypeError, LookupError):
                pass
        return self.undefined(obj=obj, name=argument)

    def call(self, context: RenderContext, obj: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Call `range`, `namespace` or a method from the closed list, and pay for what it makes."""
        budget = context.budget
        if obj is numbers:
            return numbers(budget, *args)
        for internal in ("_loop_vars", "_block_vars"):
            kwargs.pop(internal, None)
        budget.weigh([args, kwargs])
        if obj is Namespace:
            return Namespace(**kwargs)
        if isinstance(obj, Undefined):
            return obj()
        owner = getattr(obj, "__self__", None)
        name = getattr(obj, "__name__", "")
        if not isinstance(obj, types.MethodType | types.BuiltinMethodType) or name not in METHODS.get(type(owner), ()):
            raise SecurityError("only range(), namespace() and simple methods of texts and objects can be called")
        if name.endswith("strip") and args and len(str(args[0])) > MAX_STRIP:
            raise SecurityError(f"{name}() takes at most {MAX_STRIP} characters")
        if isinstance(owner, str):
            budget.charge(len(owner))
        return made(context, obj(*args, **kwargs))

    def call_binop(self, context: RenderContext, operator: str, left: Any, right: Any) -> Any:  # type: ignore[override]
        """Do arithmetic on numbers, and join or repeat texts and lists, after paying."""
        budget = context.budget
        if isinstance(left, int | float) and isinstance(right, int | float):
            budget.charge(1)
            _check_numbers(operator, left, right)
        elif operator == "*":
            thing, times = (left, right) if isinstance(right, int) else (right, left)
            if not isinstance(times, int) or not isinstance(thing, str | list | tuple):
                raise TypeError(f"cannot multiply {kind(left)} and {kind(right)}")
            before = budget.left
            budget.weigh(thing)
            budget.charge((before - budget.left) * max(0, times))
        elif operator == "+" and isinstance(left, str | list | tuple):
            budget.weigh(left)
            budget.weigh(right)
        elif isinstance(left, Undefined) or isinstance(right, Undefined):
            budget.charge(1)
        else:
            hint = "; use the filter `format`" if operator == "%" else ""
            raise TypeError(f"cannot use {operator} on {kind(left)} and {kind(right)}{hint}")
        return self.binop_table[operator](left, right)


def numbers(budget: Budget, *bounds: int) -> list[int]:
    """`range`, as a list, paid for."""
    span = range(*bounds)
    try:
        budget.charge(len(span) + 1)
    except OverflowError:
        raise OverBudget("range() is too large") from None
    return list(span)


@pass_context
def text(context: RenderContext, value: Any) -> str:
    """A value as the template prints it, paid for."""
    if type(value) is str:
        context.budget.charge(len(value) + 1)
        return value
    context.budget.weigh(value)
    return str(value)


def made(context: RenderContext, value: Any) -> Any:
    """A value that the template made, paid for; lazy ones become lists."""
    if isinstance(value, Iterable) and not isinstance(value, str | list | tuple | dict | Undefined):
        items = []
        for item in value:
            context.budget.weigh(item)
            items.append(item)
        return items
    context.budget.weigh(value)
    return value


def kind(value: Any) -> str:
    """What a value is, for messages."""
    names = {str: "a text", bool: "a boolean", int: "a number", float: "a number", dict: "an object"}
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return "a list"
    return names.get(type(value), f"a {type(value).__name__}")


def _check_numbers(operator: str, left: float, right: float) -> None:
    """Numbers stay small enough for arithmetic to be cheap."""
    bits = max(_bits(left), _bits(right))
    if operator == "**":
        bits = _bits(left) * max(1, int(abs(right))) if isinstance(left, int) else 0
    elif operator == "*":
        bits = _bits(left) + _bits(right)
    if bits > MAX_NUMBER_BITS:
        _too_large(operator)


def _bits(value: float) -> int:
    return value.bit_length() if isinstance(value, int) else 1


def _too_large(operator: str) -> NoReturn:
    raise OverBudget(f"numbers too large for {operator}")


def _paid_test(test: Any) -> Callable[..., bool]:
    """A test (`is defined`, `is in`, ...) that pays for the values it looks at."""

    @pass_context
    def paid(context: RenderContext, value: Any, *args: Any) -> bool:
        context.budget.weigh(value)
        context.budget.weigh(args)
        # `is filter` and `is test` ask Jinja for the environment first.
        first = () if getattr(test, "jinja_pass_arg", None) is None else (context.environment,)
        return bool(test(*first, value, *args))

    return paid
