"""How long an answer is."""

from moat.domain.scores import Case
from moat.evals.answer import Answered, Broken
from moat.evals.scorers.scorer import Measured, Scorer, scorer
from moat.guards.prose import COUNTERS


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
