"""What a month will have cost at its end: the level of late by weekday, with an interval from resampling the past."""

import math
import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from operator import mul
from typing import NamedTuple

import msgspec

HISTORY_DAYS = 56
"""Older days say little about the next ones."""
HALF_LIFE_DAYS = 14.0
"""After which a day counts half, so that the mean follows growth."""
WEEKDAY_DAYS = 14
"""Days from which weekdays are told apart: each has been seen twice."""
SHRINKAGE = 1.0
"""A weekday's own mean is drawn to the mean of all as if it had been seen so many times more."""
FEW_DAYS = 7
"""With less there is a forecast, but no interval: who has not seen a whole week knows nothing of how days differ."""
TREND_DAYS = 28
"""Days from which growth is followed."""
DAMPING = 0.95
"""Of the growth of each day to come: nothing grows in a straight line for long."""
DRAWS = 2000
COVERAGE = 0.8
SEED = 20_240_229
"""The same past gives the same interval."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Money in picodollars. `low` and `high` enclose the month's total in about 80 of 100 months, as long as the days
    to come are like those of the past; None with too few days.
    """

    month: str
    """Such as 2026-03."""
    spent: int
    """From the first of the month until now."""
    expected: int | None
    """At the end of the month; None before there is one whole day."""
    low: int | None
    high: int | None
    days: int
    """Whole days of the past that it rests on."""
    by_weekday: bool
    """Were weekdays told apart?"""


def forecast(past: Mapping[date, int], spent: int, now: date, gone: float) -> Forecast:
    """`past`: cost of whole days before `now`, absent ones nothing; `gone`: how much of the day `now` is over, 0 to 1.

    The expectation of a day is the weighted mean of up to eight weeks (half-life 14 days), from four weeks on with a
    damped trend, times a factor for its weekday from two weeks on. Each of 2,000 draws resamples what days of the past
    differed by from that (a bootstrap of residuals, widened by the degrees of freedom that the fit took): once to place
    the fit, once for each day to come.
    """
    days = _history(past, now)
    known = Forecast(
        month=f"{now:%Y-%m}", spent=spent, expected=None, low=None, high=None, days=len(days), by_weekday=False
    )
    if not days:
        return known
    fit = _fit(days, now)
    left = _days_left(now, gone)
    ahead = sum(share * fit.expected(day, now) for day, share in left)
    known = msgspec.structs.replace(known, expected=spent + max(0, round(ahead)), by_weekday=len(days) >= WEEKDAY_DAYS)
    if len(days) < FEW_DAYS:
        return known
    totals = _draws(days, fit, left, now)
    low, high = (totals[round(at * (DRAWS - 1))] for at in ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2))
    return msgspec.structs.replace(
        known, low=spent + max(0, round(ahead + low)), high=spent + max(0, round(ahead + high))
    )


class _Fit(NamedTuple):
    weights: list[float]
    factors: dict[int, float]
    level: float
    """Of an average weekday, now."""
    slope: float
    """Picodollars a day for each day."""
    parameters: int

    def expected(self, day: date, now: date) -> float:
        return self.factors[day.weekday()] * (self.level + self.slope * _reach((day - now).days))


def _reach(days: int) -> float:
    """Days of growth: whole ones in the past, damped ones to come."""
    return float(days) if days <= 0 else sum(DAMPING**n for n in range(1, days + 1))


def _fit(days: Sequence[tuple[date, int]], now: date) -> _Fit:
    weights = [0.5 ** ((now - day).days / HALF_LIFE_DAYS) for day, _ in days]
    factors, parameters = dict.fromkeys(range(7), 1.0), 1
    if len(days) >= WEEKDAY_DAYS:
        factors, parameters = _factors(days, weights), 7
    # Weighted by the factors' squares: the fit of a day that expects little must not be told by its noise.
    precision = [weight * factors[day.weekday()] ** 2 for (day, _), weight in zip(days, weights, strict=True)]
    level_by, slope_by = _coefficients(days, precision, now)
    flat = [cost / factors[day.weekday()] if factors[day.weekday()] else 0.0 for day, cost in days]
    level, slope = (sum(c * y for c, y in zip(by, flat, strict=True)) for by in (level_by, slope_by))
    return _Fit(precision, factors, level, slope, parameters + (len(days) >= TREND_DAYS))


def _coefficients(
    days: Sequence[tuple[date, int]], weights: Sequence[float], now: date
) -> tuple[list[float], list[float]]:
    """What each day adds to level and slope: weighted least squares, a mean alone before there is a trend."""
    total = sum(weights)
    if len(days) < TREND_DAYS:
        return [weight / total for weight in weights], [0.0] * len(days)
    ages = [float((day - now).days) for day, _ in days]
    centre = sum(w * x for w, x in zip(weights, ages, strict=True)) / total
    spread = sum(w * (x - centre) ** 2 for w, x in zip(weights, ages, strict=True))
    slopes = [w * (x - centre) / spread for w, x in zip(weights, ages, strict=True)]
    return [w / total - centre * slope for w, slope in zip(weights, slopes, strict=True)], slopes


def _draws(days: Sequence[tuple[date, int]], fit: _Fit, left: Sequence[tuple[date, float]], now: date) -> list[float]:
    """By how much the sum of the days to come could differ from what is expected, ascending."""
    level_by, slope_by = _coefficients(days, fit.weights, now)
    once = sum(share * fit.factors[day.weekday()] for day, share in left)
    reach = sum(share * fit.factors[day.weekday()] * _reach((day - now).days) for day, share in left)
    widen = math.sqrt(len(days) / max(1, len(days) - fit.parameters))
    residuals = [widen * (cost - fit.expected(day, now)) for day, cost in days]
    pull = [
        (once * level + reach * slope) / (fit.factors[day.weekday()] or 1.0)
        for (day, _), level, slope in zip(days, level_by, slope_by, strict=True)
    ]
    shares = [share for _, share in left]
    source = random.Random(SEED)
    totals = []
    for _ in range(DRAWS):
        off = sum(map(mul, pull, source.choices(residuals, k=len(pull))))
        totals.append(off + sum(map(mul, shares, source.choices(residuals, k=len(shares)))))
    return sorted(totals)


def _history(past: Mapping[date, int], now: date) -> list[tuple[date, int]]:
    """Whole days from the first with any cost, the last eight weeks at most; a day without cost counts as nothing."""
    begun = [day for day, cost in past.items() if cost and day < now]
    if not begun:
        return []
    first = max(min(begun), now - timedelta(days=HISTORY_DAYS))
    return [(day, past.get(day, 0)) for day in (first + timedelta(days=n) for n in range((now - first).days))]


def _days_left(now: date, gone: float) -> list[tuple[date, float]]:
    """The rest of today and the days after it in the month, with the share of each that is still to come."""
    left = [(now, 1.0 - gone)]
    day = now + timedelta(days=1)
    while day.month == now.month:
        left.append((day, 1.0))
        day += timedelta(days=1)
    return left


def _factors(days: Sequence[tuple[date, int]], weights: Sequence[float]) -> dict[int, float]:
    """Weekday (0: Monday) to its mean over the mean of all."""
    mean = _mean([cost for _, cost in days], weights)
    if not mean:
        return dict.fromkeys(range(7), 1.0)
    found = {}
    for weekday in range(7):
        own = [(cost, weight) for (day, cost), weight in zip(days, weights, strict=True) if day.weekday() == weekday]
        weight = sum(w for _, w in own)
        prior = SHRINKAGE * weight / len(own)
        found[weekday] = (sum(cost * w for cost, w in own) + prior * mean) / (weight + prior) / mean
    return found


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)
