"""What is wrong with a project's prompts, as lint reports it."""

import re
from typing import Literal

import msgspec

from moat.domain.errors import MoatError

Severity = Literal["error", "warning"]

_PLACE = re.compile(r"(?P<path>.*?)(?::(?P<line>\d+)(?::(?P<column>\d+))?)?", re.DOTALL)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. `path` is relative to the project root; line and column count from 1, 0 when unknown."""

    rule: str
    """Its stable name, such as `unused-variable`."""
    severity: Severity = "error"
    path: str
    line: int = 0
    column: int = 0
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """`path:line:column: severity: message [rule]. remedy`."""
        place = ":".join([self.path, *(str(number) for number in (self.line, self.column) if number)])
        remedy = f". {self.remedy}" if self.remedy else ""
        return f"{place}: {self.severity}: {self.message} [{self.rule}]{remedy}"


def from_error(rule: str, path: str, error: MoatError) -> Problem:
    """The finding behind an error whose `where` begins with a place, `file:line:column`."""
    match = _PLACE.fullmatch(error.where)
    line, column = (int(match[name] or 0) if match else 0 for name in ("line", "column"))
    return Problem(rule=rule, path=path, line=line, column=column, message=error.what, remedy=error.remedy)
