"""ROUGE: words and sequences of words that an answer shares with a reference (Lin 2004, "ROUGE: A Package for Automatic
Evaluation of Summaries"). Equal to the package `rouge-score`.
"""

import re
from collections import Counter
from typing import ClassVar, Literal, NamedTuple

from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.scorers.porter import stem
from moat.evals.scorers.scorer import Comparison, Measured, scorer
from moat.evals.scorers.sequences import common_length, common_places
from moat.evals.scorers.text import as_text, references_of

WORD = re.compile(r"[a-z0-9]+")
MAX_WORDS = 5000
"""Longer texts are cut: the work grows with the product of both lengths."""
MAX_LINES = 200
"""For the same reason, of texts whose lines are compared."""
STEMMED_LENGTH = 4
"""Shorter words are not stemmed."""

Variant = Literal["1", "2", "L", "Lsum"]


class Overlap(NamedTuple):
    """What a text has in common with a reference, each 0 to 1."""

    precision: float
    """The share of the answer that is in the reference."""
    recall: float
    """The share of the reference that is in the answer."""

    @property
    def f1(self) -> float:
        """Their harmonic mean."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def words_of(text: str, *, stemmed: bool = False) -> list[str]:
    """Runs of a-z and 0-9 in lower case, at most `MAX_WORDS`."""
    words = WORD.findall(text.lower())[:MAX_WORDS]
    return [stem(word) if len(word) >= STEMMED_LENGTH else word for word in words] if stemmed else words


def rouge_n(reference: list[str], answer: list[str], n: int) -> Overlap:
    """ROUGE-N: sequences of n words, counted as often as both have them."""
    wanted, got = _grams(reference, n), _grams(answer, n)
    hits = sum(min(count, got[gram]) for gram, count in wanted.items() if gram in got)
    return _overlap(hits, wanted.total(), got.total())


def rouge_l(reference: list[str], answer: list[str]) -> Overlap:
    """ROUGE-L: the longest common subsequence of words."""
    return _overlap(common_length(reference, answer), len(reference), len(answer))


def rouge_lsum(reference: list[list[str]], answer: list[list[str]]) -> Overlap:
    """ROUGE-L of summaries: each line of the reference against all lines of the answer together (union LCS)."""
    wanted = Counter(word for line in reference for word in line)
    got = Counter(word for line in answer for word in line)
    left, hits = wanted & got, 0
    for line in reference:
        places = set().union(*(common_places(line, other) for other in answer))
        for place in sorted(places):
            if left[line[place]] > 0:
                left[line[place]] -= 1
                hits += 1
    return _overlap(hits, wanted.total(), got.total())


def rouge(reference: str, answer: str, variant: Variant, *, stemmed: bool = False) -> Overlap:
    """One text against one reference."""
    match variant:
        case "L":
            return rouge_l(words_of(reference, stemmed=stemmed), words_of(answer, stemmed=stemmed))
        case "Lsum":
            return rouge_lsum(_lines(reference, stemmed), _lines(answer, stemmed))
        case _:
            wanted, got = words_of(reference, stemmed=stemmed), words_of(answer, stemmed=stemmed)
            return rouge_n(wanted, got, int(variant))


def _lines(text: str, stemmed: bool) -> list[list[str]]:
    left = MAX_WORDS
    lines: list[list[str]] = []
    for line in text.split("\n"):
        words = words_of(line, stemmed=stemmed)[:left]
        if words and len(lines) < MAX_LINES:
            lines.append(words)
            left -= len(words)
    return lines


def _grams(words: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


def _overlap(hits: int, wanted: int, got: int) -> Overlap:
    return Overlap(hits / got if got else 0.0, hits / wanted if wanted else 0.0)


class _Rouge(Comparison, frozen=True):
    """ROUGE of the answer, or the text at `path`, against the expected text; of a list the one with the best F1."""

    VARIANT: ClassVar[Variant]

    measured: Literal["f1", "precision", "recall"] = "f1"
    stem: bool = False
    """Compare English words without their endings (Porter's stemmer)."""

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        got = as_text(answer.at(self.path))
        references = references_of(case, self.expected)
        overlaps = [rouge(reference, got, self.VARIANT, stemmed=self.stem) for reference in references]
        best = max(overlaps, key=lambda overlap: overlap.f1, default=Overlap(0.0, 0.0))
        value: float = getattr(best, self.measured)
        reason = "" if value else "shares nothing with the reference"
        return min(1.0, value), reason, {"precision": best.precision, "recall": best.recall}


@scorer("rouge_1")
class Rouge1(_Rouge, frozen=True):
    """ROUGE-1: single words."""

    VARIANT = "1"


@scorer("rouge_2")
class Rouge2(_Rouge, frozen=True):
    """ROUGE-2: pairs of words."""

    VARIANT = "2"


@scorer("rouge_l")
class RougeL(_Rouge, frozen=True):
    """ROUGE-L: the longest common subsequence of words."""

    VARIANT = "L"


@scorer("rouge_lsum")
class RougeLsum(_Rouge, frozen=True):
    """ROUGE-Lsum: ROUGE-L of texts of several lines."""

    VARIANT = "Lsum"
