"""`kill -9` of the process that ships spans and feedback: nothing is lost, nothing is there twice."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from moat.adapters.duckdb import DuckTraces
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter
from moat.telemetry.shipper import Shipper
from moat.telemetry.spool import SegmentSpool

SHIP = """
import os, sys
from pathlib import Path
import duckdb
import moat.adapters.duckdb
from moat.telemetry.shipper import Shipper

root = Path(sys.argv[1])
while sys.stdin.readline():  # a round is a fork of this warm process: a kill hits the shipping, not the imports
    child = os.fork()
    if child == 0:
        store = moat.adapters.duckdb.DuckTraces.open(root / "t.duckdb")
        shipper = Shipper(root / "spool", store, batch_bytes=8000)
        os.write(1, b"%d\\n" % os.getpid())
        while True:
            shipper.ship()
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""
ROUNDS, EACH = 12, 60


def call(number: int) -> Span:
    return Span(
        span_id=f"{number:016x}",
        trace_id=f"{number:032x}",
        kind="call",
        name="chat",
        started_ns=number + 1,
        duration_ns=1,
        request_id=f"req_{number}",
        input="x" * 500,
    )


def opinion(number: int) -> Feedback:
    """Every call is judged twice; the second opinion of it stands."""
    return Feedback(id=f"f{number // 2}", at_ns=number + 1, request_id=f"req_{number // 2}", value=number % 2)


def shipped(spool: Path, wanted: int) -> None:
    """Wait until so many segments of those that are there now are gone."""
    there, deadline = set(spool.rglob("*.ndjson")), time.monotonic() + 20
    while sum(not path.exists() for path in there) < min(wanted, len(there)):
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.promise("keep-1")
@pytest.mark.no_cover
def test_a_shipper_that_is_killed_loses_nothing_and_takes_nothing_twice(tmp_path: Path) -> None:
    chance = random.Random(3)
    spool = SegmentSpool(tmp_path / "spool", fsync="never", interval=60, max_bytes=4000)
    said = SegmentSpool(tmp_path / "spool" / "feedback", fsync="never", interval=60, max_bytes=400)
    spool.open()
    said.open()
    program = [sys.executable, "-c", SHIP, str(tmp_path)]
    count = 0
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(ROUNDS):
            process.stdin.write(b"\n")
            process.stdin.flush()
            shipper = int(process.stdout.readline())
            for number in range(count, count + EACH):
                spool.append([call(number)])
                said.append([opinion(number)])
                if number % 20 == 0:
                    spool.rotate()
                    said.rotate()
            shipped(tmp_path / "spool", chance.randrange(1, 6))
            time.sleep(chance.random() * 0.05)
            os.kill(shipper, signal.SIGKILL)
            assert process.stdout.readline() == b"dead\n"
            count += EACH
        process.kill()
    spool.close()
    said.close()
    with closing(DuckTraces.open(tmp_path / "t.duckdb")) as store:
        assert Shipper(tmp_path / "spool", store).drain() < count, "nothing was shipped before a kill"
        found = [span.started_ns for span in reversed(store.search(TraceFilter(), 10**6))]
        assert found == list(range(1, count + 1))
        opinions = store.opinions(TraceFilter(), 10**6)
        assert sorted(one.id for one in opinions) == sorted({f"f{n // 2}" for n in range(count)})
        assert all(one.value == 1 for one in opinions), "the later of two stands"
        assert store.kept().rejects == 0
    assert [path.name for path in (tmp_path / "spool").rglob("*") if path.is_file()] == []
