"""What is old goes, holes are closed, copies are whole: while others read and write, and when somebody is killed."""

import random
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import duckdb
import msgspec
import pytest

from moat.adapters.duckdb import DuckTraces, retention, schema
from moat.adapters.duckdb.gate import Gate
from moat.domain.errors import StorageError, Unavailable
from moat.domain.spans import Span
from moat.ports.traces import Retention, TraceFilter

HOUR = 3600 * 10**9


def span(number: int, started_ns: int) -> Span:
    return Span(
        span_id=f"{number:016x}",
        trace_id=f"{number:032x}",
        kind="call",
        name="chat",
        started_ns=started_ns,
        duration_ns=1,
        request_id=f"req_{number}",
        input=f"question {number}",
        output="answer",
    )


def filled(path: Path, times: list[int]) -> DuckTraces:
    segment = path.with_name("segment.ndjson")
    segment.write_bytes(msgspec.json.Encoder().encode_lines(span(n, at) for n, at in enumerate(times, start=1)))
    store = DuckTraces.open(path)
    store.ingest([segment])
    return store


@pytest.mark.promise("keep-3")
@pytest.mark.parametrize("batch", [1, 3, 7, 1000])
def test_time_is_cut_into_steps_of_bounded_size(tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", batch)
    times = [1, 2, 3, HOUR, HOUR + 1, *(5 * HOUR + n * HOUR // 20 for n in range(20)), 9 * HOUR]
    with closing(filled(tmp_path / "traces.duckdb", times)) as store:
        until = 5 * HOUR + HOUR // 2
        old = sum(at < until for at in times)
        with store._cursor() as cursor:
            found = list(retention.steps(cursor, Retention(spans_ns=until)))
        assert max(step.spans for step in found) <= max(batch, 1)
        assert store.expire(Retention(spans_ns=until), dry_run=True) == old
        assert store.kept().spans == len(times)
        assert store.expire(Retention(content_ns=until)) == old
        assert store.expire(Retention(spans_ns=until)) == old
        assert [call.started_ns for call in reversed(store.search(TraceFilter()))] == [
            at for at in times if at >= until
        ]


def test_rejected_lines_go_with_the_content_of_their_time(tmp_path: Path) -> None:
    with closing(DuckTraces.open(tmp_path / "traces.duckdb")) as store:
        for name in (f"{5:020d}-1-a.ndjson", f"{50:020d}-1-b.ndjson", "odd.ndjson"):
            (tmp_path / name).write_bytes(b"secret\n")
            store.ingest([tmp_path / name])
        store.expire(Retention(content_ns=50))
        assert store.kept().rejects == 2


def test_compacting_gives_the_room_of_deleted_spans_back(tmp_path: Path) -> None:
    path = tmp_path / "traces.duckdb"
    noise = random.Random(1)
    with closing(filled(path, [1])) as store:
        segment = tmp_path / "segment.ndjson"
        lines = [msgspec.structs.replace(span(n, n), input=noise.randbytes(1000).hex()) for n in range(2, 2001)]
        segment.write_bytes(msgspec.json.Encoder().encode_lines(lines))
        store.ingest([segment])
        store._ask("CHECKPOINT", [])
        full = store.kept().bytes
        assert full > 1_500_000
        store.expire(Retention(spans_ns=2000))
        store.compact()
        assert store.kept().bytes < full / 2
        assert [call.started_ns for call in store.search(TraceFilter())] == [2000]
        assert path.stat().st_mode & 0o777 == 0o600
        assert store.ingest([segment]) == 1998
    with closing(DuckTraces.open(path)) as store:
        assert store.kept().spans == 1999


def test_a_copy_is_of_one_moment_while_spans_come_and_go(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "traces.duckdb", list(range(1, 2001)))) as store:
        done = threading.Event()
        worked: list[int] = []

        def work() -> None:
            while not done.is_set():
                number = 10_000 + len(worked)
                segment = tmp_path / "more.ndjson"
                segment.write_bytes(msgspec.json.encode(span(number, number)) + b"\n")
                worked.append(store.ingest([segment]))

        thread = threading.Thread(target=work)
        thread.start()
        try:
            for number in range(3):
                store.backup(tmp_path / f"copy{number}.duckdb")
            store.compact()
        finally:
            done.set()
            thread.join()
        assert store.kept().spans == 2000 + len(worked)
    for number in range(3):
        with closing(DuckTraces.open(tmp_path / f"copy{number}.duckdb")) as copy:
            times = [call.started_ns for call in reversed(copy.search(TraceFilter(), 10**6))]
        assert times == [*range(1, 2001), *range(10_000, 10_000 + len(times) - 2000)]
    assert not list(tmp_path.glob("*.new*"))


def test_a_copy_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "traces.duckdb", [1])) as store:
        with pytest.raises(StorageError, match="cannot be written"):
            store.backup(tmp_path / "nowhere" / "copy.duckdb")
        assert store.kept().spans == 1
        store.backup(tmp_path / "it's.duckdb")
    with closing(DuckTraces.open(tmp_path / "it's.duckdb")) as copy:
        assert copy.trace("req_1") == [span(1, 1)]


def test_compacting_waits_for_readers_but_not_for_ever(tmp_path: Path) -> None:
    gate = Gate()
    with gate.inside():
        with pytest.raises(Unavailable, match="being read"), gate.alone(0.01):
            pass
    order: list[str] = []
    with gate.alone(1):
        reader = threading.Thread(target=lambda: _read(gate, order))
        reader.start()
        order.append("alone")
    reader.join()
    assert order == ["alone", "inside"]


def _read(gate: Gate, order: list[str]) -> None:
    with gate.inside():
        order.append("inside")


KILLED = """
import sys, threading, os, signal, time
from pathlib import Path
from moat.adapters.duckdb import DuckTraces, retention
from moat.ports.traces import Retention
retention.BATCH = 50
store = DuckTraces.open(Path(sys.argv[1]))
threading.Timer(float(sys.argv[3]), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
while True:
    if sys.argv[2] == "backup":
        store.backup(Path(sys.argv[1] + ".copy"))
    elif sys.argv[2] == "compact":
        store.compact()
    else:
        for hour in range(1, 100):
            store.expire(Retention(content_ns=hour * 3600 * 10**9))
        time.sleep(60)
"""


@pytest.mark.promise("keep-1")
@pytest.mark.promise("keep-3")
@pytest.mark.parametrize("work", ["expire", "backup", "compact"])
def test_a_kill_on_the_way_costs_nothing(tmp_path: Path, work: str) -> None:
    path = tmp_path / "traces.duckdb"
    times = [n * HOUR // 10 for n in range(1, 1001)]
    filled(path, times).close()
    for delay in ("0.03", "0.2"):
        done = subprocess.run([sys.executable, "-c", KILLED, str(path), work, delay], capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        with closing(DuckTraces.open(path)) as store:
            kept = [call for page in store.pages(TraceFilter(), 5000) for call in page]
            assert [call.started_ns for call in kept] == times
            assert all(call.input in (None, f"question {n}") for n, call in enumerate(kept, start=1))
            if work != "expire":
                assert all(call.input for call in kept)
    copy = Path(f"{path}.copy")
    if copy.exists():
        with closing(DuckTraces.open(copy)) as store:
            assert store.kept().spans == len(times)


def test_a_store_of_before_feedback_is_brought_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "traces.duckdb"
    with monkeypatch.context() as earlier:
        earlier.setattr(schema, "STEPS", schema.STEPS[:5])
        DuckTraces.open(path).close()
    with closing(duckdb.connect(str(path))) as connection:
        columns = [column[0] for column in connection.execute("DESCRIBE spans").fetchall()]
        assert "guard" not in columns
        values = ", ".join(f'? AS "{name}"' for name in columns)
        row = [getattr(span(1, 5), name) if name not in ("input", "output", "attributes") else None for name in columns]
        connection.execute(f"INSERT INTO spans BY NAME SELECT {values}", row)
    with closing(DuckTraces.open(path)) as store:
        (found,) = store.search(TraceFilter(q="not guarded and tools = '' and service = ''"))
        assert (found.started_ns, found.fingerprint) == (5, "")
        store.compact()
        assert store.search(TraceFilter()) == [found]
        assert store.kept().opinions == 0


def test_no_transaction_stays_open(tmp_path: Path) -> None:
    """After an update, DuckDB writes no checkpoint while an older transaction is there: its log would only grow."""
    with closing(filled(tmp_path / "traces.duckdb", [1, 2, 3])) as store:
        store.expire(Retention(content_ns=2))
        for _ in store.pages(TraceFilter(), 1):
            pass
        store.backup(tmp_path / "copy.duckdb")
        store.expire(Retention(content_ns=3, spans_ns=2))
        store._ask("CHECKPOINT", [])
        log = tmp_path / "traces.duckdb.wal"
        assert not log.exists() or log.stat().st_size == 0
