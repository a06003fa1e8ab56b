"""What a change of a prompt will cost: pure arithmetic on tokens, prices and volume."""

from decimal import Decimal, InvalidOperation

import msgspec

from moat.domain.errors import RequestError
from moat.domain.usage import Usage


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """Mean tokens of one request."""

    input: int
    output: int | None
    """None when nothing says how long answers are."""
    cached: int = 0
    """Part of `input`, read from the provider's cache."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One version: its tokens and price."""

    prompt: str
    """`name@version`."""
    model: str
    tokens: Tokens
    cost: int | None
    """Picodollars for one request; None when price or length are not known."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A version against its baseline. Money is picodollars."""

    candidate: Side
    baseline: Side | None
    """None for a prompt that has no version before."""
    calls_per_month: int
    volume: str
    """`given`, `stated` in the prompt, `observed` in the last 30 days, or `assumed`."""
    evidence: str
    """Where the tokens come from, in words."""

    @property
    def increase(self) -> float | None:
        """Of the cost of one request: 0.1 is 10 % more; None when it is not known, or the baseline costs nothing."""
        if self.baseline is None or self.baseline.cost is None or self.candidate.cost is None:
            return None
        if self.baseline.cost == 0:
            return 0.0 if self.candidate.cost == 0 else None
        return self.candidate.cost / self.baseline.cost - 1

    @property
    def per_month(self) -> int | None:
        """Of the candidate."""
        return None if self.candidate.cost is None else self.candidate.cost * self.calls_per_month

    @property
    def more_per_month(self) -> int | None:
        """Than the baseline."""
        if self.baseline is None or self.baseline.cost is None or self.candidate.cost is None:
            return None
        return (self.candidate.cost - self.baseline.cost) * self.calls_per_month

    def within(self, percent: Decimal) -> bool | None:
        """Does one request cost at most so many percent more than at the baseline? None when that is not known."""
        old = self.baseline.cost if self.baseline is not None else None
        if old is None or self.candidate.cost is None:
            return None
        return self.candidate.cost * 100 <= old * (100 + percent)


def projected(online: Tokens, old: Tokens, new: Tokens) -> Tokens:
    """Production's tokens after a change from `old` to `new`, which were both counted on the same cases.

    What is added to a prompt is added to each call, however long the conversations of production are; answers grow in
    proportion. Where a bound of theirs is new, they are no longer than that; where it is gone, nobody knows.
    """
    input = max(0, online.input + new.input - old.input)
    output = online.output
    if output is not None and new.output is not None:
        output = output * new.output // old.output if old.output else min(output, new.output)
    elif old.output is not None:
        output = None
    return Tokens(input=input, output=output, cached=min(online.cached, input))


def usage_of(tokens: Tokens) -> Usage | None:
    """What is priced; None when the length of answers is not known."""
    if tokens.output is None:
        return None
    return Usage(input=tokens.input, output=tokens.output, cached=tokens.cached)


def percent(text: str, where: str = "--max-increase") -> Decimal:
    """`10%` or `10`. Raises `RequestError`; `where`: the option.

    >>> percent("10%"), percent("2.5")
    (Decimal('10'), Decimal('2.5'))
    """
    try:
        value = Decimal(text.strip().removesuffix("%").strip())
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value <= 1_000_000:
        raise RequestError(f"{text!r} is not a percentage", where=where, remedy="Write it as 10%.")
    return value
