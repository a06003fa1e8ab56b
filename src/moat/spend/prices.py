"""What tokens cost: published prices (genai-prices, shipped as data) and overrides from moat.yaml."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from moat.domain.calls import Deployment
from moat.domain.config import ModelPrice
from moat.domain.errors import ConfigError
from moat.domain.usage import PICODOLLARS, Usage

MILLION = 10**6
DECIMALS = 6
"""Of a price per million tokens: the last one is a picodollar per token."""
HIGHEST = MILLION
"""Dollars per million tokens that are no mistake yet; costs stay within 64 bits."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Picodollars per token. `above` holds dearer rates for long inputs as (input tokens, rates), ascending."""

    input: int
    output: int
    cached: int
    cache_write: int
    above: tuple[tuple[int, "Rates"], ...] = ()

    def cost(self, usage: Usage) -> int:
        """Picodollars for these tokens, exact. One long input makes all its tokens dearer, as providers bill."""
        rates = self
        for start, dearer in self.above:
            if usage.input > start:
                rates = dearer
        plain = max(0, usage.input - usage.cached - usage.cache_write)
        return (
            plain * rates.input
            + usage.cached * rates.cached
            + usage.cache_write * rates.cache_write
            + usage.output * rates.output
        )


class PriceTable:
    """Rates of every deployment that `moat.yaml` names, looked up once. Implements `moat.ports.prices.Prices`."""

    def __init__(self, rates: Mapping[tuple[str, Deployment], Rates | None], version: str = "") -> None:
        self._rates = rates
        self.version = version

    def cost(self, deployment: Deployment, alias: str, usage: Usage) -> int | None:
        """Picodollars, None when there is no price for the model."""
        rates = self._rates.get((alias, deployment))
        return None if rates is None else rates.cost(usage)


def configured(price: ModelPrice, where: str) -> Rates:
    """Rates from moat.yaml. Raises `ConfigError` for an amount that is negative, absurd or finer than picodollars."""

    def rate(amount: str, field: str) -> int:
        try:
            value = Decimal(amount)
        except InvalidOperation:
            value = Decimal(-1)
        if not value.is_finite() or not 0 <= value <= HIGHEST or value != round(value, DECIMALS):
            raise ConfigError(
                f"{amount!r} is not an amount of US dollars",
                where=f"{where}.{field}",
                remedy=f'Write dollars per million tokens as text, such as "0.15": {DECIMALS} decimals at most.',
            )
        return _per_token(value)

    plain = rate(price.input, "input")
    return Rates(
        input=plain,
        output=rate(price.output, "output"),
        cached=plain if price.cached is None else rate(price.cached, "cached"),
        cache_write=plain if price.cache_write is None else rate(price.cache_write, "cache_write"),
    )


def published(model: str, base_url: str) -> Rates | None:
    """The published rates of a model at the provider with this API address; None when none are known.

    The table is data inside the genai-prices package: no network.
    """
    # Imported here: the table takes 0.14 s to load, and projects that state all their prices never need it.
    from datetime import UTC, datetime

    from genai_prices import data_snapshot

    try:
        _, info = data_snapshot.get_snapshot().find_provider_model(model, None, None, base_url)
    except LookupError:
        return None
    return _from_table(info.get_prices(datetime.now(UTC)))


def _from_table(prices: Any) -> Rates | None:
    plain = getattr(prices, "input_mtok", None)
    if plain is None:
        return None
    parts = {
        "input": plain,
        "output": _part(prices, "output_mtok", Decimal(0)),
        "cached": _part(prices, "cache_read_mtok", plain),
        "cache_write": _part(prices, "cache_write_mtok", plain),
    }
    starts = sorted({tier.start for part in parts.values() for tier in getattr(part, "tiers", ())})
    return _rates(parts, 0, tuple((start, _rates(parts, start)) for start in starts))


def _part(prices: Any, name: str, default: Any) -> Any:
    found = getattr(prices, name, None)
    return default if found is None else found


def _rates(parts: Mapping[str, Any], tokens: int, above: tuple[tuple[int, Rates], ...] = ()) -> Rates:
    return Rates(
        input=_per_token(_at(parts["input"], tokens)),
        output=_per_token(_at(parts["output"], tokens)),
        cached=_per_token(_at(parts["cached"], tokens)),
        cache_write=_per_token(_at(parts["cache_write"], tokens)),
        above=above,
    )


def _at(part: Any, tokens: int) -> Decimal:
    """A possibly tiered price for an input of just over `tokens` tokens."""
    price: Decimal = getattr(part, "base", part)
    for tier in getattr(part, "tiers", ()):
        if tier.start <= tokens and tokens:
            price = tier.price
    return price


def _per_token(usd_per_million: Decimal) -> int:
    exact = usd_per_million * PICODOLLARS / MILLION
    return int(exact.to_integral_value())
