"""Tokens and money."""

from decimal import Decimal

import msgspec

PICODOLLARS = 10**12
"""Money is an integer count of picodollars, so sums do not drift. 1 USD per million tokens is 1,000,000
picodollars per token: prices with up to six decimals per million are exact, finer ones are rounded once."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt used, of every kind that has a price of its own.

    Parts are counted in their whole too: `cached`, `cache_write` and `audio_input` are part of `input`, `reasoning`
    and `audio_output` of `output`, `cache_write_long` of `cache_write`, `cached_audio` of `cached` and of
    `audio_input`.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_long: int = 0
    """Written to a cache that is kept for an hour instead of minutes (Anthropic)."""
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    cached_audio: int = 0
    units: int = 0
    """What is billed by the piece: images, searches of a rerank, characters spoken, seconds heard."""
    estimated: bool = False
    """True when the provider sent no usage and the counts are our estimate. A zero it sent stays a zero."""

    @property
    def total(self) -> int:
        """Input plus output."""
        return self.input + self.output

    def __add__(self, other: "Usage") -> "Usage":
        """Sum of two attempts; estimated if either is."""
        counts = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        return Usage(**counts, estimated=self.estimated or other.estimated)


COUNTS = tuple(name for name in Usage.__struct_fields__ if name != "estimated")
"""The fields that are counts."""


def estimate_tokens(text: str) -> int:
    """Roughly how many tokens a text is: four characters each (OpenAI's rule of thumb), rounded up."""
    return -(-len(text) // 4)


def from_usd(amount: Decimal | str | int) -> int:
    """US dollars to picodollars, rounded half-even. Not for floats: 0.1 is not a tenth."""
    return int((Decimal(amount) * PICODOLLARS).to_integral_value())


def exact_usd(picodollars: int) -> str:
    """US dollars as a plain decimal, for programs.

    >>> exact_usd(1_234_500_000), exact_usd(2 * PICODOLLARS), exact_usd(0)
    ('0.0012345', '2', '0')
    """
    return format((Decimal(picodollars) / PICODOLLARS).normalize(), "f")


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
