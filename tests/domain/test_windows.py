"""Minutes, hours, days and months on local clocks."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.errors import ConfigError
from moat.domain.windows import SECOND_NS, WindowKind, clock_changes, window, zone

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",  # clocks go back at 01:00 to 00:00: midnight comes twice
    "America/Santiago",  # clocks skip midnight
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Pacific/Apia",
)
INSTANTS = st.integers(1_500_000_000, 2_000_000_000).map(lambda second: second * SECOND_NS + 7)
KINDS: tuple[WindowKind, ...] = ("minute", "hour", "day", "month")


def ns(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp()) * SECOND_NS


@pytest.mark.promise("money-8")
@given(st.sampled_from(KINDS), st.sampled_from(ZONES), INSTANTS)
def test_windows_hold_their_instant_and_tile_time(kind: WindowKind, name: str, now: int) -> None:
    found = window(kind, zone(name), now)
    assert found.start_ns <= now < found.end_ns
    assert window(kind, zone(name), found.start_ns) == found
    assert window(kind, zone(name), found.end_ns - 1) == found
    assert window(kind, zone(name), found.end_ns).start_ns == found.end_ns


@pytest.mark.promise("money-8")
@pytest.mark.parametrize(
    ("kind", "name", "now", "start", "end"),
    [
        ("day", "Europe/Berlin", "2026-03-29T12:00+02:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("day", "Europe/Berlin", "2026-10-25T12:00+01:00", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        ("day", "UTC", "2026-03-29T12:00+02:00", "2026-03-29T00:00+00:00", "2026-03-30T00:00+00:00"),
        ("month", "America/New_York", "2026-03-01T04:59+00:00", "2026-02-01T05:00+00:00", "2026-03-01T05:00+00:00"),
        ("month", "UTC", "2024-02-29T23:59+00:00", "2024-02-01T00:00+00:00", "2024-03-01T00:00+00:00"),
        ("hour", "Asia/Kolkata", "2026-01-01T00:10+00:00", "2025-12-31T23:30+00:00", "2026-01-01T00:30+00:00"),
        ("hour", "Europe/Berlin", "2026-10-25T02:30+02:00", "2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"),
        ("hour", "Europe/Berlin", "2026-10-25T02:30+01:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"),
        ("day", "America/Havana", "2026-11-01T12:00-05:00", "2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00"),
        ("day", "America/Santiago", "2026-09-06T12:00-03:00", "2026-09-06T01:00-03:00", "2026-09-07T00:00-03:00"),
    ],
)
def test_windows_where_clocks_change(kind: WindowKind, name: str, now: str, start: str, end: str) -> None:
    assert window(kind, zone(name), ns(now)) == (ns(start), ns(end))


def test_an_unknown_zone_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="Mars/Olympus"):
        zone("Mars/Olympus")


def test_clocks_change_twice_a_year_where_they_do() -> None:
    """Berlin's in 2026: 29 March and 25 October, both at 01:00 UTC; UTC's never."""
    since, until = (
        int(datetime.datetime(2026, month, 1, tzinfo=datetime.UTC).timestamp()) * SECOND_NS for month in (2, 12)
    )
    found = [change for change in clock_changes("Europe/Berlin", since, until) if since <= change.at_ns < until]
    told = [
        (
            datetime.datetime.fromtimestamp(each.at_ns // SECOND_NS, datetime.UTC).isoformat(),
            each.offset_ns // SECOND_NS,
        )
        for each in found
    ]
    assert told == [("2026-10-25T01:00:00+00:00", 3_600), ("2026-03-29T01:00:00+00:00", 7_200)]
    assert [each.offset_ns for each in clock_changes("UTC", since, until)] == [0]
