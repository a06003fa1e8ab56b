"""Periods of reports, and the days they are drawn by."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.bootstrap.recapping import DAY_NS, calendar_month, last_days
from moat.telemetry.recap.facts import Period

BERLIN = ZoneInfo("Europe/Berlin")


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def labels(period: Period) -> list[str]:
    return [period.label(*day) for day in period.days]


def test_a_call_stands_under_its_own_date() -> None:
    """And beside the releases of that date."""
    period = last_days(7, ns("2026-11-21T20:55:00"), UTC)
    inner = [f"11-{day}" for day in range(15, 21)]
    assert labels(period) == ["11-14 (3 h)", *inner, "11-21 (21 h)"]
    here = next(day for day in period.days if day[0] <= ns("2026-11-21T09:00:00") < day[1])
    assert period.label(*here).startswith(period.day(ns("2026-11-21T09:00:00")))


@pytest.mark.parametrize(
    ("until", "zone", "first", "last", "days"),
    [
        ("2026-11-21T00:00:00", UTC, "11-14", "11-20", 7),
        ("2026-11-20T23:00:00", BERLIN, "11-14", "11-20", 7),
        ("2026-10-28T23:00:00", BERLIN, "10-22 (23 h)", "10-28", 7),  # a day of 25 hours in between
        ("2026-11-21T20:55:00", BERLIN, "11-14 (2 h)", "11-21 (22 h)", 8),
    ],
)
def test_days_begin_at_midnight_of_the_zone(until: str, zone: ZoneInfo, first: str, last: str, days: int) -> None:
    found = labels(last_days(7, ns(until), zone))
    assert (found[0], found[-1], len(found)) == (first, last, days)


@given(st.integers(0, 2 * 10**9), st.integers(1, 31), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]))
def test_the_days_are_the_period(until: int, days: int, zone: str) -> None:
    period = last_days(days, until * 10**9, ZoneInfo(zone))
    assert (period.days[0][0], period.days[-1][1]) == (period.since_ns, period.until_ns)
    assert all(one[1] == other[0] for one, other in zip(period.days, period.days[1:], strict=False))
    assert all(since < until for since, until in period.days)
    assert period.since_ns - period.before_ns == days * DAY_NS
    assert len(set(labels(period))) == len(period.days)


def test_a_month_that_is_not_over_ends_with_a_part_of_a_day() -> None:
    found = labels(calendar_month(date(2026, 11, 1), ns("2026-11-03T12:00:00"), UTC))
    assert found == ["11-01", "11-02", "11-03 (12 h)"]
