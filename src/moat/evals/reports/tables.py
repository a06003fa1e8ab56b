"""A report for programs: JSON as one document, Parquet as one row for each case, repeat and score."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from moat.domain.errors import StorageError
from moat.domain.scores import Result, Run
from moat.evals.reports.cases import CaseReport
from moat.evals.reports.report import RunReport, subject

FORMAT, VERSION = "moat-eval-report", 1
"""The version is raised when a member goes or changes its meaning, not when one is added."""

COLUMNS = {
    "side": "VARCHAR",
    "run": "VARCHAR",
    "suite": "VARCHAR",
    "subject": "VARCHAR",
    "model": "VARCHAR",
    "case": "VARCHAR",
    "repeat": "INTEGER",
    "change": "VARCHAR",
    "golden": "BOOLEAN",
    "split": "VARCHAR",
    "cluster": "VARCHAR",
    "tags": "VARCHAR[]",
    "labels": "JSON",
    "variables": "JSON",
    "expected": "JSON",
    "output": "VARCHAR",
    "tool_calls": "JSON",
    "error": "VARCHAR",
    "latency_ns": "BIGINT",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cost": "BIGINT",
    "trace_id": "VARCHAR",
    "score": "VARCHAR",
    "value": "DOUBLE",
    "status": "VARCHAR",
    "reason": "VARCHAR",
    "evidence": "JSON",
    "scoring_cost": "BIGINT",
}
"""Of the Parquet file, with DuckDB's types; `side` is `candidate` or `baseline`, money in picodollars."""

ROW_GROUP = 20_480
"""Rows that DuckDB holds before it writes them."""
LEAST_BUFFER = 2**22
"""Bytes that DuckDB reads at a time, or those of the longest row as JSON: it takes several times as much memory."""


def json_parts(report: RunReport) -> Iterator[bytes]:
    """One document, piece by piece: `format`, `version`, and the members of `RunReport` by their names."""
    members = {name: getattr(report, name) for name in report.__struct_fields__ if name != "cases"}
    yield msgspec.json.encode({"format": FORMAT, "version": VERSION, **members})[:-1] + b',"cases":['
    for place, one in enumerate(report.cases):
        yield (b"," if place else b"") + msgspec.json.encode(one)
    yield b"]}\n"


def rows(report: RunReport) -> Iterator[dict[str, Any]]:
    """The rows of the Parquet file: candidate first, then the baseline; a result without scores has one row."""
    for one in report.cases:
        yield from _rows("candidate", report.run, one, one.candidate)
    if report.baseline is not None:
        for one in report.cases:
            yield from _rows("baseline", report.baseline, one, one.baseline)


def write_parquet(report: RunReport, path: Path) -> None:
    """Write the file, whole or not at all. Raises `StorageError`."""
    import duckdb

    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
            lines, made = Path(folder) / "rows.jsonl", Path(folder) / "made.parquet"
            longest = LEAST_BUFFER
            with lines.open("wb") as file:
                for row in rows(report):
                    longest = max(longest, file.write(msgspec.json.encode(row) + b"\n"))
            with duckdb.connect(config={"threads": 1}) as connection:
                table = connection.read_json(
                    str(lines), format="newline_delimited", columns=COLUMNS, maximum_object_size=longest
                )
                table.write_parquet(str(made), compression="zstd", row_group_size=ROW_GROUP)
            made.replace(path)
    except (OSError, duckdb.Error) as error:
        raise StorageError(f"the report cannot be written: {error}", where=str(path)) from None


def _rows(side: str, run: Run, one: CaseReport, results: tuple[Result, ...]) -> Iterator[dict[str, Any]]:
    case = one.case
    for result in results:
        row = {
            "side": side,
            "run": run.id,
            "suite": run.suite,
            "subject": subject(run),
            "model": run.model,
            "case": case.id,
            "repeat": result.repeat,
            "change": one.change,
            "golden": case.golden,
            "split": case.split,
            "cluster": case.cluster,
            "tags": case.tags,
            "labels": case.labels,
            "variables": case.variables,
            "expected": case.expected,
            "output": result.output,
            "tool_calls": result.tool_calls,
            "error": result.error,
            "latency_ns": result.latency_ns,
            "input_tokens": result.input_tokens,
            "output_tokens": result.output_tokens,
            "cost": result.cost,
            "trace_id": result.trace_id,
        }
        if not result.scores:
            yield row
        for score in result.scores:
            yield row | {
                "score": score.name,
                "value": score.value,
                "status": score.status,
                "reason": score.reason,
                "evidence": score.evidence,
                "scoring_cost": score.cost,
            }
