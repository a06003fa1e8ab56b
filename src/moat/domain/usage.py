"""Tokens, what else providers bill, and money."""

from decimal import Decimal

import msgspec

PICODOLLARS = 10**12
"""Money is an integer count of picodollars, so sums do not drift. 1 USD per million tokens is 1,000,000
picodollars per token: prices with up to six decimals per million are exact, finer ones are rounded once."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt used, of every kind that has a price of its own.

    Parts are counted in their whole too: `cached`, `cache_write` and what ends in `_input` are part of `input`,
    `reasoning` and what ends in `_output` of `output`, `cache_write_long` of `cache_write`, `cached_audio` of `cached`
    and of `audio_input`, `cached_image` of `cached` and of `image_input`.
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
    image_input: int = 0
    image_output: int = 0
    cached_image: int = 0
    video_input: int = 0
    video_output: int = 0
    units: int = 0
    """What is billed by the piece: images, searches of a rerank, characters spoken, seconds heard."""
    searches: int = 0
    """Searches of the web that the provider made for the answer, as it bills them."""
    runs: int = 0
    """Runs of a provider's other tools that it bills by the piece: code, searches of stored files."""
    tier: str = ""
    """Level of service, where it has prices of its own: see `tier_of`. Empty: the ordinary one."""
    estimated: bool = False
    """True when the provider sent no usage and the counts are our estimate. A zero it sent stays a zero."""

    @property
    def total(self) -> int:
        """Input plus output."""
        return self.input + self.output

    def __add__(self, other: "Usage") -> "Usage":
        """Sum of two attempts; estimated if either is."""
        counts = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        return Usage(**counts, tier=self.tier or other.tier, estimated=self.estimated or other.estimated)


COUNTS = tuple(name for name in Usage.__struct_fields__ if name not in ("tier", "estimated"))
"""The fields that are counts."""
PIECES = ("units", "searches", "runs")
"""Those that count no tokens."""

AS_ASKED = "auto"
"""Ends a tier that was asked for and not answered yet: the provider may take a dearer one."""

_ORDINARY = frozenset({"", "auto", "default", "standard", "on_demand", "batch", "unspecified", "none", "null"})
"""What providers call the tier that their plain prices are for. A batch has its own way to its price."""


def tier_of(*said: object) -> str:
    """What a provider calls its level of service, in Moat's terms: lower case, several joined by `+`, and nothing for
    the ordinary one.

    >>> tier_of("default"), tier_of("PRIORITY"), tier_of("fast", None, "us")
    ('', 'priority', 'fast+us')
    """
    named = (text.strip().lower()[:64] for text in said if isinstance(text, str))
    return "+".join(name for name in named if name not in _ORDINARY)


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
    whole, rest = divmod(abs(picodollars), PICODOLLARS)
    amount = f"{whole}.{rest:012}".rstrip("0").removesuffix(".")
    return f"-{amount}" if picodollars < 0 else amount


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
