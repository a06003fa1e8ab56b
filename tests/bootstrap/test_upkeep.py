"""What is old goes every hour, as the configuration says then; a clock that was set deletes nothing."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from moat.adapters.duckdb import DuckTraces
from moat.bootstrap import upkeep
from moat.bootstrap.upkeep import TraceUpkeep, keep_expired
from moat.domain.config import TelemetryConfig
from moat.domain.errors import StorageError
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.ports.traces import Retention, TraceFilter
from moat.ports.upkeep import Upkeep

DAY = 86_400
NOW = 1_790_000_000


class World:
    """A wall clock, the time since the machine started, and sleep that lets both go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = float(NOW)
        self.boot = 1000.0
        self.slept: list[float] = []
        self.nights: list[Callable[[], None]] = []
        """What happens in each sleep; after the last the loop is cancelled."""
        clock = SimpleNamespace(
            time=lambda: self.wall,
            time_ns=lambda: int(self.wall * 1e9),
            clock_gettime=lambda _: self.boot,
            CLOCK_BOOTTIME=time.CLOCK_BOOTTIME,
        )
        monkeypatch.setattr(upkeep, "time", clock)
        monkeypatch.setattr(upkeep, "asyncio", SimpleNamespace(sleep=self.sleep, to_thread=asyncio.to_thread))

    async def sleep(self, seconds: float) -> None:
        if not self.nights:
            raise asyncio.CancelledError
        self.slept.append(seconds)
        self.wall += seconds
        self.boot += seconds
        self.nights.pop(0)()

    def run(self, work: Upkeep, *nights: Callable[[], None]) -> None:
        self.nights = list(nights)
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(keep_expired(work))


def call(days: float) -> Span:
    """A call of so many days ago."""
    number = round(days * 1000)
    return Span(
        span_id=f"{number:016x}",
        trace_id=f"{number:032x}",
        kind="call",
        name="chat",
        started_ns=round((NOW - days * DAY) * 1e9),
        duration_ns=1,
        input="question",
    )


def filled(folder: Path, *days: float) -> DuckTraces:
    store, segment = DuckTraces.open(folder / "traces.duckdb"), folder / "segment.ndjson"
    segment.write_bytes(msgspec.json.Encoder().encode_lines(map(call, days)))
    store.ingest([segment])
    opinions = [Feedback(id=str(at), at_ns=call(at).started_ns, trace_id=call(at).trace_id, value=1.0) for at in days]
    segment.write_bytes(msgspec.json.Encoder().encode_lines(opinions))
    store.ingest_feedback([segment])
    return store


def left(store: DuckTraces) -> dict[float, bool]:
    """Days of the calls that are there, and whether their content is."""
    found = [span for page in store.pages(TraceFilter()) for span in page]
    return {round((NOW - span.started_ns / 1e9) / DAY, 3): span.input is not None for span in reversed(found)}


@pytest.mark.promise("keep-3")
def test_the_servers_job_lets_go_of_what_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    kept = TelemetryConfig(keep_content_days=2, keep_days=10)
    with closing(filled(tmp_path, 0.5, 1.97, 3, 9.97, 11)) as store:
        seen: list[dict[float, bool]] = []

        def look() -> None:
            seen.append(left(store))

        def change() -> None:
            nonlocal kept
            look()
            kept = TelemetryConfig(keep_content_days=0.25, keep_days=5)

        work = TraceUpkeep(store, lambda: kept, tmp_path)
        world.run(work, look, look, change, look)
        assert world.slept == [60, 3600, 3600, 3600]
        assert seen == [
            {0.5: True, 1.97: True, 3: True, 9.97: True, 11: True},
            {0.5: True, 1.97: True, 3: False, 9.97: False},
            {0.5: True, 1.97: False, 3: False},  # an hour later
            {0.5: False, 1.97: False, 3: False},  # as a changed configuration says
        ]
        assert store.kept().opinions == 3


@pytest.mark.promise("keep-3")
@pytest.mark.parametrize("jump", [3600.5, 400 * DAY])
def test_a_clock_set_forward_deletes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, jump: float
) -> None:
    world = World(monkeypatch)
    kept = TelemetryConfig(keep_content_days=1, keep_days=1)

    def set_forward() -> None:
        world.wall += jump

    with closing(filled(tmp_path, 0.5, 0.98)) as store:
        world.run(TraceUpkeep(store, lambda: kept, tmp_path), lambda: None, set_forward, lambda: None)
        assert left(store) == {0.5: True, 0.98: True}
    assert len(world.slept) == 2, "it goes on"
    assert "clock was set forward" in caplog.text


@pytest.mark.promise("keep-3")
def test_a_clock_set_back_or_a_sleeping_machine_is_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    kept = TelemetryConfig(keep_content_days=1, keep_days=1)

    def set_back() -> None:
        world.wall -= 3600

    def set_right() -> None:
        world.wall += 3600

    def suspend() -> None:
        world.wall += DAY
        world.boot += DAY

    with closing(filled(tmp_path, 0.5, 0.98)) as store:
        seen: list[list[float]] = []

        def then(change: Callable[[], None]) -> Callable[[], None]:
            def night() -> None:
                seen.append(list(left(store)))
                change()

            return night

        work = TraceUpkeep(store, lambda: kept, tmp_path)
        world.run(work, then(set_back), then(set_right), then(suspend), then(lambda: None))
        assert seen == [[0.5, 0.98], [0.5, 0.98], [0.5], []]


def test_a_store_that_is_away_for_an_hour_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Away:
        asked = 0

        def expire(self, *, dry_run: bool = False) -> int:
            self.asked += 1
            if self.asked == 1:
                raise StorageError("the disk is full")
            return 3

    work = Away()
    caplog.set_level("INFO")
    World(monkeypatch).run(work, *[lambda: None] * 2)  # type: ignore[arg-type]  # nothing else is asked of it
    assert work.asked == 2
    assert "old traces stay: the disk is full" in caplog.text
    assert "3 spans were deleted" in caplog.text


def test_retention_never_reaches_before_the_epoch() -> None:
    kept = TelemetryConfig(keep_content_days=90, keep_days=400)
    assert upkeep.retention(kept, 10 * DAY * 10**9) == Retention()
