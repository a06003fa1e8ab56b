"""The filter language: `tenant = acme and latency > 2s and not model ~ "gpt-4*"`.

    expression   = all { "or" all }
    all          = one { ["and"] one }
    one          = "not" one | "(" expression ")" | test | flag | words
    test         = field ( "=" | ":" | "!=" | "~" | "!~" | "<" | "<=" | ">" | ">=" ) value
                 | field ["not"] "in" "(" value { "," value } ")"
                 | ( "since" | "until" ) ["="] value
    flag         = "error" | "failed" | "shadow" | "stream" | ... ; "score.NAME" | "attributes.KEY"
    words        = any other word, or a text in quotes: looked for in what was sent and answered

`moat.telemetry.query_terms` has the fields, kinds and units, `moat.telemetry.query_matching` what an expression means.
"""

import re
import time
from difflib import get_close_matches
from typing import get_args

from moat.domain.errors import RequestError
from moat.telemetry.query_terms import (
    ANY,
    FIELDS,
    FLAGS,
    KINDS,
    MATCHED,
    ORDERED,
    TIMEOUT,
    TIMEOUTS,
    And,
    Expression,
    Field,
    Not,
    Operator,
    Or,
    Test,
    Unfit,
    Words,
    value_of,
)

MAX_LENGTH = 4096
MAX_DEPTH = 50
MAX_TERMS = 200

_SPACE = re.compile(r"\s*")
_COMPARES = re.compile(r":|[=~<>!]+")
"""What stands where an operator would."""
_OPERATORS: dict[str, Operator] = {sign: sign for sign in get_args(Operator)} | {":": "=", "==": "="}
_WORD = re.compile(r"[^\s()<>=!~,:\"]+")
_VALUE = re.compile(r"[^\s(),\"]+")
_QUOTED = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'""", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_AMONG = re.compile(r"(?i)(?:not\s+)?in\s*(?=\()")
_KEYWORDS = frozenset({"and", "or", "not", "in"})
_SIGNS = {"&&": "and", "&": "and", "||": "or", "|": "or"}
"""As other languages write it."""
_BOUNDS: dict[str, Operator] = {"since": ">=", "until": "<"}


def parse(text: str, now_ns: int | None = None) -> Expression:
    """The tree of an expression; nothing but space is `And()`, which every call fulfils.

    `now_ns` is what `time > 2h` counts back from: the present, unless it is given. Raises `RequestError` that shows the
    place.
    """
    if len(text) > MAX_LENGTH:
        raise RequestError(f"a filter has at most {MAX_LENGTH} characters, this one {len(text)}", where="q")
    return _Parser(text, time.time_ns() if now_ns is None else now_ns).whole()


class _Parser:
    """Recursive descent; `_at` is the place of the next character."""

    def __init__(self, text: str, now_ns: int) -> None:
        self._text = text
        self._now_ns = now_ns
        self._at = 0
        self._depth = 0
        self._terms = 0

    def whole(self) -> Expression:
        self._skip()
        if self._at == len(self._text):
            return And()
        found = self._any()
        if self._at < len(self._text):
            raise self._wrong("nothing was opened that this closes", self._at, "Remove it, or put the text in quotes.")
        return found

    def _any(self) -> Expression:
        parts = [self._all()]
        while self._keyword("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Expression:
        parts = [self._one()]
        while self._keyword("and") or (self._peek() not in ("", ")") and not self._is("or")):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong(f"nested deeper than {MAX_DEPTH} levels", self._at, "Make several filters of it.")
        try:
            if self._keyword("not"):
                return Not(self._one())
            if self._peek() == "(":
                return self._group()
            return self._term()
        finally:
            self._depth -= 1

    def _group(self) -> Expression:
        opened = self._at
        self._move(opened + 1)
        found = self._any()
        if self._peek() != ")":
            raise self._wrong("this is not closed", opened, "Add a `)`.")
        self._move(self._at + 1)
        return found

    def _term(self) -> Expression:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._wrong(f"more than {MAX_TERMS} conditions", self._at, "Use `field in (a, b)`.")
        start = self._at
        if (quoted := self._quoted()) is not None:
            return self._words(quoted, start)
        word = _WORD.match(self._text, self._at)
        if word is None or word[0] in _KEYWORDS:
            raise self._wrong("a condition is missing here", start, "Write one as `tenant = acme`, or text in quotes.")
        self._move(word.end())
        name = word[0]
        if name in _BOUNDS:
            self._operator()
            return self._compared(FIELDS["time"], _BOUNDS[name])
        place = self._at
        if operator := self._operator():
            return self._compared(self._field(name, start), operator, place)
        if _AMONG.match(self._text, self._at):
            return self._among(self._field(name, start))
        return self._alone(name, start)

    def _alone(self, name: str, start: int) -> Expression:
        """A word without an operator."""
        if name in FLAGS:
            return Test(Field(name, "flag", (FLAGS[name],)), "=")
        if name.startswith(("score.", "attributes.")):
            return Test(self._field(name, start), "=")
        if name in _SIGNS:
            raise self._wrong(f"{name} joins nothing here", start, f"Write `{_SIGNS[name]}`.", len(name))
        if name in FIELDS:
            remedy = f'Compare it, as in `{name} = ...`, or write "{name}" in quotes to look for the word.'
            raise self._wrong(f"{name} is a field, and nothing is said of it", start, remedy, len(name))
        return self._words(name, start)

    def _words(self, text: str, start: int) -> Expression:
        if not text.strip():
            raise self._wrong("there is nothing to look for", start, "Put a text into the quotes.")
        return Words(text)

    def _field(self, name: str, start: int) -> Field:
        if name in FIELDS:
            return FIELDS[name]
        kind, _, key = name.partition(".")
        if kind == "score" and (key or name == kind):
            return Field(name, "score", key=key)
        if kind in ("attributes", "attribute") and key:
            return Field(name, "attribute", key=key)
        known = (*FIELDS, "score.feedback", "attributes.KEY", "since", "until")
        close = get_close_matches(name.lower(), known, n=1)
        told = f"Did you mean `{close[0]}`? " if close else ""
        raise self._wrong(
            f"there is no field {name!r}", start, f"{told}There are: {', '.join(sorted(known))}.", len(name)
        )

    def _compared(self, field: Field, operator: Operator, place: int | None = None) -> Expression:
        if operator in ("<", "<=", ">", ">=") and field.kind not in ORDERED:
            raise self._wrong(f"{field.name} is a text: it is not more or less", place, "Use `=` or `~`.")
        if operator in ("~", "!~") and field.kind not in MATCHED:
            raise self._wrong(f"{field.name} is a number: it is not like a text", place, "Use `=`, `<` or `>`.")
        values = self._value(field)
        if operator == "!=":
            return Not(Test(field, "=", values))
        if operator == "!~":
            return Not(Test(field, "~", values))
        return Test(field, operator, values)

    def _among(self, field: Field) -> Expression:
        negated = self._keyword("not")
        self._keyword("in")
        opened = self._at
        values: list[str | int | float] = []
        while self._peek() in ("(", ","):
            self._move(self._at + 1)
            values += self._value(field)
            if len(values) > MAX_TERMS:
                raise self._wrong(f"more than {MAX_TERMS} values", self._at, "Ask for fewer at once.")
        if self._peek() != ")":
            raise self._wrong("this is not closed", opened, "Put commas between the values and add a `)`.")
        self._move(self._at + 1)
        test = Test(field, "=", tuple(values))
        return Not(test) if negated else test

    def _value(self, field: Field) -> tuple[str | int | float, ...]:
        """What stands here, in the field's unit; `timeout` stands for all errors of its kind, `any` for all kinds."""
        start = self._at
        text = self._quoted()
        if text is None:
            word = _VALUE.match(self._text, start)
            if word is None:
                raise self._wrong(f"a value for {field.name} is missing here", start, "")
            text = word[0]
            self._move(word.end())
        if field.columns == ("error",) and text == TIMEOUT:
            return TIMEOUTS
        if field.columns == ("kind",) and text == ANY:
            return KINDS
        try:
            return (value_of(field, text, self._now_ns),)
        except Unfit as unfit:
            length = max(1, len(self._text[start : self._at].rstrip()))
            raise self._wrong(f"{text!r} is no value of {field.name}", start, f"Note: {unfit}.", length) from None

    def _quoted(self) -> str | None:
        if self._peek() not in ('"', "'"):
            return None
        found = _QUOTED.match(self._text, self._at)
        if found is None:
            raise self._wrong("this quote is not closed", self._at, "Close it, or write it as part of a quoted text.")
        self._move(found.end())
        return _ESCAPED.sub(r"\1", found[1] if found[1] is not None else found[2])

    def _operator(self) -> Operator | None:
        found = _COMPARES.match(self._text, self._at)
        if found is None:
            return None
        if found[0] not in _OPERATORS:
            remedy = f"There are: {', '.join(dict.fromkeys(_OPERATORS.values()))}."
            raise self._wrong(f"{found[0]!r} is no operator", self._at, remedy, len(found[0]))
        self._move(found.end())
        return _OPERATORS[found[0]]

    def _is(self, keyword: str) -> bool:
        """Does this word stand here, as a keyword?"""
        found = _WORD.match(self._text, self._at)
        return found is not None and found[0].lower() == keyword

    def _keyword(self, keyword: str) -> bool:
        """Take this word, when it stands here."""
        if not self._is(keyword):
            return False
        self._move(self._at + len(keyword))
        return True

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _move(self, to: int) -> None:
        self._at = to
        self._skip()

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at

    def _wrong(self, what: str, place: int | None, remedy: str, length: int = 1) -> RequestError:
        """The expression on one line, and carets below the place."""
        at = self._at if place is None else place
        shown = "".join(char if char.isprintable() else " " for char in self._text)
        first = max(0, at - 60)
        line = shown[first : first + 120]
        return RequestError(f"{what}\n  {line}\n  {' ' * (at - first)}{'^' * length}", where="q", remedy=remedy)
