"""Tokens and money."""

from decimal import Decimal

import msgspec

PICODOLLARS = 10**12
"""Money is an integer count of picodollars, so sums do not drift. 1 USD per million tokens is 1,000,000
picodollars per token: prices with up to six decimals per million are exact, finer ones are rounded once."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one attempt. Cached and cache-write tokens are part of `input`, reasoning part of `output`."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    estimated: bool = False
    """True when the provider sent no usage and the counts are our estimate. A zero it sent stays a zero."""

    @property
    def total(self) -> int:
        """Input plus output."""
        return self.input + self.output

    def __add__(self, other: "Usage") -> "Usage":
        """Sum of two attempts; estimated if either is."""
        return Usage(
            input=self.input + other.input,
            output=self.output + other.output,
            cached=self.cached + other.cached,
            cache_write=self.cache_write + other.cache_write,
            reasoning=self.reasoning + other.reasoning,
            estimated=self.estimated or other.estimated,
        )


def estimate_tokens(text: str) -> int:
    """Roughly how many tokens a text is: four characters each (OpenAI's rule of thumb), rounded up."""
    return -(-len(text) // 4)


def from_usd(amount: Decimal | str | int) -> int:
    """US dollars to picodollars, rounded half-even. Not for floats: 0.1 is not a tenth."""
    return int((Decimal(amount) * PICODOLLARS).to_integral_value())


def format_usd(picodollars: int) -> str:
    """Dollars for people: cents from a dollar up, more digits below, never a lost non-zero.

    >>> format_usd(12_340_000_000_000), format_usd(1_234_500_000), format_usd(0)
    ('$12.34', '$0.001234', '$0')
    """
    if picodollars == 0:
        return "$0"
    dollars = Decimal(picodollars) / PICODOLLARS
    if abs(dollars) >= 1:
        return f"${dollars:,.2f}"
    digits = max(2, 3 - dollars.adjusted())
    return f"${dollars:.{min(digits, 12)}f}"
