"""How long an answer is."""

import re
from collections.abc import Callable

from moat.domain.scores import Case
from moat.domain.usage import estimate_tokens
from moat.evals.answer import Answered, Broken
from moat.evals.scorers.scorer import Measured, Scorer, scorer

SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？]+|(?=\n[^\S\n]*\n)")
"""A mark that white space follows, a full-width mark, or an empty line."""
ABBREVIATION = re.compile(r"(?:^|[\s(])(?:[A-Za-z]|[A-Z]r?s|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|No|Inc|Ltd|approx)$")
PARAGRAPH = re.compile(r"\n\s*\n")


def count_sentences(text: str) -> int:
    """Sentences, roughly: what ends in a mark or before an empty line; initials and common English abbreviations end
    none.
    """
    count, start = 0, 0
    for end in SENTENCE_END.finditer(text):
        if end[0] == "." and ABBREVIATION.search(text, max(start, end.start() - 10), end.start()):
            continue
        count += any(map(str.isalnum, text[start : end.start()]))
        start = end.end()
    return count + any(map(str.isalnum, text[start:]))


COUNTERS: dict[str, Callable[[str], int]] = {
    "characters": len,
    "words": lambda text: len(text.split()),
    "sentences": count_sentences,
    "lines": lambda text: sum(1 for line in text.splitlines() if line.strip()),
    "paragraphs": lambda text: sum(1 for part in PARAGRAPH.split(text) if part.strip()),
    "tokens": estimate_tokens,
}


@scorer("length")
class Length(Scorer, frozen=True):
    """1 when the answer, or the text at `path`, has between `min` and `max` of `unit`."""

    min: int = 0
    max: int | None = None
    unit: str = "characters"
    """`characters`, `words` (separated by white space), `sentences` (see `count_sentences`), `lines` and `paragraphs`
    that are not empty, or `tokens` (an estimate: four characters each)."""
    path: str = ""

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if self.unit not in COUNTERS:
            raise ValueError(f"`unit` is one of {', '.join(COUNTERS)}")
        if self.min < 0 or (self.max is None and not self.min) or (self.max is not None and self.max < self.min):
            raise ValueError("give `min`, `max` or both, with 0 <= min <= max")

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Count."""
        text = answer.at(self.path)
        if not isinstance(text, str):
            raise Broken(f"the value at {self.path!r} is not text")
        count = COUNTERS[self.unit](text)
        if count < self.min:
            return 0, f"{count} {self.unit}, at least {self.min} wanted"
        if self.max is not None and count > self.max:
            return 0, f"{count} {self.unit}, at most {self.max} wanted"
        return 1, ""
