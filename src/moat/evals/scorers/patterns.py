"""Regular expressions, in linear time."""

import re
from functools import cached_property
from typing import Any, Literal

import jsonschema_rs

from moat.domain.scores import Case
from moat.evals.answer import Answered, Broken, shown
from moat.evals.scorers.duck import engine
from moat.evals.scorers.scorer import Measured, Scorer, check_expected, scorer
from moat.evals.scorers.text import as_text, references_of

LINEAR = jsonschema_rs.RegexOptions(size_limit=2**20)
"""Rust's `regex` engine: matching is linear in the text whatever the pattern, and patterns are bounded; so
no suite can hang a run (Python's `re` backtracks). It has no look-around and no back-references."""

_NOT_LINEAR = (
    "not a regular expression, or one with look-around, back-references or too many repetitions, which cannot be "
    "matched in linear time"
)


@scorer("regex")
class Regex(Scorer, frozen=True):
    """1 when the pattern matches in the answer, or in the value at `path`; the reverse with `absent`.

    With `expected`, what the capture group `group` caught in the first match must be what the case says there, or one
    of its list; white space around it aside.
    """

    pattern: str
    path: str = ""
    absent: bool = False
    match: Literal["search", "full"] = "search"
    """`full`: the whole text has to match, white space around it aside."""
    expected: str = ""
    group: int = 1

    def __post_init__(self) -> None:
        """Compile."""
        super().__post_init__()
        if self.expected:
            check_expected(self.expected)
            if self.absent:
                raise ValueError("what is `absent` catches nothing to compare: leave out `expected`")
            if self.group < 0 or self.group > 99:
                raise ValueError("`group` is 0 (the whole match) to 99")
        try:
            self._validator.is_valid("")
        except jsonschema_rs.ValidationError:
            raise ValueError(_NOT_LINEAR) from None
        if self.expected:
            if self.group > sum(1 for step in GROUP.finditer(self._whole) if step[1]):
                raise ValueError(f"the pattern has no group {self.group}: put parentheses around what is compared")
            _captured(self._whole, "", self.group)

    @cached_property
    def _whole(self) -> str:
        return rf"\A\s*(?:{self.pattern})\s*\z" if self.match == "full" else self.pattern

    @cached_property
    def _validator(self) -> Any:
        return jsonschema_rs.Draft202012Validator({"pattern": self._whole}, pattern_options=LINEAR)

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Search."""
        wanted = references_of(case, self.expected) if self.expected else []
        text = as_text(answer.at(self.path)).encode("utf-8", "replace").decode()
        if self._validator.is_valid(text) is self.absent:
            return 0, f"{'matches' if self.absent else 'does not match'} {self.pattern!r}: {shown(text)}"
        if not self.expected:
            return 1, ""
        got = _captured(self._whole, text, self.group)
        if got.strip() in [one.strip() for one in wanted]:
            return 1, ""
        return 0, f"expected {' or '.join(map(shown, wanted))} in {self.pattern!r}, got {shown(got)}"


GROUP = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|(\((?!\?)|\(\?P?<\w)", re.DOTALL)
"""A step through a pattern: what is escaped, a class of characters, or a parenthesis that catches."""


def _captured(pattern: str, text: str, group: int) -> str:
    """What a group caught in the first match, by RE2 as DuckDB carries it: the validator's engine tells whether, not
    what. Linear too; its classes of letters and digits know ASCII only. Raises `ValueError` for a pattern that RE2 does
    not take.
    """
    from duckdb import ColumnExpression, ConstantExpression, Error, FunctionExpression

    if "\0" in text:
        raise Broken("the answer holds a character NUL")
    try:
        column = ColumnExpression("col0")
        caught = FunctionExpression("regexp_extract", column, ConstantExpression(pattern), ConstantExpression(group))
        rows = engine().values([text]).select(caught).fetchall()
    except Error as error:
        raise ValueError(f"nothing can be caught: {str(error).splitlines()[0]}") from None
    return str(rows[0][0])
