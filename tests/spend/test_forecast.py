"""The forecast against months that are known."""

import math
import random
from datetime import date, timedelta

import pytest

from moat.spend.forecast import FEW_DAYS, WEEKDAY_DAYS, forecast

NOW = date(2026, 10, 10)


def past(costs: list[int]) -> dict[date, int]:
    """Whole days, the last one yesterday."""
    return {NOW - timedelta(days=n): cost for n, cost in enumerate(reversed(costs), start=1)}


def test_no_whole_day_is_no_forecast() -> None:
    found = forecast({NOW: 500}, 500, NOW, 0.5)
    assert (found.expected, found.low, found.high, found.days) == (None, None, None, 0)


def test_few_days_give_a_number_and_no_interval() -> None:
    found = forecast(past([100, 100]), 250, NOW, 0.5)
    assert found.expected == 250 + 50 + 21 * 100
    assert (found.low, found.high, found.by_weekday) == (None, None, False)
    assert forecast(past([100] * FEW_DAYS), 0, NOW, 0.0).low is not None


def test_days_before_the_first_call_are_not_counted_as_quiet() -> None:
    assert forecast({NOW - timedelta(days=20): 0, NOW - timedelta(days=1): 100}, 0, NOW, 0.0).days == 1


def test_what_never_changes_is_known_exactly() -> None:
    found = forecast(past([1000] * 30), 9000, NOW, 0.0)
    assert (found.low, found.expected, found.high) == (31_000, 31_000, 31_000)


def test_weekends_are_not_working_days() -> None:
    days = past([0] * 42)
    quiet = {day: 10 if day.weekday() >= 5 else 1000 for day in days}
    found = forecast(quiet, 0, NOW, 0.0)
    rest = [NOW + timedelta(days=n) for n in range(22)]
    truth = sum(10 if day.weekday() >= 5 else 1000 for day in rest)
    assert found.by_weekday
    assert found.expected == pytest.approx(truth, rel=0.05)
    assert not forecast(past([1] * (WEEKDAY_DAYS - 1)), 0, NOW, 0.0).by_weekday


def test_the_last_day_of_a_month_has_little_left() -> None:
    end = date(2026, 10, 31)
    days = {end - timedelta(days=n): 2400 for n in range(1, 31)}
    assert forecast(days, 74_000, end, 0.75).expected == 74_000 + 600


def test_the_interval_holds_what_it_says_on_months_like_those_before() -> None:
    held = 0
    for seed in range(60):
        source = random.Random(seed)
        days = {NOW - timedelta(days=30) + timedelta(days=n): 0 for n in range(30 + 22)}
        costs = {d: round(1000 * (0.3 if d.weekday() >= 5 else 1) * math.exp(source.gauss(0, 0.3))) for d in days}
        known = {day: cost for day, cost in costs.items() if day < NOW}
        spent = sum(cost for day, cost in known.items() if day.month == 10)
        found = forecast(known, spent, NOW, 0.0)
        total = sum(cost for day, cost in costs.items() if day.month == 10)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= total <= found.high
    assert 0.65 <= held / 60 <= 0.97, "about 8 of 10"


def test_the_same_past_gives_the_same_interval() -> None:
    days = past([100, 300, 200, 50, 700, 20, 400, 90])
    assert forecast(days, 0, NOW, 0.3) == forecast(days, 0, NOW, 0.3)
    found = forecast(days, 5000, NOW, 0.3)
    assert found.low is not None
    assert found.low >= 5000, "what is spent is spent"
