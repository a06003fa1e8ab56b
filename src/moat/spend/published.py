"""Published prices and sizes of models: the data inside the genai-prices package. No network.

The package takes 0.14 s to load, so it is imported when a price is asked for: projects that state all their prices
never need it.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from moat.domain.config import ModelPrice
from moat.domain.releases import digest
from moat.ports.models import Capacity
from moat.spend.prices import SECOND_NS, Period, Rates, Tariff, always, configured, per_token, to_picodollars
from moat.spend.surcharges import SEARCHES, TIERS, UNASKED, with_surcharges

PACKAGE = "genai-prices"

PUBLISHERS = {
    "anthropic": "anthropic",
    "gemini": "google",
    "vertex": "google",
    "azure": "azure",
    "bedrock": "aws",
    "moonshot": "moonshotai",
    "xai": "x-ai",
    **{name: name for name in ("cerebras", "cohere", "deepseek", "fireworks", "groq", "mistral", "openrouter")},
    **{name: name for name in ("perplexity", "together", "zai")},
}
"""Kind of provider, or preset of one, to the publisher of its prices, where the address does not tell it."""
LITELLM = "litellm"
"""The kind whose models say themselves where they are: `anthropic/claude-sonnet-4-5`; without a word, at OpenAI."""

GAPS: dict[tuple[str, str], ModelPrice] = {
    ("openai", "gpt-4o-audio-preview"): ModelPrice(input="2.5", output="10", audio_input="40", audio_output="80"),
    ("openai", "gpt-4o-mini-audio-preview"): ModelPrice(
        input="0.15", output="0.6", audio_input="10", audio_output="20"
    ),
    ("cohere", "rerank-v3.5"): ModelPrice(unit="0.002"),
    ("cohere", "rerank-english-v3.0"): ModelPrice(unit="0.002"),
    ("cohere", "rerank-multilingual-v3.0"): ModelPrice(unit="0.002"),
}
"""What the package has not, or not whole: https://platform.openai.com/docs/pricing (audio tokens of the previews) and
https://cohere.com/pricing (a search of rerank)."""

CLAUDE_HOUR = 2
"""Times the price of input that Anthropic takes for what is cached for an hour, where an entry leaves it out:
https://docs.claude.com/en/docs/build-with-claude/prompt-caching#pricing"""

_TOKENS = {
    "output": ("output_mtok", "output_text_mtok"),
    "cached": ("cache_read_mtok", "cache_text_read_mtok"),
    "cache_write": ("cache_write_mtok", "cache_write_5m_mtok"),
    "cache_write_long": ("cache_write_1h_mtok",),
    "audio_input": ("input_audio_mtok",),
    "audio_output": ("output_audio_mtok",),
    "cached_audio": ("cache_audio_read_mtok",),
    "image_input": ("input_image_mtok",),
    "image_output": ("output_image_mtok",),
    "cached_image": ("cache_image_read_mtok",),
    "video_input": ("input_video_mtok",),
    "video_output": ("output_video_mtok",),
    "reasoning": ("output_reasoning_mtok",),
}
_DEFAULTS = {
    "cached": "input",
    "cache_write": "input",
    "cache_write_long": "cache_write",
    "audio_input": "input",
    "audio_output": "output",
    "cached_audio": "cached",
    "image_input": "input",
    "image_output": "output",
    "cached_image": "cached",
    "video_input": "image_input",
    "video_output": "image_output",
    "reasoning": "output",
}
"""Which rate holds for a kind of token that has none of its own; a name stands after the one it needs."""
_PIECES = {
    "input_mchars": 10**6,
    "input_audio_hours": 3600,
    "audio_hours": 3600,
    "rerank_searches_kcount": 1000,
}
"""Prices of what is not billed by tokens, and for how many characters, seconds or searches."""

_REVISION = re.compile(r"-\d{3}$")
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def published(model: str, base_url: str, kind: str = "") -> Tariff | None:
    """The published rates of a model, at all times; None when none are known.

    The publisher is the one whose API stands at `base_url`, else the one that a `kind` of provider, or a preset of one,
    belongs to.
    """
    publisher, info = _find(model, base_url, kind)
    gap = GAPS.get((publisher, info.id if info is not None else model.lower()))
    if gap is not None:
        return always(configured(gap, PACKAGE))
    if info is None:
        return None
    prices = info.prices
    if isinstance(prices, list):
        periods = [_period(conditional, info) for conditional in prices]
    else:
        rates = _rates(prices, info)
        periods = [None if rates is None else Period(rates=rates)]
    # Where one of them cannot be read, the others would be taken for it.
    known = [period for period in periods if period is not None]
    if not known or len(known) < len(periods):
        return None
    return Tariff(
        tuple(
            msgspec.structs.replace(period, rates=with_surcharges(period.rates, publisher, info.id, model))
            for period in known
        )
    )


def published_capacity(model: str, base_url: str, kind: str = "") -> Capacity:
    """The published context window of a model, tokens; 0 where none is known, as no publisher states a longest answer.

    A window that prices reach beyond (a wider one on request, as some of Anthropic's models have) is no bound.
    """
    _, info = _find(model, base_url, kind)
    window = (info.context_window or 0) if info is not None else 0
    starts = [start for _, prices in _variants(info) for start, _ in _tiers(prices)] if window else []
    return Capacity(context=0 if any(start >= window for start in starts) else window)


def published_version() -> str:
    """Of the package's data, and of what Moat knows beyond it."""
    return f"{version(PACKAGE)}+{_BEYOND}"


_BEYOND = digest(repr((GAPS, CLAUDE_HOUR, TIERS, UNASKED, SEARCHES))).removeprefix("sha256:")[:6]


def is_publishable(base_url: str, kind: str) -> bool:
    """May prices be published for what answers there? Not where neither address nor kind tells a publisher, as with
    what is simulated.
    """
    return bool(base_url) or kind in PUBLISHERS or kind == LITELLM


@cache
def _find(model: str, base_url: str, kind: str) -> tuple[str, Any]:
    """Publisher's id and the entry of a model; empty and None when they are not known."""
    if not is_publishable(base_url, kind):
        return "", None
    from genai_prices import data_snapshot

    snapshot = data_snapshot.get_snapshot()
    publisher_of = PUBLISHERS.get(kind)
    if kind == LITELLM:
        where, slash, model = model.partition("/") if "/" in model else ("", "", model)
        publisher_of = PUBLISHERS.get(where, where) if slash else "openai"
    for name, url in ((None, base_url or None), (publisher_of, None)):
        if name is None and url is None:
            continue
        try:
            publisher = snapshot.find_provider(model.lower(), name, url)
        except LookupError:
            continue
        for spelling in _spellings(model, publisher.id):
            if (info := publisher.find_model(spelling, all_providers=snapshot.providers)) is not None:
                return publisher.id, info
        return publisher.id, None
    return "", None


def _spellings(model: str, publisher: str) -> Iterator[str]:
    """A model's name as it was written, then without what only an address says."""
    yield model
    if publisher == "google":
        short = model.rpartition("/")[2]
        yield short
        yield _REVISION.sub("", short)
    elif publisher == "openai":
        yield _DATE.sub("", model)


def _variants(info: Any) -> Iterator[tuple[Any, Any]]:
    prices = info.prices
    for entry in prices if isinstance(prices, list) else ():
        yield entry.constraint, entry.prices
    if not isinstance(prices, list):
        yield None, prices


def _period(conditional: Any, info: Any) -> Period | None:
    rates, constraint = _rates(conditional.prices, info), conditional.constraint
    if rates is None:
        return None
    if hasattr(constraint, "start_date"):
        day = constraint.start_date
        since = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return Period(rates=rates, since_ns=int(since.timestamp()) * SECOND_NS)
    if hasattr(constraint, "start_time"):
        return Period(rates=rates, from_s=_seconds(constraint.start_time), until_s=_seconds(constraint.end_time))
    return Period(rates=rates)


def _seconds(moment: Any) -> int:
    """Of the UTC day; the package's times are in UTC."""
    return int(moment.hour * 3600 + moment.minute * 60 + moment.second)


def _rates(prices: Any, info: Any) -> Rates | None:
    """None for prices of other things than `Usage` counts, and for an entry without any that is not said to be free."""
    pieces = next((_get(prices, name) / size for name, size in _PIECES.items() if _get(prices, name)), Decimal(0))
    each_request: Decimal = (_get(prices, "requests_kcount") or Decimal(0)) / 1000
    plain = _get(prices, "input_mtok")
    if plain is None and not pieces and not _free(prices, info):
        return None
    parts = {"input": Decimal(0) if plain is None else plain}
    for name, keys in _TOKENS.items():
        found = next((price for price in (_get(prices, key) for key in keys) if price is not None), None)
        default = _DEFAULTS.get(name)
        parts[name] = found if found is not None else parts[default] if default else Decimal(0)
    if "claude" in info.id and _get(prices, "cache_write_1h_mtok") is None and isinstance(plain, Decimal):
        parts["cache_write_long"] = plain * CLAUDE_HOUR
    search = _get(prices, "web_searches_kcount")
    other = {
        "unit": to_picodollars(pieces),
        "request": to_picodollars(each_request),
        "search": None if search is None else to_picodollars(search / 1000),
    }
    above = tuple((start, _flat(parts, start, other)) for start in sorted({start for start, _ in _tiers(prices)}))
    return msgspec.structs.replace(_flat(parts, 0, other), above=above)


def _get(prices: Any, name: str) -> Any:
    return prices.__dict__.get(name)


def _free(prices: Any, info: Any) -> bool:
    stated = any(value is not None for value in prices.__dict__.values())
    return not stated and (info.id.endswith(":free") or "free of charge" in (info.description or ""))


def _tiers(prices: Any) -> Iterator[tuple[int, Decimal]]:
    for part in prices.__dict__.values():
        for tier in getattr(part, "tiers", ()):
            yield tier.start, tier.price


def _flat(parts: Mapping[str, Any], tokens: int, other: Mapping[str, int | None]) -> Rates:
    return msgspec.convert({**{name: per_token(_at(part, tokens)) for name, part in parts.items()}, **other}, Rates)


def _at(part: Any, tokens: int) -> Decimal:
    """A possibly tiered price for an input of just over `tokens` tokens."""
    price: Decimal = getattr(part, "base", part)
    for tier in getattr(part, "tiers", ()):
        if tier.start <= tokens and tokens:
            price = tier.price
    return price
