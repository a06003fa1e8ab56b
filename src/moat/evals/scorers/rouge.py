"""ROUGE-L: the longest common subsequence of words (Lin 2004, "ROUGE: A Package for Automatic Evaluation of
Summaries").
"""

import re

from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.scorers.scorer import Comparison, expected_of, scorer
from moat.evals.scorers.text import as_text

WORD = re.compile(r"[a-z0-9]+")
MAX_WORDS = 5000
"""Longer texts are cut: the work grows with the product of both lengths."""


def rouge_l(reference: str, answer: str) -> float:
    """F1 of precision and recall of the longest common subsequence, 0 to 1.

    Words are runs of a-z and 0-9 in lower case, not stemmed, as in the package `rouge-score`.
    """
    wanted = WORD.findall(reference.lower())[:MAX_WORDS]
    got = WORD.findall(answer.lower())[:MAX_WORDS]
    common = _common(wanted, got)
    return 2 * common / (len(wanted) + len(got)) if common else 0.0


def _common(first: list[str], second: list[str]) -> int:
    """Length of the longest common subsequence, bit-parallel (Hyyrö 2004): one big integer holds a row."""
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & full
    return len(first) - row.bit_count()


@scorer("rouge_l")
class RougeL(Comparison, frozen=True):
    """ROUGE-L F1 of the answer, or the text at `path`, against the expected text; the best of a list."""

    def measure(self, case: Case, answer: Answered) -> tuple[float, str]:
        """Compare."""
        wanted = expected_of(case, self.expected)
        got = as_text(answer.at(self.path))
        references = wanted if isinstance(wanted, list) else [wanted]
        return max((rouge_l(as_text(reference), got) for reference in references), default=0.0), ""
