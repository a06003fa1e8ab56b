"""Did the target find the right documents? Measures of a ranking (Manning, Raghavan, Schütze 2008, chapter 8; nDCG:
Järvelin and Kekäläinen 2002, with linear gains as in `trec_eval`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from moat.domain.scores import Case
from moat.evals.answer import Answered, Broken, shown
from moat.evals.scorers.scorer import Comparison, Measured, NotRun, expected_of, scorer
from moat.evals.scorers.text import as_text

MAX_DOCUMENTS = 1000
"""Of a ranking; what follows is not looked at."""

Grades = Sequence[float]
"""How relevant the documents of a ranking are, best rank first; 0 for those that are not, and for repetitions."""


def ndcg(found: Grades, ideal: Grades) -> float:
    """Gain of the ranking, discounted by the logarithm of the rank, over that of the best one."""
    best = _discounted(ideal)
    return _discounted(found) / best if best else 0.0


def reciprocal_rank(found: Grades) -> float:
    """One over the rank of the first relevant document; 0 without one."""
    return next((1 / rank for rank, grade in enumerate(found, 1) if grade > 0), 0.0)


def average_precision(found: Grades, relevant: int) -> float:
    """Mean over the relevant documents of the precision at their rank; those not found have 0."""
    hits, total = 0, 0.0
    for rank, grade in enumerate(found, 1):
        if grade > 0:
            hits += 1
            total += hits / rank
    return total / relevant if relevant else 0.0


def _discounted(grades: Grades) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))


@scorer("retrieval")
class Retrieval(Comparison, frozen=True):
    """How good the ranking of documents is that the target says it answered from, or that stands at `path`.

    The case lists the relevant ones at `expected`: names or texts, or an object of grades (`{"doc-1": 3, "doc-2": 1}`,
    0 is not relevant). A document is the same when its text is, white space aside; with `match: contains`, when the
    listed text is in it. A document found again counts for nothing at its second rank.
    """

    metric: Literal["ndcg", "mrr", "recall", "precision", "hit", "map"] = "ndcg"
    k: int = 10
    """Ranks that count; 0: all. `precision` divides by it, even when fewer documents were found."""
    match: Literal["exact", "contains"] = "exact"

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if not 0 <= self.k <= MAX_DOCUMENTS:
            raise ValueError(f"`k` is a number from 0 to {MAX_DOCUMENTS}")

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Rank and count."""
        wanted = _grades(expected_of(case, self.expected), self.expected)
        ranking = self._ranking(answer)
        depth = self.k or max(len(ranking), 1)
        left = dict(wanted)
        found = [self._grade(document, left) for document in ranking[:depth]]
        ideal = sorted((grade for grade in wanted.values() if grade > 0), reverse=True)
        hits = sum(grade > 0 for grade in found)
        missing = [document for document, grade in left.items() if grade > 0]
        values: dict[str, Callable[[], float]] = {
            "ndcg": lambda: ndcg(found, ideal[:depth]),
            "mrr": lambda: reciprocal_rank(found),
            "recall": lambda: 1 - len(missing) / len(ideal),
            "precision": lambda: hits / depth,
            "hit": lambda: float(hits > 0),
            "map": lambda: average_precision(found, len(ideal)),
        }
        reason = f"not found: {', '.join(shown(document[:80]) for document in missing[:5])}" if missing else ""
        return min(1.0, values[self.metric]()), reason, {"grades": found, "relevant": len(ideal)}

    def _ranking(self, answer: Answered) -> list[str]:
        if not self.path:
            return [_plain(document) for document in answer.context[:MAX_DOCUMENTS]]
        documents = answer.at(self.path)
        if not isinstance(documents, list):
            raise Broken(f"the value at {self.path!r} is no list of documents")
        return [_plain(as_text(document)) for document in documents[:MAX_DOCUMENTS]]

    def _grade(self, document: str, left: dict[str, float]) -> float:
        """The grade of a document; it is taken out of those that are left to find."""
        if self.match == "exact":
            return left.pop(document, 0.0)
        inside = [wanted for wanted in left if wanted in document]
        return max((left.pop(wanted) for wanted in inside), default=0.0)


def _grades(value: Any, path: str) -> dict[str, float]:
    listed: Mapping[Any, Any]
    if isinstance(value, dict):
        listed = value
    else:
        listed = dict.fromkeys(map(as_text, value if isinstance(value, list) else [value]), 1.0)
    grades: dict[str, float] = {}
    for document, grade in listed.items():
        if isinstance(grade, bool) or not isinstance(grade, int | float) or not 0 <= grade < math.inf:
            raise NotRun(f"{path} of the case grades {document!r} with {shown(grade)}, which is no number from 0")
        grades[_plain(document)] = float(grade)
    if not any(grades.values()):
        raise NotRun(f"{path} of the case names no relevant document")
    return grades


def _plain(text: str) -> str:
    return " ".join(text.split())
