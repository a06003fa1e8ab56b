"""The spool on real files: whole records or none, whatever the disk and the clock do."""

import errno
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from moat.domain.errors import StorageError
from moat.domain.spans import Span
from moat.telemetry import segments
from moat.telemetry.spool import Fsync, SegmentSpool


def span(number: int, **fields: object) -> Span:
    base = Span(span_id=f"{number:016x}", trace_id="t", kind="call", name="chat", started_ns=1, duration_ns=1)
    return msgspec.structs.replace(base, **fields)


def opened(directory: Path, fsync: Fsync = "interval", interval: float = 60, max_bytes: int = 2**23) -> SegmentSpool:
    """By default it seals nothing by itself."""
    spool = SegmentSpool(directory, fsync=fsync, interval=interval, max_bytes=max_bytes)
    spool.open()
    return spool


def kept(directory: Path, pattern: str = "*.ndjson") -> list[int]:
    """Numbers of the spans in the files, oldest file first."""
    decoder = msgspec.json.Decoder(Span)
    files = sorted(directory.glob(pattern))
    return [int(found.span_id, 16) for file in files for found in decoder.decode_lines(file.read_bytes())]


@pytest.mark.parametrize("fsync", ["always", "interval", "never"])
def test_an_append_is_in_the_file_when_it_returns(tmp_path: Path, fsync: Fsync) -> None:
    spool = opened(tmp_path / "a" / "spool", fsync)
    spool.append([span(1), span(2)])
    spool.append([span(3)])
    assert kept(tmp_path / "a" / "spool", "*.open") == [1, 2, 3]
    spool.close()
    spool.close()
    assert kept(tmp_path / "a" / "spool") == [1, 2, 3]
    assert not list((tmp_path / "a" / "spool").glob("*.open"))
    with pytest.raises(StorageError, match="closed"):
        spool.append([span(4)])


def test_a_constructor_touches_nothing(tmp_path: Path) -> None:
    SegmentSpool(tmp_path / "spool")
    assert not (tmp_path / "spool").exists()


def test_an_idle_spool_leaves_no_files(tmp_path: Path) -> None:
    spool = opened(tmp_path, interval=0.01)
    spool.rotate()
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_size_and_time_seal_a_segment(tmp_path: Path) -> None:
    spool = opened(tmp_path, max_bytes=300, interval=0.02)
    for number in range(20):
        spool.append([span(number)])
    deadline = time.monotonic() + 20
    while kept(tmp_path) != list(range(20)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert kept(tmp_path) == list(range(20))
    assert len(list(tmp_path.glob("*.ndjson"))) > 3
    spool.close()


def test_threads_share_a_spool(tmp_path: Path) -> None:
    spool = opened(tmp_path, max_bytes=10_000, interval=0.005)

    def work(start: int) -> None:
        for number in range(start, start + 500):
            spool.append([span(number)])

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 500, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.close()
    assert sorted(kept(tmp_path)) == list(range(1500))


def test_two_spools_in_one_directory_do_not_meet(tmp_path: Path) -> None:
    one, two = opened(tmp_path), opened(tmp_path)
    for number in range(0, 100, 2):
        one.append([span(number)])
        two.append([span(number + 1)])
    assert segments.recover(tmp_path) == []  # both are alive
    one.close()
    two.close()
    assert sorted(kept(tmp_path)) == list(range(100))


def test_a_clock_set_back_loses_and_reorders_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = opened(tmp_path)
    for number, now in enumerate([5_000, 4_000, 9_000, 1]):
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        spool.append([span(number)])
        spool.rotate()
    spool.close()
    assert kept(tmp_path) == [0, 1, 2, 3]


def test_a_dead_writers_segment_is_sealed_without_its_torn_line(tmp_path: Path) -> None:
    line = msgspec.json.encode(span(1)) + b"\n"
    (tmp_path / "00001-9-aa.open").write_bytes(line * 2 + b'{"span_id":"torn' + b"x" * 200_000)
    (tmp_path / "00002-9-bb.open").write_bytes(b'{"only":"torn')
    (tmp_path / "00003-9-cc.open").write_bytes(b"")
    opened(tmp_path).close()
    assert [path.name for path in tmp_path.iterdir()] == ["00001-9-aa.ndjson"]
    assert (tmp_path / "00001-9-aa.ndjson").read_bytes() == line * 2


def test_what_is_not_json_is_refused_and_the_spool_goes_on(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for bad in (object(), "\ud800"):
        with pytest.raises(StorageError, match="written as JSON"):
            spool.append([span(1), span(2, input=bad)])
    spool.append([span(3)])
    spool.close()
    assert kept(tmp_path) == [3]


def test_a_record_of_10_mb_is_kept(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append([span(1, input="x" * 10_000_000)])
    spool.append([span(2)])
    spool.close()
    assert kept(tmp_path) == [1, 2]


def test_a_directory_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be used"):
        SegmentSpool(tmp_path / "file").open()


FILL = """
import resource, signal, sys
from pathlib import Path
from moat.domain.errors import StorageError
from moat.domain.spans import Span
from moat.telemetry.spool import SegmentSpool

def append(number, size):
    try:
        spool.append([Span(span_id=f"{n:016x}", trace_id="t", kind="call", name="x" * size, started_ns=1,
                           duration_ns=1) for n in (number, number + 1)])
        return [number, number + 1]
    except StorageError as error:
        assert "cannot be written" in str(error), error
        return []

spool = SegmentSpool(Path(sys.argv[1]), fsync=sys.argv[2], interval=60)
spool.open()
kept = append(0, 1000)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
kept += append(2, 2000)                                     # the kernel takes a part of it
kept += append(4, 50) + append(6, 100_000) + append(8, 50)   # small ones fit into a new segment
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
kept += append(10, 100_000)
spool.close()
print(*kept)
"""


@pytest.mark.promise("keep-2")
@pytest.mark.parametrize("fsync", ["always", "interval"])
def test_a_file_that_may_not_grow_refuses_whole_records_and_resumes(tmp_path: Path, fsync: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path), fsync], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    acknowledged = [int(word) for word in done.stdout.split()]
    assert acknowledged == [0, 1, 4, 5, 8, 9, 10, 11]
    assert kept(tmp_path) == acknowledged


@pytest.mark.promise("keep-2")
def test_a_full_disk_refuses_and_resumes_without_repair(tmp_path: Path) -> None:
    """A real full file system where the user may mount one; else the limit of the test above stands for it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)], capture_output=True, check=False
    ).returncode == 0  # fmt: skip
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if not mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        spool = opened(disk / "spool")
        acknowledged, refused = list[int](), 0
        for number in range(100):
            try:
                spool.append([span(2 * number, name="x" * 3000), span(2 * number + 1, name="x" * 3000)])
                acknowledged += [2 * number, 2 * number + 1]
            except StorageError:
                refused += 1
        assert refused > 0
        spool.rotate()
        assert kept(disk / "spool") == acknowledged
        for shipped in (disk / "spool").glob("*.ndjson"):
            shipped.unlink()
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        spool.append([span(1000)])
        spool.close()
        assert kept(disk / "spool") == [1000]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        if mounted:
            subprocess.run(["umount", str(disk)], check=True)


def broken_fsync(_fd: int) -> None:
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.promise("keep-2")
def test_a_failed_fsync_takes_the_record_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = opened(tmp_path, "always")
    spool.append([span(1)])
    monkeypatch.setattr(os, "fsync", broken_fsync)
    for number in (2, 3):
        with pytest.raises(StorageError, match="did not confirm"):
            spool.append([span(number)])
    monkeypatch.undo()
    spool.append([span(4)])
    spool.close()
    assert spool.sync_failures >= 2
    assert kept(tmp_path) == [1, 4]


@pytest.mark.promise("keep-2")
def test_a_failed_background_fsync_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = opened(tmp_path)
    spool.append([span(1)])
    monkeypatch.setattr(os, "fsync", broken_fsync)
    spool.rotate()
    assert spool.sync_failures == 1
    with pytest.raises(StorageError, match="did not confirm"):
        spool.append([span(2)])  # until the disk confirms one, each must be confirmed
    monkeypatch.undo()
    spool.append([span(3)])
    spool.close()
    assert kept(tmp_path) == [1, 3]


def test_a_segment_that_cannot_be_sealed_is_sealed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = opened(tmp_path, interval=0.01)

    def refuse(_self: Path, _target: Path) -> Path:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        spool.append([span(1)])
        with pytest.raises(StorageError, match="cannot be sealed"):
            spool.rotate()
        time.sleep(0.05)  # the keeper meets the same and lives
    spool.append([span(2)])
    spool.close()
    assert kept(tmp_path) == [1, 2]


def test_a_directory_that_vanished_is_a_storage_error(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool")
    shutil.rmtree(tmp_path / "spool")
    with pytest.raises(StorageError, match="no new segment"):
        spool.append([span(1)])
    (tmp_path / "spool").mkdir()
    spool.append([span(2)])
    spool.close()
    assert kept(tmp_path / "spool") == [2]


def test_recovery_and_creation_may_race(tmp_path: Path) -> None:
    """A segment that another process seals between open(2) and flock(2) is not written to."""
    stop = threading.Event()

    def recover() -> None:
        while not stop.is_set():
            segments.recover(tmp_path)

    thread = threading.Thread(target=recover)
    thread.start()
    try:
        for number in range(300):
            spool = SegmentSpool(tmp_path, fsync="never", interval=60)
            spool.open()
            spool.append([span(number)])
            spool.close()
    finally:
        stop.set()
        thread.join()
    assert kept(tmp_path) == list(range(300))
