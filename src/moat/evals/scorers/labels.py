"""Scorers of a class or a number."""

import math
import re
from typing import Any, Literal

from moat.domain.scores import Case
from moat.evals.answer import Answered, Broken, shown
from moat.evals.scorers.scorer import Comparison, Measured, NotRun, expected_of, scorer

NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*(?:[eE][-+]?\d{1,3})?")
MAX_TEXT = 100_000


@scorer("label")
class Label(Comparison, frozen=True):
    """1 when the label, at `path` or the whole answer, is the expected one (or one of the expected list).

    Case and surrounding space are ignored.
    """

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        wanted = expected_of(case, self.expected)
        got = answer.at(self.path)
        accepted = wanted if isinstance(wanted, list) else [wanted]
        if _label(got) in [_label(label) for label in accepted]:
            return 1, ""
        return 0, f"expected {shown(wanted)}, got {shown(got)}"


@scorer("number")
class Number(Comparison, frozen=True):
    """1 when the number, at `path` or in the text, is within a tolerance of the expected one.

    The tolerance is the larger of `absolute` and `relative` times the expected value.
    """

    absolute: float = 0.0
    relative: float = 1e-9
    pick: Literal["last", "first"] = "last"
    """Which number of a text counts."""
    decimal: Literal[".", ","] = "."
    """The mark before the decimals; the other one groups digits (`1,234.5`, with a comma `1.234,5`)."""

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if not (0 <= self.absolute < math.inf and 0 <= self.relative < math.inf):
            raise ValueError("tolerances are numbers from 0")

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        wanted = _number(expected_of(case, self.expected))
        if wanted is None:
            raise NotRun(f"{self.expected} of the case is not a number")
        got = _number(answer.at(self.path), self.pick, self.decimal)
        if got is None:
            raise Broken("the answer has no number")
        if math.isclose(got, wanted, rel_tol=0.0, abs_tol=max(self.absolute, self.relative * abs(wanted))):
            return 1, ""
        return 0, f"expected {wanted:g}, got {got:g}"


def _label(value: Any) -> Any:
    return value.strip().casefold() if isinstance(value, str) else (type(value) is bool, value)


def _number(value: Any, pick: str = "last", decimal: str = ".") -> float | None:
    """The value, or a number in a text: `1,234.5` and `12.` are understood, other marks are not."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    found = NUMBER.findall(value[-MAX_TEXT:]) if pick == "last" else NUMBER.findall(value[:MAX_TEXT])
    if not found:
        return None
    text: str = found[-1] if pick == "last" else found[0]
    try:
        return float(text.replace(",", "") if decimal == "." else text.replace(".", "").replace(",", "."))
    except ValueError:
        return None
