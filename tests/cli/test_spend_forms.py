"""What `moat spend` says beside its sums, and the forms that other programs read."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import duckdb
from msgspec.structs import replace

from moat.domain.spans import Span
from tests.bootstrap.projects import Project
from tests.cli.test_spend import COST, DAY, paid, record


def refused(number: int) -> list[Span]:
    """A call that a limit refused: no attempt, and no model."""
    (call, *_) = paid(number, cost=0, input_tokens=0, output_tokens=0, error="limit_exceeded")
    return [replace(call, attempts=0)]


def test_calls_that_were_refused_cost_nothing_and_are_not_in_the_mean(project: Project) -> None:
    record(project, paid(1), paid(2), refused(3))
    found = project.ok("spend", "--by", "tenant", "--json").json
    (row,) = found["sheets"]["spend"]
    assert (row["calls"], row["requests"], row["cost"], row["per_call"]) == (3, 2, 2 * COST, COST)
    assert found["notes"] == ["1 of 3 calls were refused before any request, and are not in `per call`."]
    record(project, refused(4), refused(5))
    only = project.ok("spend", "--by", "feature", "--tenant", "acme", "--json").json["sheets"]["spend"]
    assert only[0]["per_call"] == COST


def test_several_sheets_are_one_csv_that_duckdb_reads(project: Project, tmp_path: Path) -> None:
    record(project, *(paid(n, ago=n * DAY) for n in range(1, 12)))
    for report in ("week", "review"):
        text = project.ok("spend", report, "--format", "csv").out
        widths = {len(row) for row in csv.reader(io.StringIO(text))}
        assert len(widths) == 1
        file = tmp_path / f"{report}.csv"
        file.write_text(text, newline="")
        sheets = project.ok("spend", report, "--json").json["sheets"]
        counted = duckdb.sql(f"SELECT section, count(*) FROM read_csv('{file}') GROUP BY section").fetchall()
        assert dict(counted) == {key: len(rows) for key, rows in sheets.items() if rows}
        assert "cost_usd" in duckdb.sql(f"FROM read_csv('{file}')").columns


def test_a_table_in_a_file_is_the_table(project: Project, tmp_path: Path) -> None:
    record(project, paid(1, feature="search"))
    file = tmp_path / "spend.txt"
    assert project.ok("spend", "--by", "feature", "--output", str(file)).out == ""
    text = file.read_text()
    assert "| " not in text
    assert re.search(r"^search +1 +1 ", text, re.MULTILINE)
    shown = project.ok("spend", "--by", "feature").out
    period = re.compile(r"^.* to .*\(UTC\)", re.MULTILINE)
    assert period.sub("", text) == period.sub("", shown)


def test_keys_have_names(project: Project) -> None:
    made: Any = project.ok("keys", "create", "--name", "shop backend", "--json").json
    record(project, paid(1, key=made["id"]), paid(2, key="key_gone"))
    for report in ("", "review"):
        found = project.ok(*filter(None, ("spend", report)), "--by", "key", "--json").json["sheets"]
        rows = next(iter(rows for title, rows in found.items() if rows and "key_name" in rows[0]))
        assert {row["key"]: row["key_name"] for row in rows} == {made["id"]: "shop backend", "key_gone": ""}
    assert "shop backend" in project.ok("spend", "--by", "tenant,key").out
    assert "key_name" not in project.ok("spend", "--by", "tenant", "--json").out


def test_a_page_shows_commands_as_such_and_dates_in_one_line(project: Project) -> None:
    record(project, paid(1, cost=None))
    page = project.ok("spend", "week", "--format", "html").out
    assert "<code>moat spend reprice</code>" in page
    assert "`" not in page
    assert re.search(r"<td class=t>\w{3} \d{4}-\d\d-\d\d</td>", page)
    assert re.search(r"th,\.t\{white-space:nowrap\}", page)
