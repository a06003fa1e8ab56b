"""Odd and hostile spans, and disks that are full: what is there stays readable, and nothing is taken twice."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from moat.adapters.duckdb import DuckTraces
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter
from moat.telemetry.shipper import Shipper
from moat.telemetry.spool import SegmentSpool


def span(number: int, **fields: object) -> Span:
    base = Span(
        span_id=f"{number:016x}", trace_id=f"{number:032x}", kind="call", name="chat", started_ns=1, duration_ns=1
    )
    return msgspec.structs.replace(base, **fields)


def ingest(store: DuckTraces, folder: Path, *spans: Span) -> int:
    segment = folder / "segment.ndjson"
    segment.write_bytes(msgspec.json.Encoder().encode_lines(spans))
    return store.ingest([segment])


def test_a_million_attributes_are_a_span_like_any_other(tmp_path: Path) -> None:
    """It is looked for where it is: to read it again as a dictionary takes longest."""
    many = {f"k{number}": number for number in range(1_000_000)}
    with closing(DuckTraces.open(tmp_path / "traces.duckdb")) as store:
        assert ingest(store, tmp_path, span(1, attributes=many), span(2)) == 2
        del many
        assert store.usages(["error"], TraceFilter(q="attributes.k999999 = 999999"))[0].calls == 1
        assert store.search(TraceFilter(q="not attributes.k999999")) == [span(2)]
        assert store.trace(span(2).trace_id) == [span(2)]


@pytest.mark.parametrize("started_ns", [-(2**63), -1, 0, 2**63 - 1])
def test_a_clock_that_jumps_makes_spans_of_any_time(tmp_path: Path, started_ns: int) -> None:
    with closing(DuckTraces.open(tmp_path / "traces.duckdb")) as store:
        odd = span(1, started_ns=started_ns, duration_ns=2**63 - 1)
        assert ingest(store, tmp_path, odd, span(2, started_ns=1_790_000_000_000_000_000)) == 2
        assert ingest(store, tmp_path, odd) == 0
        assert odd in store.search(TraceFilter())
        assert sum(row.calls for row in store.series([], TraceFilter(), 3600 * 10**9)) == 2
        assert sum(visit.calls for visit in store.users(TraceFilter())) == 0
        assert list(store.pages(TraceFilter(trace_id=odd.trace_id))) == [[odd]]


@pytest.mark.promise("keep-1")
def test_a_segment_whose_end_is_broken_gives_its_whole_lines(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    lines = [msgspec.json.encode(span(number)) for number in range(1, 4)]
    broken = lines[2][:40] + b"\x00\xff\x00" + lines[2][43:]
    (spool / f"{1:020d}-1-dead.open").write_bytes(b"\n".join([lines[0], broken, lines[1], lines[2][:30]]))
    with closing(DuckTraces.open(tmp_path / "traces.duckdb")) as store:
        assert Shipper(spool, store).drain() == 2
        assert (store.kept().spans, store.kept().rejects) == (2, 1)
        late = SegmentSpool(spool)
        late.open()
        late.append([span(1), span(4, started_ns=-5)])
        late.close()
        assert Shipper(spool, store).drain() == 1
        assert store.kept().first_ns == -5


FULL = """
import json, random, resource, sys
from pathlib import Path
import msgspec
from moat.adapters.duckdb import DuckTraces
from moat.domain.errors import StorageError
from moat.domain.spans import Span
from moat.ports.traces import Retention, TraceFilter

root = Path(sys.argv[1])
store, segment = DuckTraces.open(root / "traces.duckdb"), root / "s.ndjson"
segment.write_bytes(msgspec.json.Encoder().encode_lines([
    Span(span_id=str(n), trace_id=str(n), kind="call", name="chat", started_ns=n, duration_ns=1,
         input=random.randbytes(1000).hex()) for n in range(1, 1001)]))
store.ingest([segment])
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, limits[1]))
failed = []
for work in (lambda: store.backup(root / "copy.duckdb"), store.compact):
    try:
        work()
    except StorageError as error:
        failed.append(str(error))
    failed.append(store.kept().spans)
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
store.backup(root / "copy.duckdb")
store.compact()
gone = store.expire(Retention(spans_ns=501))
store.close()
print(json.dumps([failed, gone, sorted(path.name for path in root.iterdir())]))
"""


@pytest.mark.promise("keep-2")
def test_a_disk_that_is_full_for_a_copy_costs_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    failed, gone, files = msgspec.json.decode(done.stdout)
    assert (failed[1], failed[3], gone) == (1000, 1000, 500)
    assert all("trace store failed" in text or "cannot be written" in text for text in failed[::2])
    assert [name for name in files if not name.endswith(".wal")] == ["copy.duckdb", "s.ndjson", "traces.duckdb"]
    with closing(DuckTraces.open(tmp_path / "copy.duckdb")) as copy:
        assert copy.kept().spans == 1000
