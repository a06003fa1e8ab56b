"""What tokens and other pieces cost: rates, when they hold, and the table of them all. Integers only."""

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from operator import attrgetter

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Deployment
from moat.domain.config import ModelPrice
from moat.domain.errors import ConfigError
from moat.domain.usage import AS_ASKED, COUNTS, PICODOLLARS, Usage, tier_of

MILLION = 10**6
DECIMALS = 6
"""Of a price per million tokens: the last one is a picodollar per token."""
PIECE_DECIMALS = 12
"""Of a price for one piece: the last one is a picodollar."""
HIGHEST = MILLION
"""Dollars per million tokens that are no mistake yet; costs stay within 64 bits."""
HIGHEST_PIECE = 1000
"""The same for one image, second or request."""
SECOND_NS = 10**9
DAY_SECONDS = 86_400

_special = attrgetter(*(name for name in COUNTS if name not in ("input", "output")))
"""What most answers have none of."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Picodollars per token, of every kind of `Usage`; `unit` for one piece of what is not billed by tokens, `request`
    for each request, `search` and `run` for what a provider's own tools do: None where that is not known. `above` holds
    dearer rates for long inputs as (input tokens, rates), ascending, and `tiers` those of other levels of service.
    """

    input: int
    output: int
    cached: int
    cache_write: int
    cache_write_long: int
    audio_input: int
    audio_output: int
    cached_audio: int
    image_input: int
    image_output: int
    cached_image: int
    video_input: int
    video_output: int
    reasoning: int
    unit: int = 0
    request: int = 0
    search: int | None = None
    run: int | None = None
    above: tuple[tuple[int, "Rates"], ...] = ()
    tiers: Mapping[str, "Rates"] = {}

    def at_tier(self, tier: str) -> "Rates | None":
        """The rates of a level of service; None when they are not known.

        Of one that was only asked for (`AS_ASKED`) they are those of the dearest that may answer. Where no levels are
        known at all, the provider is taken to have none.
        """
        if not tier:
            return self
        found = self.tiers.get(tier)
        if found is not None or not tier.endswith(AS_ASKED):
            return found
        return self.at_tier(tier.removesuffix(AS_ASKED).removesuffix("+")) if self.tiers else self

    def cost(self, usage: Usage) -> int:
        """Picodollars for one request that used this, exact, at these rates whatever its tier. One long input makes all
        its tokens dearer, as providers bill. What used nothing (it never reached a model) costs nothing.
        """
        if not (usage.input or usage.output or usage.units or usage.searches or usage.runs):
            return 0
        return self._at(usage.input)._sum(usage) + self.request

    def total(self, usage: Usage, requests: int) -> int:
        """Picodollars for so many requests that used this together; whether inputs are long is judged by their mean."""
        return self._at(usage.input // max(1, requests))._sum(usage) + self.request * requests

    def cover(self, usage: Usage) -> bool:
        """Is what was used priced at all? Tokens of a model billed by the piece, pieces of one billed by tokens, and
        what tools did that have no price here, are not free: what they cost is not known.
        """
        if (usage.searches and self.search is None) or (usage.runs and self.run is None):
            return False
        tokens, pieces = bool(self.input or self.output), bool(self.unit)
        if not tokens and not pieces:
            return True
        return not (usage.total and not usage.units and not tokens) and not (
            usage.units and not usage.total and not pieces
        )

    def _at(self, tokens: int) -> "Rates":
        rates = self
        for start, dearer in self.above:
            if tokens > start:
                rates = dearer
        return rates

    def _sum(self, usage: Usage) -> int:
        """Each token once: parts are taken out of their whole. Where a provider counts parts of the input that are
        more than all of it, it has billed them.
        """
        if not any(_special(usage)):
            return usage.input * self.input + usage.output * self.output
        return (
            self._read(usage)
            + self._written(usage)
            + usage.units * self.unit
            + usage.searches * (self.search or 0)
            + usage.runs * (self.run or 0)
        )

    def _read(self, usage: Usage) -> int:
        heard = min(usage.cached_audio, usage.cached)
        seen = min(usage.cached_image, usage.cached - heard)
        audio, image, video = max(0, usage.audio_input - heard), max(0, usage.image_input - seen), usage.video_input
        kept = usage.cached + usage.cache_write
        whole = max(usage.input, kept, heard + audio + seen + image + video)
        # Not everybody says what was in the cache: so many pieces of films, pictures and sound have to have been.
        both = max(0, kept + audio + image + video - whole)
        filmed = min(both, video)
        shown = min(both - filmed, image)
        played = both - filmed - shown
        seen += min(shown, usage.cached - heard - seen)
        heard += min(played, usage.cached - heard - seen)
        long = min(usage.cache_write_long, usage.cache_write)
        return (
            (whole - kept - (audio + image + video - both)) * self.input
            + (usage.cached - heard - seen) * self.cached
            + heard * self.cached_audio
            + seen * self.cached_image
            + (usage.cache_write - long) * self.cache_write
            + long * self.cache_write_long
            + (audio - played) * self.audio_input
            + (image - shown) * self.image_input
            + (video - filmed) * self.video_input
        )

    def _written(self, usage: Usage) -> int:
        spoken = min(usage.audio_output, usage.output)
        filmed = min(usage.video_output, usage.output - spoken)
        drawn = min(usage.image_output, usage.output - spoken - filmed)
        thought = min(usage.reasoning, usage.output - spoken - drawn - filmed)
        return (
            (usage.output - spoken - drawn - filmed - thought) * self.output
            + spoken * self.audio_output
            + drawn * self.image_output
            + filmed * self.video_output
            + thought * self.reasoning
        )


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """When rates hold: from a moment on, and within a part of the UTC day."""

    rates: Rates
    since_ns: int = 0
    """Unix time."""
    from_s: int = 0
    until_s: int = DAY_SECONDS
    """Seconds of the day, exclusive. Before `from_s`: over midnight."""

    def holds(self, at_ns: int) -> bool:
        """At this Unix time?"""
        second = at_ns // SECOND_NS % DAY_SECONDS
        if self.until_s < self.from_s:
            return at_ns >= self.since_ns and (second >= self.from_s or second < self.until_s)
        return at_ns >= self.since_ns and self.from_s <= second < self.until_s


class Tariff(msgspec.Struct, frozen=True):
    """A model's rates over time: of the periods that hold the last counts, and the first where none does."""

    periods: tuple[Period, ...]

    def at(self, at_ns: int) -> Rates:
        """The rates at a Unix time; 0: now."""
        if len(self.periods) > 1:
            moment = at_ns or time.time_ns()
            for period in reversed(self.periods):
                if period.holds(moment):
                    return period.rates
        return self.periods[0].rates


class PriceTable:
    """The tariff of every deployment, looked up once. Implements `moat.ports.prices.Prices`."""

    def __init__(self, tariffs: Mapping[tuple[str, Deployment], Tariff | None], version: str = "") -> None:
        """By alias and deployment."""
        self._tariffs = tariffs
        self.version = version

    def cost(self, deployment: Deployment, alias: str, usage: Usage, at_ns: int = 0) -> int | None:
        """Picodollars, None when there is no price for what was used."""
        ordinary = self.rates(deployment, alias, at_ns)
        rates = None if ordinary is None else ordinary.at_tier(usage.tier)
        return rates.cost(usage) if rates is not None and rates.cover(usage) else None

    def draws(self, deployment: Deployment, alias: str) -> bool:
        """Are tokens of pictures or films dearer than those of words in its answers?"""
        rates = self.rates(deployment, alias)
        return rates is not None and max(rates.image_output, rates.video_output) > rates.output

    def rates(self, deployment: Deployment, alias: str, at_ns: int = 0) -> Rates | None:
        """What holds at a Unix time (0: now), at the ordinary tier; None when there is no price."""
        tariff = self._tariffs.get((alias, deployment))
        return None if tariff is None else tariff.at(at_ns)


def always(rates: Rates) -> Tariff:
    """Rates that never change."""
    return Tariff((Period(rates=rates),))


def dearest(every: Sequence[Rates]) -> Rates:
    """Rates that no bill at any of these passes: of each kind the highest, for long inputs too."""
    starts = sorted({start for rates in every for start, _ in rates.above})
    above = tuple((start, _highest([rates._at(start + 1) for rates in every])) for start in starts)
    return replace(_highest(every), above=above)


_AMOUNTS = tuple(name for name in Rates.__struct_fields__ if name not in ("above", "tiers"))


def _highest(every: Sequence[Rates]) -> Rates:
    known = {name: [amount for rates in every if (amount := getattr(rates, name)) is not None] for name in _AMOUNTS}
    return Rates(**{name: max(amounts) for name, amounts in known.items() if amounts})


def configured(price: ModelPrice, where: str) -> Rates:
    """Rates from moat.yaml. Raises `ConfigError` for an amount that is negative, absurd or finer than picodollars, and
    for a tier that is none.
    """
    ordinary = _stated(price, where)
    tiers = {}
    for name, special in price.tiers.items():
        if tier_of(name) != name or special.tiers:
            raise ConfigError(
                f"{name!r} is no tier with a price of its own" if tier_of(name) != name else "a tier has no tiers",
                where=f"{where}.tiers.{name}",
                remedy="Name tiers as answers do, such as flex or priority; the ordinary price stands above them.",
            )
        tiers[name] = _stated(special, f"{where}.tiers.{name}", ordinary)
    if tiers:
        tiers[AS_ASKED] = dearest([ordinary, *tiers.values()])
    return replace(ordinary, tiers=tiers)


def _stated(price: ModelPrice, where: str, ordinary: Rates | None = None) -> Rates:
    """`ordinary` says what pieces cost that have no price here; a token's price stands for itself."""

    def rate(field: str, default: int = 0) -> int:
        amount: str | None = getattr(price, field)
        return default if amount is None else per_token(_amount(amount, f"{where}.{field}", HIGHEST, DECIMALS))

    def piece(field: str) -> int | None:
        amount: str | None = getattr(price, field)
        if amount is None:
            known: int | None = getattr(ordinary, field, None)
            return known
        return to_picodollars(_amount(amount, f"{where}.{field}", HIGHEST_PIECE, PIECE_DECIMALS))

    plain, output = rate("input"), rate("output")
    cached = rate("cached", plain)
    written = rate("cache_write", plain)
    pictured, drawn = rate("image_input", plain), rate("image_output", output)
    return Rates(
        input=plain,
        output=output,
        cached=cached,
        cache_write=written,
        cache_write_long=rate("cache_write_long", written),
        audio_input=rate("audio_input", plain),
        audio_output=rate("audio_output", output),
        cached_audio=rate("cached_audio", cached),
        image_input=pictured,
        image_output=drawn,
        cached_image=rate("cached_image", cached),
        video_input=rate("video_input", pictured),
        video_output=rate("video_output", drawn),
        reasoning=output,
        unit=piece("unit") or 0,
        request=piece("request") or 0,
        search=piece("search"),
        run=piece("run"),
    )


def _amount(text: str, where: str, highest: int, decimals: int) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or not 0 <= value <= highest or value != round(value, decimals):
        meaning = "dollars per million tokens" if decimals == DECIMALS else "dollars for one"
        raise ConfigError(
            f"{text!r} is not an amount of US dollars",
            where=where,
            remedy=f'Write {meaning} as text, such as "0.15": {decimals} decimals and {highest:,} at most.',
        )
    return value


def per_token(usd_per_million: Decimal) -> int:
    """Picodollars, rounded once where a price is finer."""
    return to_picodollars(usd_per_million / MILLION)


def to_picodollars(usd: Decimal) -> int:
    """Of one piece, rounded half-even."""
    return int((usd * PICODOLLARS).to_integral_value())
