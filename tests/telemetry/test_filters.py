"""Times as people write them."""

import time
from collections.abc import Callable, Iterator

import pytest

from moat.domain.errors import RequestError
from moat.telemetry.filters import parse_time

NOW = 1_772_366_400 * 10**9  # 2026-03-01T12:00:00Z


@pytest.fixture
def live_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the time zone of this machine; sets it back at the end."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "before_now_s"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("24h", 86_400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("2026-03-01T00:00Z", 43_200),
        ("2026-03-01T11:00:00Z", 3600),
        ("2026-03-01T11:00:00.5+01:00", 7199.5),
    ],
)
def test_times_are_read(text: str, before_now_s: float) -> None:
    assert parse_time(text, NOW) == NOW - int(before_now_s * 10**9)


@pytest.mark.parametrize(
    ("zone", "text", "before_now_s"),
    [
        ("UTC", "2026-03-01", 43_200),
        ("UTC", "2026-03-01T11:00:00", 3600),
        ("JST-9", "2026-03-01 20:00:00", 3600),
        ("JST-9", "2026-03-01", 43_200 + 9 * 3600),
        ("EST5EDT,M3.2.0,M11.1.0", "2026-03-01 06:00", 3600),
        ("EST5EDT,M3.2.0,M11.1.0", "2025-07-01 08:00", 243 * 86_400),
    ],
)
def test_a_time_that_names_no_zone_is_local(
    live_in: Callable[[str], None], zone: str, text: str, before_now_s: int
) -> None:
    live_in(zone)
    assert parse_time(text, NOW) == NOW - before_now_s * 10**9


@pytest.mark.parametrize("zone", ["JST-9", "EST5"])
def test_no_time_is_no_bound_and_none_is_before_1970(live_in: Callable[[str], None], zone: str) -> None:
    live_in(zone)
    assert parse_time("", NOW) == 0
    assert parse_time("999999w", NOW) == 0
    assert parse_time("1815-12-10", NOW) == 0


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31 23:59:59"])
def test_the_ends_of_the_calendar_are_no_local_times(live_in: Callable[[str], None], text: str) -> None:
    live_in("JST-9")
    with pytest.raises(RequestError, match="is not a time"):
        parse_time(text, NOW)


@pytest.mark.parametrize("text", ["yesterday", "24", "h", "-1h", "2026-13-01", "24h ", "1e3s"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(RequestError, match="is not a time") as refusal:
        parse_time(text, NOW, where="until")
    assert refusal.value.where == "until"
    assert "24h" in refusal.value.remedy
