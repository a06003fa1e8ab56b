"""Where a counter comes to when its window goes on as it went so far."""

from datetime import UTC, datetime, timedelta

import pytest

from moat.domain.config import LimitConfig
from moat.spend.counters import Balance
from moat.spend.limits import compiled
from moat.spend.projecting import Pace, budgets, pace

MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)


def at(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def counter(window: str, used: int, held: int = 0, **stated: object) -> Balance:
    stated = stated or {"tokens": 100}
    (limit,) = compiled([LimitConfig(name="cap", window=window, **stated)])  # type: ignore[arg-type]
    return Balance(limit, (), used, held, 0)


def test_it_tells_when_a_budget_will_be_full() -> None:
    found = pace(counter("day", 50), at(MIDNIGHT + timedelta(hours=6)))
    assert found == Pace(projected=200, full_ns=at(MIDNIGHT + timedelta(hours=12)))


def test_what_calls_under_way_may_take_is_counted() -> None:
    found = pace(counter("day", 40, held=10), at(MIDNIGHT + timedelta(hours=6)))
    assert found == Pace(projected=200, full_ns=at(MIDNIGHT + timedelta(hours=12)))


def test_it_tells_what_will_be_used_at_the_end() -> None:
    assert pace(counter("day", 10), at(MIDNIGHT + timedelta(hours=12))) == Pace(projected=20, full_ns=0)


def test_what_is_full_is_full_now() -> None:
    now = at(MIDNIGHT + timedelta(hours=12))
    assert pace(counter("day", 100), now) == Pace(projected=200, full_ns=now)
    assert pace(counter("day", 0, requests=0), now) == Pace(projected=0, full_ns=now)


def test_a_month_is_as_long_as_it_is_where_it_is_counted() -> None:
    middle = at(datetime(2026, 11, 16, tzinfo=UTC))
    assert pace(counter("month", 10), middle) == Pace(projected=20, full_ns=0)
    # In Berlin the 29th of March has 23 hours.
    berlin = counter("day", 10, tokens=100, timezone="Europe/Berlin")
    began = at(datetime(2026, 3, 28, 23, tzinfo=UTC))
    assert pace(berlin, began + 23 * 1800 * 10**9) == Pace(projected=20, full_ns=0)


@pytest.mark.parametrize("window", ["day", "month", "hour"])
def test_it_is_silent_where_it_would_be_a_guess(window: str) -> None:
    assert pace(counter(window, 10), at(datetime(2026, 11, 1, tzinfo=UTC)) + 60 * 10**9) is None


@pytest.mark.parametrize("balance", [counter("minute", 10), counter("request", 10, tokens=100)])
def test_what_is_over_at_once_has_no_pace_and_is_no_budget(balance: Balance) -> None:
    now = at(MIDNIGHT + timedelta(hours=12, seconds=30))
    assert pace(balance, now) is None
    assert budgets([balance], now) == []


def test_budgets_say_the_same() -> None:
    now = at(MIDNIGHT + timedelta(hours=6))
    (found,) = budgets([counter("day", 40, held=10)], now)
    assert (found.used, found.projected) == (50, 200)
