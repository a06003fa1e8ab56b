"""What an expression of the filter language means, in plain Python: the measure for what a store answers."""

import re
from collections.abc import Iterator, Sequence
from operator import eq, ge, gt, le, lt
from typing import Any

import msgspec

from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.telemetry.query_terms import And, Expression, Not, Or, Test, Words, number_of

_COMPARE = {"=": eq, "<": lt, "<=": le, ">": gt, ">=": ge}


def matches(expression: Expression, call: Span, said: Sequence[Feedback] = ()) -> bool:
    """Does a call fulfil it? `said` are the opinions of this call."""
    if isinstance(expression, And):
        return all(matches(part, call, said) for part in expression.parts)
    if isinstance(expression, Or):
        return any(matches(part, call, said) for part in expression.parts)
    if isinstance(expression, Not):
        return not matches(expression.part, call, said)
    if isinstance(expression, Words):
        needle = needle_of(expression.text)
        return any(needle in fold(_text(content)) for content in (call.input, call.output) if content is not None)
    return _test(expression, call, said)


def fold(text: str) -> str:
    """Each character in lower case by itself, as stores do it: no character becomes two.

    >>> fold("ÄİΣ")
    'äiσ'
    """
    return "".join(char.lower()[0] for char in text)


def needle_of(text: str) -> str:
    """How a text looks inside stored JSON, in lower case."""
    return fold(_text(text)[1:-1])


def pattern_of(text: str) -> str:
    r"""What `~` looks for, as a pattern of SQL's LIKE with `\` for escapes: anywhere, unless it has `*` or `?`.

    >>> pattern_of("gpt-4*"), pattern_of("50%")
    ('gpt-4%', '%50\\%%')
    """
    wild = "*" in text or "?" in text
    body = re.sub(r"[\\%_]", r"\\\g<0>", fold(text)).replace("*", "%").replace("?", "_")
    return body if wild else f"%{body}%"


def _text(content: Any) -> str:
    return msgspec.json.encode(content).decode()


def _test(test: Test, call: Span, said: Sequence[Feedback]) -> bool:
    found = list(_found(test, call, said))
    if not test.values:
        return any(found) if test.field.kind == "flag" else bool(found)
    return any(_holds(test, one, value) for one in found for value in test.values)


def _found(test: Test, call: Span, said: Sequence[Feedback]) -> Iterator[Any]:
    """What the call has in this field; nothing when it is not known."""
    field = test.field
    if field.kind == "score":
        yield from (one.value for one in said if field.key in ("", one.name) and one.value is not None)
    elif field.kind == "attribute":
        if (value := call.attributes.get(field.key)) is not None:
            yield value if isinstance(value, str) else _text(value)
    elif field.kind == "list" and test.operator == "=":
        yield from getattr(call, field.columns[0]).split(",")
    else:
        values = [getattr(call, column) for column in field.columns]
        if None not in values:
            yield values[0] if len(values) == 1 else sum(values)


def _holds(test: Test, found: Any, value: Any) -> bool:
    if test.operator == "~":
        return _like(pattern_of(value), fold(found))
    if test.field.kind == "attribute":
        number, wanted = number_of(found), number_of(value)
        numeric = number is not None and wanted is not None and _COMPARE[test.operator](number, wanted)
        return numeric or (test.operator == "=" and found == value)
    return bool(_COMPARE[test.operator](found, value))


def _like(pattern: str, text: str) -> bool:
    parts = re.findall(r"\\(.)|([%_])|(.)", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    regex = "".join(wild[special] if special else re.escape(escaped or plain) for escaped, special, plain in parts)
    return re.fullmatch(regex, text, re.DOTALL) is not None
