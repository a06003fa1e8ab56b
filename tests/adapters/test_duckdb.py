"""DuckDB keeps the contract of the trace store, and what is its own: one owner, versions, rejects."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import msgspec
import pytest

from moat.adapters.duckdb import DuckTraces, schema
from moat.domain.errors import DocumentError, StorageError, Unavailable
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter
from moat.testing.contracts import opinions, totals, traces


@pytest.mark.parametrize("check", [*traces.CHECKS, *totals.CHECKS, *opinions.CHECKS], ids=lambda check: check.__name__)
def test_contract(check: Callable[[traces.OpenTraces], None], tmp_path: Path) -> None:
    @contextmanager
    def open_store() -> Iterator[DuckTraces]:
        with closing(DuckTraces.open(tmp_path / "traces.duckdb")) as store:
            yield store

    check(open_store)


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def line(number: int) -> bytes:
    span = Span(span_id=f"{number:016x}", trace_id="t", kind="call", name="chat", started_ns=number, duration_ns=1)
    return msgspec.json.encode(span)


def rejects(path: Path) -> list[tuple[object, ...]]:
    with closing(duckdb.connect(str(path))) as connection:
        return connection.execute("SELECT segment, line, reason, content FROM rejects ORDER BY line").fetchall()


def test_columns_are_those_of_a_span(tmp_path: Path) -> None:
    DuckTraces.open(tmp_path / "traces.duckdb").close()
    with closing(duckdb.connect(str(tmp_path / "traces.duckdb"))) as connection:
        columns = connection.execute("DESCRIBE spans").fetchall()
    assert sorted(column[0] for column in columns) == sorted(Span.__struct_fields__)


def test_rejects_keep_line_reason_and_content_once(tmp_path: Path) -> None:
    segment = write(tmp_path / "s.ndjson", line(1), b"{\xff}", b'{"span_id":"x"}')
    with closing(DuckTraces.open(tmp_path / "traces.duckdb")) as store:
        assert store.ingest([segment]) == 1
        assert store.ingest([segment]) == 0
    bad, incomplete = rejects(tmp_path / "traces.duckdb")
    assert (bad[0], bad[1], bad[3]) == ("s.ndjson", 2, b"{\xff}")
    assert incomplete[1:] == (3, "Object missing required field `trace_id`", b'{"span_id":"x"}')


def test_a_batch_is_committed_whole_or_not_at_all(tmp_path: Path) -> None:
    good = write(tmp_path / "a.ndjson", line(1), b"bad")
    with closing(DuckTraces.open(tmp_path / "traces.duckdb")) as store:
        with pytest.raises(DocumentError, match="cannot be read") as refusal:
            store.ingest([good, tmp_path / "missing.ndjson"])
        assert "missing.ndjson" in refusal.value.where
        assert store.search(TraceFilter()) == []
    assert rejects(tmp_path / "traces.duckdb") == []


def test_a_full_scratch_disk_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = write(tmp_path / "s.ndjson", line(1))
    with closing(DuckTraces.open(tmp_path / "traces.duckdb")) as store:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
        with pytest.raises(StorageError, match="no room"):
            store.ingest([segment])
        monkeypatch.undo()
        assert store.ingest([segment]) == 1


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = DuckTraces.open(tmp_path / "traces.duckdb")
    store.close()
    store.close()
    with pytest.raises(StorageError, match="is closed"):
        store.search(TraceFilter())


@contextmanager
def owner_of(path: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """Another process that has the store open until its standard input ends."""
    program = (
        "import sys; from pathlib import Path; from moat.adapters.duckdb import DuckTraces\n"
        "store = DuckTraces.open(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"open\n"
        yield owner


def test_a_second_process_is_told_who_owns_the_store(tmp_path: Path) -> None:
    path = tmp_path / "traces.duckdb"
    with owner_of(path) as owner:
        with pytest.raises(Unavailable, match="another process") as refusal:
            DuckTraces.open(path, patience=0.1)
        assert f"(PID {owner.pid})" in refusal.value.what
        for words in ("`moat` command", "`moat serve`"):
            assert words in refusal.value.remedy
        owner.communicate(b"")
    DuckTraces.open(path).close()


def test_a_second_process_waits_for_the_first_to_be_done(tmp_path: Path) -> None:
    path = tmp_path / "traces.duckdb"
    with owner_of(path) as owner:
        with pytest.raises(Unavailable):
            DuckTraces.open(path, patience=0)
        assert owner.stdin is not None
        leave = threading.Timer(0.2, owner.stdin.close)
        leave.start()
        DuckTraces.open(path, patience=60).close()
        leave.join()


_MANY = """
import sys
from pathlib import Path
from moat.adapters.duckdb import DuckTraces
print("ready", flush=True)
for name in sys.stdin:
    DuckTraces.open(Path(name.strip()), patience=60).close()
    print("opened", flush=True)
"""


def test_processes_that_make_the_store_at_the_same_time_find_one(tmp_path: Path) -> None:
    others = [
        subprocess.Popen([sys.executable, "-c", _MANY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [_read_line(other) for other in others] == ["ready"] * 3
    for number in range(40):
        for other in others:
            assert other.stdin
            other.stdin.write(f"{tmp_path / str(number) / 'traces.duckdb'}\n")
            other.stdin.flush()
        assert [_read_line(other) for other in others] == ["opened"] * 3
    for other in others:
        other.communicate()


def _read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_what_a_killed_process_left_of_a_new_store_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "traces.duckdb.new").write_bytes(b"half")
    (tmp_path / "traces.duckdb.new.wal").write_bytes(b"half")
    with closing(DuckTraces.open(tmp_path / "traces.duckdb")) as store:
        assert store.search(TraceFilter()) == []
    assert not list(tmp_path.glob("*.new*"))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_files_are_for_their_owner_only(tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path, log = tmp_path / "traces.duckdb", tmp_path / "traces.duckdb.wal"
    segment = tmp_path / "s.ndjson"
    before = os.umask(umask)
    try:
        for number in range(2):  # a new file, and one that was closed
            with closing(DuckTraces.open(path)) as store:
                for again in range(2):  # a new log, and one after a checkpoint
                    assert store.ingest([write(segment, line(10 * number + again))]) == 1
                    assert [oct(file.stat().st_mode & 0o777) for file in (path, log)] == ["0o600", "0o600"]
                    store._ask("CHECKPOINT", [])
                    assert not log.exists()
    finally:
        os.umask(before)


def test_the_mode_that_somebody_chose_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "traces.duckdb"
    DuckTraces.open(path).close()
    path.chmod(0o640)
    DuckTraces.open(path).close()
    assert path.stat().st_mode & 0o777 == 0o640


KILLED = """
import os, signal, sys
from pathlib import Path
from moat.adapters.duckdb import DuckTraces

store = DuckTraces.open(Path(sys.argv[1]))
store.ingest([Path(sys.argv[2])])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_log_made_in_advance_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "traces.duckdb"
    for number in range(3):
        segment = write(tmp_path / "s.ndjson", line(number))
        subprocess.run([sys.executable, "-c", KILLED, str(path), str(segment)], check=False)
    assert path.with_name("traces.duckdb.wal").stat().st_size > 0
    with closing(DuckTraces.open(path)) as store:
        assert [span.started_ns for span in store.search(TraceFilter())] == [2, 1, 0]


def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "traces.duckdb"
    path.write_bytes(b"something else entirely" * 1000)
    with pytest.raises(StorageError, match="cannot be opened"):
        DuckTraces.open(path)
    assert path.read_bytes() == b"something else entirely" * 1000


def test_a_store_of_a_newer_moat_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "traces.duckdb"
    DuckTraces.open(path).close()
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99)")
    with pytest.raises(StorageError, match="schema 99"):
        DuckTraces.open(path)


def test_an_older_store_is_brought_forward_and_a_failed_step_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "traces.duckdb"
    with closing(DuckTraces.open(path)) as store:
        store.ingest([write(tmp_path / "s.ndjson", line(1))])
    add = "ALTER TABLE rejects ADD COLUMN at_ns BIGINT"
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, (add, "SELECT broken")))
    with pytest.raises(StorageError, match="broken"):
        DuckTraces.open(path)
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS[:-1], (add,)))
    with closing(DuckTraces.open(path)) as store:
        assert len(store.search(TraceFilter())) == 1
    with closing(duckdb.connect(str(path))) as connection:
        assert connection.execute("SELECT max(version) FROM schema_version").fetchall() == [(len(schema.STEPS),)]
        assert "at_ns" in [column[0] for column in connection.execute("DESCRIBE rejects").fetchall()]


def test_a_store_of_before_rollouts_is_brought_forward_and_takes_old_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, steps = tmp_path / "traces.duckdb", schema.STEPS
    monkeypatch.setattr(schema, "STEPS", steps[:1])
    DuckTraces.open(path).close()
    with closing(duckdb.connect(str(path))) as connection:
        columns = connection.execute("DESCRIBE spans").fetchall()
        values = {"span_id": "1" * 16, "trace_id": "t", "kind": "call", "name": "chat", "started_ns": 1}
        row = [values.get(name, "" if kind == "VARCHAR" else 0) for name, kind, *_ in columns]
        row[-3:] = None, None, None  # input, output, attributes
        connection.execute(f"INSERT INTO spans VALUES ({', '.join('?' * len(row))})", row)
    monkeypatch.setattr(schema, "STEPS", steps)
    canary = Span(
        span_id="3" * 16, trace_id="t", kind="call", name="chat", started_ns=3, duration_ns=1,
        arm="canary", experiment="e", shadow_of="req_1",
    )  # fmt: skip
    with closing(DuckTraces.open(path)) as store:
        assert store.ingest([write(tmp_path / "s.ndjson", line(2), msgspec.json.encode(canary))]) == 2
        found = store.search(TraceFilter())
        assert [(span.arm, span.experiment, span.shadow_of) for span in found] == [
            ("canary", "e", "req_1"),
            ("", "", ""),
            ("", "", ""),
        ]
        assert [span.started_ns for span in store.search(TraceFilter(shadow=False))] == [2, 1]
        assert [usages.group for usages in store.usages(["arm"], TraceFilter())] == [("",), ("canary",)]


FILL = """
import json, random, resource, sys
from pathlib import Path
import msgspec
from moat.adapters.duckdb import DuckTraces, opening
from moat.domain.errors import StorageError
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter

opening._SETTINGS["checkpoint_threshold"] = sys.argv[2]
root = Path(sys.argv[1])
store, segment, known, failures = DuckTraces.open(root / "traces.duckdb"), root / "s.ndjson", 0, []
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
for batch in range(60):
    segment.write_bytes(msgspec.json.Encoder().encode_lines([
        Span(span_id=f"{batch}-{n}", trace_id="t", kind="call", name="chat", started_ns=1, duration_ns=1,
             input=random.randbytes(1000).hex()) for n in range(100)]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_500_000, limits[1]))
    try:
        known += store.ingest([segment])
    except StorageError as error:
        failures.append(str(error))
        break
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
readable = store.usages([], TraceFilter())[0].calls
again = store.ingest([segment])
total = store.usages([], TraceFilter())[0].calls
store.close()
print(json.dumps({"failures": failures, "known": known, "readable": readable, "again": again, "total": total}))
"""


@pytest.mark.promise("keep-2")
@pytest.mark.parametrize("checkpoint_threshold", ["1MB", "64MB"])
def test_a_disk_that_is_full_for_a_while_costs_nothing(tmp_path: Path, checkpoint_threshold: str) -> None:
    """In a commit the batch is taken back; in a checkpoint it is kept, though DuckDB gives its database up."""
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path), checkpoint_threshold],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = msgspec.json.decode(done.stdout)
    assert len(found["failures"]) == 1
    assert ("opened anew" in found["failures"][0]) == (checkpoint_threshold == "1MB")
    assert found["readable"] + found["again"] == found["total"] == found["known"] + 100
