"""Days as they are on somebody's clock: the trace store cuts time where the calendar does, across changes of clocks."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from moat.adapters.duckdb.traces import DuckTraces
from moat.domain.errors import ConfigError
from moat.domain.spans import Span
from moat.domain.windows import window
from moat.ports.traces import TraceFilter

SECOND = 10**9
HOUR = 3600 * SECOND
DAY = 24 * HOUR
HALF_HOURS = 2 * 24 * 6
"""Of six days."""


def first(name: str, year: int, month: int, day: int) -> int:
    """Midnight there."""
    return int(datetime.datetime(year, month, day, tzinfo=ZoneInfo(name)).timestamp()) * SECOND


def recorded(folder: Path, since_ns: int) -> DuckTraces:
    """A call and its attempt each half hour."""
    store = DuckTraces.open(folder / "traces.duckdb")
    spans = []
    for n in range(HALF_HOURS):
        call = Span(
            span_id=f"{n:016x}", trace_id=f"{n:032x}", kind="call", name="chat", started_ns=since_ns + n * HOUR // 2,
            duration_ns=1,
        )  # fmt: skip
        spans += [call, msgspec.structs.replace(call, span_id=f"{n + 10**6:016x}", kind="attempt", cost=1)]
    segment = folder / "calls.ndjson"
    segment.write_bytes(msgspec.json.Encoder().encode_lines(spans))
    store.ingest([segment])
    return store


ZONES = {
    "Europe/Vienna": (2025, 10, 24),
    "America/New_York": (2025, 11, 1),
    "Asia/Kolkata": (2025, 10, 24),
    "Africa/Cairo": (2025, 4, 23),  # where clocks go forward at midnight: the day begins at one
    "America/Havana": (2025, 11, 1),  # where the hour after midnight comes twice
    "America/Asuncion": (2023, 3, 24),  # where the hour before midnight comes twice
    "Europe/London": (2025, 3, 29),
}


@pytest.fixture(params=ZONES)
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, int, DuckTraces]]:
    since_ns = first(request.param, *ZONES[request.param])
    store = recorded(tmp_path, since_ns)
    yield request.param, since_ns, store
    store.close()


def test_days_are_those_of_the_calendar(there: tuple[str, int, DuckTraces]) -> None:
    name, since_ns, store = there
    zone = ZoneInfo(name)
    expected: dict[int, int] = {}
    for n in range(HALF_HOURS):
        start = window("day", zone, since_ns + n * HOUR // 2).start_ns
        expected[start] = expected.get(start, 0) + 1
    for wanted in (TraceFilter(since_ns=since_ns), TraceFilter()):
        spent = store.spending([], wanted, DAY, timezone=name)
        assert {one.slot_ns: one.cost for one in spent} == expected
        called = store.series([], wanted, DAY, timezone=name)
        assert {one.slot_ns: one.calls for one in called} == expected
        assert [one.slot_ns for one in called] == sorted(expected)


def test_hours_are_full_ones_there_and_all_as_long(there: tuple[str, int, DuckTraces]) -> None:
    name, since_ns, store = there
    zone = ZoneInfo(name)
    found = store.series([], TraceFilter(since_ns=since_ns), HOUR, timezone=name)
    assert {one.calls for one in found} == {2}, "the hour that comes twice is two"
    assert {datetime.datetime.fromtimestamp(one.slot_ns // SECOND, zone).minute for one in found} == {0}


def test_the_day_that_clocks_go_back_has_25_hours_in_vienna(tmp_path: Path) -> None:
    since_ns = first("Europe/Vienna", 2025, 10, 24)
    store = recorded(tmp_path, since_ns)
    found = store.spending([], TraceFilter(since_ns=since_ns), DAY, timezone="Europe/Vienna")
    assert [one.requests for one in found][:4] == [48, 48, 50, 48]
    store.close()


def test_a_clock_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    store = recorded(tmp_path, DAY)
    with pytest.raises(ConfigError, match="Mars/Base"):
        store.series([], TraceFilter(), DAY, timezone="Mars/Base")
    store.close()
