"""Regular expressions, in linear time."""

from functools import cached_property
from typing import Any

import jsonschema_rs

from moat.domain.scores import Case
from moat.evals.answer import Answered, shown
from moat.evals.scorers.scorer import Scorer, scorer
from moat.evals.scorers.text import as_text

LINEAR = jsonschema_rs.RegexOptions(size_limit=2**20)
"""Rust's `regex` engine: matching is linear in the text whatever the pattern, and patterns are bounded; so
no suite can hang a run (Python's `re` backtracks). It has no look-around and no back-references."""


@scorer("regex")
class Regex(Scorer, frozen=True):
    """1 when the pattern matches somewhere in the answer, or in the value at `path`; the reverse with `absent`."""

    pattern: str
    path: str = ""
    absent: bool = False

    def __post_init__(self) -> None:
        """Compile."""
        super().__post_init__()
        try:
            self._validator.is_valid("")
        except jsonschema_rs.ValidationError:
            raise ValueError(
                "not a regular expression, or one with look-around, back-references or too many repetitions, "
                "which cannot be matched in linear time"
            ) from None

    @cached_property
    def _validator(self) -> Any:
        return jsonschema_rs.Draft202012Validator({"pattern": self.pattern}, pattern_options=LINEAR)

    def measure(self, case: Case, answer: Answered) -> tuple[float, str]:
        """Search."""
        text = as_text(answer.at(self.path)).encode("utf-8", "replace").decode()
        if self._validator.is_valid(text) is not self.absent:
            return 1, ""
        return 0, f"{'matches' if self.absent else 'does not match'} {self.pattern!r}: {shown(text)}"
