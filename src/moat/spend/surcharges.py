"""What providers publish beyond the plain price of tokens, and genai-prices has not: service tiers and some searches.

A tier is a multiple of the ordinary price of every token, so that it follows when that changes; what is billed by the
piece costs the same at each. Sources, read in November 2026:

- OpenAI: https://openai.com/api-fast-mode, https://developers.openai.com/api/docs/guides/flex-processing,
  .../ultrafast-mode and https://developers.openai.com/api/docs/pricing
- Anthropic: https://platform.claude.com/docs/en/build-with-claude/fast-mode, and for `inference_geo`
  .../about-claude/pricing
- Google: https://ai.google.dev/gemini-api/docs/priority-inference, .../flex-inference
- Bedrock: https://aws.amazon.com/bedrock/service-tiers; Groq: https://console.groq.com/docs/flex-processing
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from moat.domain.usage import AS_ASKED
from moat.spend.prices import Rates, dearest, to_picodollars

_HALF = Fraction(1, 2)

TIERS: dict[str, tuple[tuple[str, str, Fraction], ...]] = {
    "openai": (
        ("flex", r"", _HALF),
        ("ultrafast", r"gpt-6-astra|gpt-6\.1-sol", Fraction(6)),
        ("priority", r"gpt-4o-mini", Fraction(5, 3)),
        ("priority", r"gpt-4o", Fraction(17, 10)),
        ("priority", r"gpt-4o-2024-05-13|gpt-4\.1|gpt-4\.1-mini|o3", Fraction(7, 4)),
        ("priority", r"gpt-4\.1-nano", Fraction(2)),
        ("priority", r"o4-mini", Fraction(20, 11)),
        ("priority", r"gpt-5-mini", Fraction(9, 5)),
        ("priority", r"gpt-5(\.[1234](-codex)?)?|gpt-5\.4-mini|gpt-5\.6-\w+|gpt-6(\.\d)?-\w+", Fraction(2)),
        ("priority", r"gpt-5\.5", Fraction(5, 2)),
    ),
    "anthropic": (
        ("fast", r"claude-opus-4-[67]", Fraction(6)),
        ("fast", r"claude-opus-(4-8|5|5-5)|claude-fable-5-2", Fraction(2)),
        ("us", r"", Fraction(11, 10)),
    ),
    "google": (("flex", r"gemini-.*", _HALF), ("priority", r"gemini-.*", Fraction(9, 5))),
    "aws": (("flex", r"", _HALF), ("priority", r"", Fraction(7, 4))),
    "groq": (("flex", r"", Fraction(1)),),
}
"""By publisher: tier, the models that have it (a whole name; empty: all), and times what it costs."""

UNASKED = {"openai": ("priority",), "anthropic": ("us",)}
"""Tiers that a setting of the project, or of the workspace, may give to calls that ask for none."""

JOINED = "us"
"""Anthropic's place of inference is dearer at any speed."""

SEARCHES: tuple[tuple[str, str, Decimal], ...] = (
    ("openai", r"gpt-4o(-mini)?-search-preview.*", Decimal("0.025")),
    ("openai", r"gpt-5-search-api.*", Decimal("0.01")),
    ("x-ai", r".*", Decimal("0.025")),
)
"""Publisher, models, and dollars for a search (of xAI for a source)."""


def with_surcharges(rates: Rates, publisher: str, entry: str, model: str) -> Rates:
    """Rates of a published entry, with what its publisher takes beyond it. `model` is the name as it was written."""
    for who, names, usd in SEARCHES:
        if who == publisher and re.fullmatch(names, model.lower()):
            rates = _searching(rates, to_picodollars(usd))
    if rates.search is None and rates.request:
        rates = _searching(rates, 0)  # it is in the price of the request
    multiples: dict[str, Fraction] = {}
    for tier, names, times in TIERS.get(publisher, ()):
        if not names or re.fullmatch(names, entry):
            multiples[tier] = times
    if JOINED in multiples:
        others = [(tier, times) for tier, times in multiples.items() if tier != JOINED]
        multiples |= {f"{tier}+{JOINED}": times * multiples[JOINED] for tier, times in others}
    tiers = {tier: _times(rates, multiple) for tier, multiple in multiples.items()}
    return replace(rates, tiers=tiers | _as_asked(rates, tiers, UNASKED.get(publisher, ())))


def _as_asked(ordinary: Rates, tiers: dict[str, Rates], unasked: Sequence[str]) -> dict[str, Rates]:
    """The dearest that may answer, by what was asked for."""
    may = [tiers[tier] for tier in unasked if tier in tiers]
    found = {AS_ASKED: dearest([ordinary, *may])} if may else {}
    joined = {tier.removesuffix(JOINED): rates for tier, rates in tiers.items() if tier.endswith(f"+{JOINED}")}
    return found | {begun + AS_ASKED: rates for begun, rates in joined.items()}


def _searching(rates: Rates, picodollars: int) -> Rates:
    above = tuple((start, replace(dearer, search=picodollars)) for start, dearer in rates.above)
    return replace(rates, search=picodollars, above=above)


def _times(rates: Rates, multiple: Fraction) -> Rates:
    """Every token's price, rounded half-even to a picodollar; pieces cost what they did."""
    pieces = ("unit", "request", "search", "run", "above", "tiers")
    tokens = {name: round(getattr(rates, name) * multiple) for name in Rates.__struct_fields__ if name not in pieces}
    above = tuple((start, _times(dearer, multiple)) for start, dearer in rates.above)
    return replace(rates, above=above, **tokens)
