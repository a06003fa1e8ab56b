"""Scorers that look for text."""

from typing import Any

import msgspec

from moat.domain.scores import Case
from moat.evals.answer import Answered, Broken, shown
from moat.evals.scorers.scorer import Comparison, Scorer, check_expected, expected_of, same_json, scorer


def as_text(value: Any) -> str:
    """A string as it is, other JSON as it is written (compact)."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


@scorer("equals")
class Equals(Comparison, frozen=True):
    """1 when the answer, or the value at `path`, is what the case expects; surrounding space is ignored."""

    ignore_case: bool = False

    def measure(self, case: Case, answer: Answered) -> tuple[float, str]:
        """Compare."""
        wanted = expected_of(case, self.expected)
        got = answer.at(self.path)
        if not self.path and not isinstance(wanted, str):
            got = answer.json
        if same_json(self._plain(got), self._plain(wanted)):
            return 1, ""
        return 0, f"expected {shown(wanted)}, got {shown(got)}"

    def _plain(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return value.strip().casefold() if self.ignore_case else value.strip()


class _Phrases(Scorer, frozen=True):
    """Phrases from the suite (`values`) or from the case (`expected`: a text or a list)."""

    expected: str = ""
    values: tuple[str, ...] = ()
    path: str = ""
    ignore_case: bool = True

    def __post_init__(self) -> None:
        """Exactly one source of phrases."""
        super().__post_init__()
        if bool(self.values) == bool(self.expected):
            raise ValueError("give either `values` or `expected`")
        if self.expected:
            check_expected(self.expected)
        if "" in self.values:
            raise ValueError("an empty phrase is in every text")

    def found(self, case: Case, answer: Answered) -> tuple[list[str], list[str]]:
        """The phrases that are in the answer, and those that are not."""
        phrases: Any = self.values or expected_of(case, self.expected)
        phrases = [as_text(phrase) for phrase in (phrases if isinstance(phrases, list | tuple) else [phrases])]
        text = self._plain(as_text(answer.at(self.path)))
        present = [phrase for phrase in phrases if self._plain(phrase) in text]
        return present, [phrase for phrase in phrases if phrase not in present]

    def _plain(self, text: str) -> str:
        return text.casefold() if self.ignore_case else text


@scorer("contains")
class Contains(_Phrases, frozen=True):
    """1 when all phrases are in the answer."""

    def measure(self, case: Case, answer: Answered) -> tuple[float, str]:
        """Look for each."""
        _, missing = self.found(case, answer)
        return (0, f"missing: {', '.join(map(repr, missing))}") if missing else (1, "")


@scorer("not_contains")
class NotContains(_Phrases, frozen=True):
    """1 when none of the phrases is in the answer."""

    def measure(self, case: Case, answer: Answered) -> tuple[float, str]:
        """Look for each."""
        present, _ = self.found(case, answer)
        return (0, f"must not say: {', '.join(map(repr, present))}") if present else (1, "")


@scorer("length")
class Length(Scorer, frozen=True):
    """1 when the answer, or the text at `path`, has between `min` and `max` of `unit`."""

    min: int = 0
    max: int | None = None
    unit: str = "characters"
    """`characters` or `words` (separated by white space)."""
    path: str = ""

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if self.unit not in ("characters", "words"):
            raise ValueError("`unit` is `characters` or `words`")
        if self.min < 0 or (self.max is None and not self.min) or (self.max is not None and self.max < self.min):
            raise ValueError("give `min`, `max` or both, with 0 <= min <= max")

    def measure(self, case: Case, answer: Answered) -> tuple[float, str]:
        """Count."""
        text = answer.at(self.path)
        if not isinstance(text, str):
            raise Broken(f"the value at {self.path!r} is not text")
        count = len(text.split()) if self.unit == "words" else len(text)
        if count < self.min:
            return 0, f"{count} {self.unit}, at least {self.min} wanted"
        if self.max is not None and count > self.max:
            return 0, f"{count} {self.unit}, at most {self.max} wanted"
        return 1, ""
