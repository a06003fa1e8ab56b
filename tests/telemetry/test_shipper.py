"""From spool to store: at least once, nothing lost, nothing twice."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.adapters.duckdb import DuckTraces
from moat.domain.errors import DocumentError, StorageError, Unavailable
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter
from moat.telemetry.shipper import Shipper
from moat.telemetry.spool import SegmentSpool


def span(number: int, **fields: object) -> Span:
    base = Span(span_id=f"{number:016x}", trace_id="t", kind="call", name="chat", started_ns=number + 1, duration_ns=1)
    return msgspec.structs.replace(base, **fields)


def segment(directory: Path, name: str, *numbers: int) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.ndjson"
    path.write_bytes(msgspec.json.Encoder().encode_lines([span(number) for number in numbers]))
    return path


def stored(store: DuckTraces) -> list[int]:
    return [int(found.span_id, 16) for found in reversed(store.search(TraceFilter(), 1_000_000))]


class Store:
    """A trace store that fails when told to."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)
        self.lines: list[bytes] = []
        self.batches: list[int] = []

    def ingest(self, segments: Sequence[Path]) -> int:
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        self.batches.append(len(segments))
        lines = [line for path in segments for line in path.read_bytes().splitlines()]
        self.lines += lines
        return len(lines)


def wait_for_lines(store: Store, count: int) -> None:
    deadline = time.monotonic() + 20
    while len(store.lines) < count and time.monotonic() < deadline:
        time.sleep(0.005)


def test_drain_ships_everything_and_leaves_nothing(tmp_path: Path) -> None:
    spool = SegmentSpool(tmp_path / "spool", interval=60)
    spool.open()
    with closing(DuckTraces.open(tmp_path / "t.duckdb")) as store:
        shipper = Shipper(tmp_path / "spool", store, spool=spool)
        spool.append([span(1), span(2)])
        assert shipper.ship() == 0  # it is not sealed yet
        assert shipper.drain() == 2
        assert stored(store) == [1, 2]
        assert shipper.drain() == 0
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_crash_between_commit_and_delete_ships_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment(tmp_path / "spool", "1", 1, 2, 3)
    with closing(DuckTraces.open(tmp_path / "t.duckdb")) as store:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", lambda _self: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                Shipper(tmp_path / "spool", store).ship()
        segment(tmp_path / "spool", "2", 3, 4)
        assert Shipper(tmp_path / "spool", store).ship() == 1
        assert stored(store) == [1, 2, 3, 4]
    assert list((tmp_path / "spool").iterdir()) == []


def test_while_the_store_is_away_segments_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = segment(tmp_path, "1", 1)
    store = Store(StorageError("the disk is full"), StorageError("the disk is full"), Unavailable("gone"))
    shipper = Shipper(tmp_path, store)
    for words in ("the disk is full", "the disk is full", "gone"):
        with pytest.raises((StorageError, Unavailable), match=words):
            shipper.ship()
        assert kept.exists()
    assert shipper.ship() == 1
    assert not kept.exists()
    segment(tmp_path, "2", 2)
    store.failures = [Unavailable("gone")]
    with pytest.raises(Unavailable):
        shipper.ship()
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"traces are not shipped: {why}" for why in ("the disk is full", "gone", "gone")]


def test_a_poison_segment_is_set_aside_with_its_reason_and_the_others_pass(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    segment(spool, "1", 1)
    (spool / "2.ndjson").mkdir()
    segment(spool, "3", 3)
    with closing(DuckTraces.open(tmp_path / "t.duckdb")) as store:
        shipper = Shipper(spool, store)
        assert shipper.ship() == 2
        assert stored(store) == [1, 3]
        assert shipper.ship() == 0
    assert sorted(path.name for path in (spool / "rejected").iterdir()) == ["2.ndjson", "2.reason"]
    assert "cannot be read" in (spool / "rejected" / "2.reason").read_text()
    assert list(spool.glob("*.ndjson")) == []


def test_a_corrupt_last_segment_gives_its_whole_lines(tmp_path: Path) -> None:
    path = segment(tmp_path / "spool", "1", 1, 2, 3)
    path.write_bytes(path.read_bytes()[:-30] + b"\x00" * 5000)  # as after a power cut
    with closing(DuckTraces.open(tmp_path / "t.duckdb")) as store:
        assert Shipper(tmp_path / "spool", store).ship() == 2
        assert stored(store) == [1, 2]


def test_batches_are_bounded_and_in_order(tmp_path: Path) -> None:
    for number in range(10):
        segment(tmp_path, f"{number}", number)
    store = Store(DocumentError("one of them is bad"))
    size = (tmp_path / "0.ndjson").stat().st_size
    assert Shipper(tmp_path, store, batch_bytes=4 * size).ship() == 10
    assert store.batches == [1, 1, 1, 1, 4, 2]  # the batch that failed went one by one
    assert [int(msgspec.json.decode(line)["span_id"], 16) for line in store.lines] == list(range(10))


def test_a_spool_that_cannot_be_read_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "1.open").mkdir()
    with pytest.raises(StorageError, match="cannot be read"):
        Shipper(tmp_path, Store()).ship()


@pytest.mark.anyio
async def test_run_ships_what_comes_and_outlives_a_store_that_is_away(tmp_path: Path) -> None:
    spool = SegmentSpool(tmp_path, interval=0.01)
    spool.open()
    store = Store(StorageError("away"), None, StorageError("away"))
    running = asyncio.create_task(Shipper(tmp_path, store, poll=0.005, max_delay=0.01).run())
    for number in range(3):
        spool.append([span(number)])
        await asyncio.to_thread(wait_for_lines, store, number + 1)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    spool.close()
    assert len(store.lines) == 3


def test_questions_are_answered_while_segments_come_in(tmp_path: Path) -> None:
    with closing(DuckTraces.open(tmp_path / "t.duckdb")) as store:
        done = threading.Event()

        def ask() -> None:  # what it raises fails the test, by pytest's own watch over threads
            seen = 0
            while not done.is_set():
                calls = store.usages([], TraceFilter())[0].calls
                assert calls >= seen, "a committed span vanished"
                assert calls % 10 == 0, "half a batch was seen"
                seen = calls

        readers = [threading.Thread(target=ask) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(30):
            segment(tmp_path / "spool", "s", *range(10 * number, 10 * number + 10))
            assert Shipper(tmp_path / "spool", store).ship() == 10
        done.set()
        for reader in readers:
            reader.join()
        assert stored(store) == list(range(300))


@settings(max_examples=15, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    batch=st.integers(1, 2000),
)
def test_any_split_over_segments_gives_the_same_table(numbers: list[int], cuts: list[int], batch: int) -> None:
    edges = sorted({0, len(numbers), *(cut for cut in cuts if cut < len(numbers))})
    with tempfile.TemporaryDirectory() as directory:
        spool = Path(directory) / "spool"
        for start, end in pairwise(edges):
            segment(spool, f"{start:03d}", *numbers[start:end])
        with closing(DuckTraces.open(Path(directory) / "t.duckdb")) as store:
            assert Shipper(spool, store, batch_bytes=batch).ship() == len(set(numbers))
            assert store.search(TraceFilter(), 1000) == [span(n) for n in sorted(set(numbers), reverse=True)]


APPEND = """
import os, sys
from pathlib import Path
from moat.domain.spans import Span
from moat.telemetry.spool import SegmentSpool

while True:  # a round is a fork of this warm process: a kill hits appends, not imports
    start = int(sys.stdin.readline())
    child = os.fork()
    if child == 0:
        spool = SegmentSpool(Path(sys.argv[1]), fsync="never", interval=0.002, max_bytes=50_000)
        spool.open()
        os.write(1, b"pid %d\\n" % os.getpid())
        number = start
        while True:
            call = Span(span_id=f"{number:016x}", trace_id="t", kind="call", name="x" * (number % 7 * 300),
                        started_ns=number + 1, duration_ns=1)
            attempt = Span(span_id=f"{number + 1:016x}", trace_id="t", kind="attempt", name="chat",
                           started_ns=number + 1, duration_ns=1)
            spool.append([call, attempt])
            os.write(1, b"%d\\n" % number)
            number += 2
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""


@pytest.mark.promise("keep-1")
@pytest.mark.no_cover
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """100 rounds: a writer acknowledges over a pipe until it is killed; then a new one starts."""
    chance = random.Random(7)
    acknowledged = set[int]()
    program = [sys.executable, "-c", APPEND, str(tmp_path / "spool")]
    with (
        closing(DuckTraces.open(tmp_path / "t.duckdb")) as store,
        subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        shipper = Shipper(tmp_path / "spool", store)
        for number in range(100):
            process.stdin.write(b"%d\n" % (number * 1_000_000))
            process.stdin.flush()
            writer = int(process.stdout.readline().split()[1])
            for _ in range(chance.randrange(30)):  # by what it did, not by the clock: machines differ
                acknowledged.add(int(process.stdout.readline()))
            time.sleep(chance.random() * 0.002)
            os.kill(writer, signal.SIGKILL)
            while (line := process.stdout.readline()) != b"dead\n":
                acknowledged.add(int(line))
            if number % 20 == 19:
                again = sorted((tmp_path / "spool").glob("*.ndjson"))[:1]
                store.ingest(again)  # as if the shipper had died before it deleted
                shipper.drain()
        process.kill()
        shipper.drain()
        readable = stored(store)
        assert len(acknowledged) > 1000
        assert acknowledged <= set(readable)
        assert len(readable) == len(set(readable)), "a call is there twice"
        # Killed between the write and its acknowledgement: at most one call more in each round.
        assert len(readable) - len(acknowledged) <= 100
        assert len(store.trace("t")) >= 2 * len(acknowledged), "a call lost its attempt"
    assert list((tmp_path / "spool").iterdir()) == []
