"""How many characters must be changed."""

from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.scorers.scorer import Comparison, Measured, scorer
from moat.evals.scorers.sequences import edit_distance
from moat.evals.scorers.text import as_text, references_of

MAX_CHARACTERS = 10_000
"""Longer texts are cut: the work grows with the product of both lengths."""


@scorer("levenshtein")
class Levenshtein(Comparison, frozen=True):
    """1 minus the edit distance over the length of the longer text; the best of a list.

    The distance is the least number of characters to insert, delete or replace. With `max_distance` the score is 1 when
    it is not larger, else 0.
    """

    ignore_case: bool = False
    max_distance: int | None = None

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if self.max_distance is not None and self.max_distance < 0:
            raise ValueError("`max_distance` cannot be negative")

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        got = self._plain(as_text(answer.at(self.path)))
        best, nearest = 0.0, MAX_CHARACTERS
        for reference in references_of(case, self.expected):
            wanted = self._plain(reference)
            distance = edit_distance(wanted, got)
            best = max(best, 1 - distance / (max(len(wanted), len(got)) or 1))
            nearest = min(nearest, distance)
        if self.max_distance is not None:
            best = float(nearest <= self.max_distance)
        reason = "" if best == 1 else f"{nearest} characters differ"
        return best, reason, {"distance": nearest}

    def _plain(self, text: str) -> str:
        text = text.strip()[:MAX_CHARACTERS]
        return text.casefold() if self.ignore_case else text
