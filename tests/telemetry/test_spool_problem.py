"""A spool whose disk refuses says so until the disk takes records again."""

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from moat.domain.errors import StorageError
from moat.domain.spans import Span
from moat.telemetry.spool import SegmentSpool

DEADLINE = 30.0


def span(size: int = 1) -> Span:
    return Span(span_id="1" * 16, trace_id="t", kind="call", name="x" * size, started_ns=1, duration_ns=1)


def wait_until_well(spool: SegmentSpool) -> None:
    deadline = time.monotonic() + DEADLINE
    while spool.problem:
        assert time.monotonic() < deadline, spool.problem
        time.sleep(0.005)


def begin_many(spool: SegmentSpool) -> None:
    for _ in range(10_000):
        spool.begin(span())


REFUSED = """
import resource, sys, time
from pathlib import Path
from moat.domain.errors import StorageError
from moat.domain.spans import Span
from moat.telemetry.spool import SegmentSpool

def append(size):
    spool.append([Span(span_id="1" * 16, trace_id="t", kind="call", name="x" * size, started_ns=1, duration_ns=1)])

def allow(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

spool = SegmentSpool(Path(sys.argv[1]), interval=0.01)
spool.open()
assert spool.problem == ""
allow(5000)
try:
    append(10_000)
except StorageError as error:
    assert spool.problem == str(error)
else:
    raise AssertionError("it was not refused")
time.sleep(0.2)   # there is room for little records: not for one like that
assert spool.problem
append(10)
assert spool.problem
allow(resource.RLIM_INFINITY)
deadline = time.monotonic() + 30
while spool.problem:
    assert time.monotonic() < deadline
    time.sleep(0.005)
append(10_000)
spool.close()
"""


@pytest.mark.promise("keep-2")
def test_it_is_well_when_there_is_room_for_what_was_refused_and_not_before(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSED, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("calls are refused: ") == 1, done.stderr
    assert not list(tmp_path.glob("*.tmp"))
    assert len(list(tmp_path.glob("*.ndjson"))) >= 1


def test_a_directory_that_vanished_is_a_problem_until_it_is_back(tmp_path: Path) -> None:
    spool = SegmentSpool(tmp_path / "spool", interval=0.01)
    spool.open()
    (tmp_path / "spool").rename(tmp_path / "away")
    with pytest.raises(StorageError, match="no new segment"):
        spool.append([span()])
    assert "no new segment" in spool.problem
    (tmp_path / "away").rename(tmp_path / "spool")
    wait_until_well(spool)
    spool.close()


def test_what_cannot_be_begun_is_a_problem_too(tmp_path: Path) -> None:
    """The file of what is begun grows with the tries under way."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    spool = SegmentSpool(tmp_path, interval=0.01)
    spool.open()
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**18, limits[1]))
    try:
        with pytest.raises(StorageError, match="cannot be noted"):
            begin_many(spool)
        assert "cannot be noted" in spool.problem
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    wait_until_well(spool)
    spool.begin(span())
    spool.close()


def test_a_span_that_is_no_json_is_no_problem_of_the_disk(tmp_path: Path) -> None:
    spool = SegmentSpool(tmp_path)
    spool.open()
    with pytest.raises(StorageError, match="written as JSON"):
        spool.append([Span(span_id="1", trace_id="t", kind="call", name="\ud800", started_ns=1, duration_ns=1)])
    assert spool.problem == ""
    spool.close()
