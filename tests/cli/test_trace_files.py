"""`moat traces export|expire|compact|size`: files that other tools read, and how long traces stay."""

import json
import time
from contextlib import closing
from pathlib import Path

import duckdb
import msgspec
import pytest

from moat.adapters.duckdb import ParquetFiles, parquet
from moat.domain.spans import Span
from moat.telemetry import otlp
from tests.bootstrap.projects import Project
from tests.cli.test_traces import record

DAY = 86_400 * 10**9
FIRST = 1_790_000_000_000_000_000 // DAY * DAY


def spans() -> list[Span]:
    """Three traces of a call and an attempt on three days, one that is in two of them."""
    found = []
    for number in range(1, 4):
        call = Span(
            span_id=f"{number:016x}",
            trace_id=f"{number:032x}",
            kind="call",
            name="chat",
            started_ns=FIRST + number * DAY - 5,
            duration_ns=7,
            request_id=f"req_{number}",
            tenant=f"t{number % 2}",
            cost=number,
            input={"messages": [{"role": "user", "content": f"It's „{number}“"}]},
            attributes={"k": [number, None]},
        )
        attempt = msgspec.structs.replace(
            call,
            kind="attempt",
            span_id=f"a{number:015x}",
            parent_id=call.span_id,
            started_ns=call.started_ns + 3 * number,
        )
        found += [call, attempt]
    return found


def test_json_lines_are_spans_of_whole_traces(project: Project, tmp_path: Path) -> None:
    record(project, *spans())
    target = tmp_path / "out" / "traces.jsonl"
    done = project.ok("traces", "export", "tenant = t1", "--out", str(target), "--json").json
    lines = [msgspec.json.decode(line, type=Span) for line in target.read_bytes().splitlines()]
    assert lines == [span for span in spans() if span.tenant == "t1"]
    assert (done["spans"], done["traces"], done["bytes"]) == (4, 2, target.stat().st_size)
    again = project.run("traces", "export", "--out", str(target))
    assert (again.code, "is there already" in again.err) == (75, True)
    wrong = project.run("traces", "export", "tennant = x", "--out", str(tmp_path / "none"))
    assert (wrong.code, "Did you mean `tenant`?" in wrong.err) == (65, True)
    assert [path.name for path in tmp_path.joinpath("out").iterdir()] == ["traces.jsonl"]


def test_parquet_is_divided_by_day_and_read_by_others(project: Project, tmp_path: Path) -> None:
    record(project, *spans())
    target = tmp_path / "it's"
    project.ok("traces", "export", "--format", "parquet", "--out", str(target))
    files = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    assert files == [f"day=2026-09-{day}/part-0.parquet" for day in (21, 22, 23, 24)]
    with closing(duckdb.connect()) as connection:
        rows = connection.execute(
            "SELECT request_id, kind, cost, input, attributes, CAST(day AS VARCHAR) "
            f"FROM read_parquet('{str(target).replace(chr(39), chr(39) * 2)}/*/*.parquet', hive_partitioning = true) "
            "ORDER BY started_ns"
        ).fetchall()
    assert [(row[0], row[1], row[2], json.loads(row[3]), json.loads(row[4])) for row in rows] == [
        (span.request_id, span.kind, span.cost, span.input, span.attributes) for span in spans()
    ]
    assert [row[5] for row in rows] == [f"2026-09-{(span.started_ns - FIRST) // DAY + 21}" for span in spans()]


def test_parquet_needs_memory_for_a_few_days_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "PART_BYTES", 600)
    monkeypatch.setattr(parquet, "MAX_DAYS", 2)
    files = ParquetFiles(tmp_path)
    files.write(spans() * 3)
    assert len(list(tmp_path.glob(".*.ndjson"))) <= 2
    files.close()
    assert not list(tmp_path.glob(".*"))
    with closing(duckdb.connect()) as connection:
        count = connection.execute(f"SELECT count(*) FROM '{tmp_path}/*/*.parquet'").fetchone()
    assert count == (18,)


def test_otlp_is_what_a_collector_takes(project: Project, tmp_path: Path) -> None:
    record(project, *spans())
    target = tmp_path / "otlp"
    project.ok("traces", "export", "--format", "otlp", "--out", str(target))
    (body,) = (path.read_bytes() for path in target.iterdir())
    received = otlp.decode(body, "protobuf")
    assert [span.trace_id for span in received.spans] == [span.trace_id for span in spans()]


def test_what_is_old_goes_by_hand(project: Project) -> None:
    old, young = spans()[0], msgspec.structs.replace(spans()[2], started_ns=time.time_ns())
    record(project, msgspec.structs.replace(old, started_ns=time.time_ns() - 100 * DAY), young)
    assert "1 span would go" in project.ok("traces", "expire", "--dry-run").out
    assert "1 span went or lost" in project.ok("traces", "expire").out
    assert "0 spans went or lost" in project.ok("traces", "expire").out
    assert project.ok("traces", "show", "req_1", "--json").json[0].get("input") is None
    assert project.ok("traces", "show", "req_2", "--json").json[0]["input"] == young.input
    project.replace("moat.yaml", {"models:": "telemetry: {keep_days: 30}\nmodels:"})
    assert "1 span went" in project.ok("traces", "expire").out
    assert "now." in project.ok("traces", "compact").out
    assert "1 span, 0 opinions" in project.ok("traces", "size").out
    assert project.ok("traces", "size", "--json").json["spans"] == 1
