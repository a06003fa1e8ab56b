"""Limits on time and money of one answer."""

from decimal import Decimal, InvalidOperation
from functools import cached_property

from moat.domain.scores import Case
from moat.domain.usage import format_usd, from_usd
from moat.evals.answer import Answered
from moat.evals.scorers.scorer import NotRun, Scorer, scorer


@scorer("latency")
class Latency(Scorer, frozen=True):
    """1 when the answer was complete within `max_ms` milliseconds."""

    max_ms: float

    def measure(self, case: Case, answer: Answered) -> tuple[float, str]:
        """Compare."""
        taken = answer.latency_ns / 1e6
        return (1, "") if taken <= self.max_ms else (0, f"took {taken:.0f} ms, at most {self.max_ms:g} wanted")


@scorer("cost")
class Cost(Scorer, frozen=True):
    """1 when the answer cost at most `max_usd` dollars, written as text (`"0.002"`) so that it stays exact."""

    max_usd: str

    def __post_init__(self) -> None:
        """Check the amount."""
        super().__post_init__()
        try:
            _ = self._limit
        except (InvalidOperation, OverflowError, ValueError):
            raise ValueError("`max_usd` is an amount such as '0.002'") from None

    @cached_property
    def _limit(self) -> int:
        return from_usd(Decimal(self.max_usd))

    def measure(self, case: Case, answer: Answered) -> tuple[float, str]:
        """Compare."""
        if answer.cost is None:
            raise NotRun("the cost is unknown: the model has no price")
        if answer.cost <= self._limit:
            return 1, ""
        return 0, f"cost {format_usd(answer.cost)}, at most {format_usd(self._limit)} wanted"
