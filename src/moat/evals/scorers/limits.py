"""Limits on time, money and tokens of one answer, and how it ended."""

from decimal import Decimal, InvalidOperation
from functools import cached_property

from moat.domain.scores import Case
from moat.domain.usage import format_usd, from_usd
from moat.evals.answer import Answered
from moat.evals.scorers.scorer import Measured, NotRun, Scorer, scorer


@scorer("latency")
class Latency(Scorer, frozen=True):
    """1 when the answer was complete within `max_ms` milliseconds, and began within `max_first_token_ms`."""

    max_ms: float | None = None
    max_first_token_ms: float | None = None

    def __post_init__(self) -> None:
        """At least one limit."""
        super().__post_init__()
        limits = [limit for limit in (self.max_ms, self.max_first_token_ms) if limit is not None]
        if not limits or min(limits) <= 0:
            raise ValueError("give `max_ms`, `max_first_token_ms` or both, above 0")

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        if self.max_first_token_ms is not None:
            if not answer.first_token_ns:
                raise NotRun("when the answer began is not known")
            first = answer.first_token_ns / 1e6
            if first > self.max_first_token_ms:
                return 0, f"began after {first:.0f} ms, at most {self.max_first_token_ms:g} wanted"
        taken = answer.latency_ns / 1e6
        if self.max_ms is None or taken <= self.max_ms:
            return 1, ""
        return 0, f"took {taken:.0f} ms, at most {self.max_ms:g} wanted"


@scorer("cost")
class Cost(Scorer, frozen=True):
    """1 when the answer cost at most `max_usd` dollars, written as text (`"0.002"`) so that it stays exact."""

    max_usd: str

    def __post_init__(self) -> None:
        """Check the amount."""
        super().__post_init__()
        try:
            limit = self._limit
        except (InvalidOperation, OverflowError, ValueError):
            raise ValueError("`max_usd` is an amount such as '0.002'") from None
        if limit < 0:
            raise ValueError("`max_usd` cannot be negative")

    @cached_property
    def _limit(self) -> int:
        return from_usd(Decimal(self.max_usd))

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        if answer.cost is None:
            raise NotRun("the cost is unknown: the model has no price")
        if answer.cost <= self._limit:
            return 1, ""
        return 0, f"cost {format_usd(answer.cost)}, at most {format_usd(self._limit)} wanted"


@scorer("tokens")
class Tokens(Scorer, frozen=True):
    """1 when question and answer have at most so many tokens, as the provider counts them."""

    max_input: int | None = None
    max_output: int | None = None
    max_total: int | None = None

    def __post_init__(self) -> None:
        """At least one limit."""
        super().__post_init__()
        limits = [limit for limit in (self.max_input, self.max_output, self.max_total) if limit is not None]
        if not limits or min(limits) < 0:
            raise ValueError("give `max_input`, `max_output`, `max_total` or several, from 0")

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        if not answer.input_tokens and not answer.output_tokens:
            raise NotRun("the target counts no tokens")
        counts = {
            "input": (answer.input_tokens, self.max_input),
            "output": (answer.output_tokens, self.max_output),
            "total": (answer.input_tokens + answer.output_tokens, self.max_total),
        }
        over = [
            f"{count} {what} tokens, at most {limit} wanted"
            for what, (count, limit) in counts.items()
            if limit is not None and count > limit
        ]
        return (0, "; ".join(over)) if over else (1, "")


@scorer("finish_reason")
class FinishReason(Scorer, frozen=True):
    """1 when the answer ended for one of the `reasons`: `stop`, `length` (cut off), `tool_calls`, `content_filter`."""

    reasons: tuple[str, ...] = ("stop", "tool_calls")

    def __post_init__(self) -> None:
        """At least one."""
        super().__post_init__()
        if not self.reasons:
            raise ValueError("`reasons` is empty")

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        if not answer.finish_reason:
            raise NotRun("why the answer ended is not known")
        if answer.finish_reason in self.reasons:
            return 1, ""
        return 0, f"ended with {answer.finish_reason!r}, not {' or '.join(self.reasons)}"
