"""`moat spend trend`: divided, drawn, and in the forms of the other reports."""

import csv
import io

from tests.bootstrap.projects import Project
from tests.cli.test_spend import COST, DAY, paid, record


def test_the_trend_by_model_and_feature_in_every_form(project: Project) -> None:
    record(project, paid(1, feature="chat"), paid(2, feature="search", ago=DAY), paid(3, feature="chat", ago=DAY))
    shown = project.ok("spend", "trend", "--days", "3", "--by", "feature").out
    assert "day by day" in shown
    assert "chat" in shown
    assert "·██" in shown
    assert project.ok("spend", "trend", "--days", "3", "--by", "model,feature", "--format", "html").out.count("·█") == 2
    rows = list(csv.DictReader(io.StringIO(project.ok("spend", "trend", "--by", "feature", "--format", "csv").out)))
    assert sorted((row["feature"], row["calls"]) for row in rows) == [("chat", "1"), ("chat", "1"), ("search", "1")]
    found = project.ok("spend", "trend", "--by", "feature", "--top", "1", "--json").json["sheets"]
    assert list(found) == ["days"]
    assert {(row["feature"], row["cost"]) for row in found["days"]} == {("chat", COST), ("(others)", COST)}


def test_the_bars_stand_under_the_table_and_fit_a_terminal(project: Project) -> None:
    record(project, paid(1), paid(2, ago=DAY, cost=COST // 2))
    shown = project.ok("spend", "trend", "--days", "2").out
    assert shown.index("Days") < shown.index("Cost by day")
    bars = [line for line in shown.splitlines() if "█" in line]
    assert [line.count("█") for line in bars] == [15, 30]
    assert max(map(len, bars)) <= 80
    assert all("\x1b" not in line for line in bars), "readable when piped"


def test_the_trend_by_key_names_the_keys(project: Project) -> None:
    made = project.ok("keys", "create", "--name", "shop backend", "--json").json
    record(project, paid(1, key=made["id"]))
    assert project.ok("spend", "trend", "--by", "key").out.count("shop backend") == 2


def test_what_the_trend_cannot_be_divided_by_is_refused(project: Project) -> None:
    done = project.run("spend", "trend", "--by", "colour")
    assert done.code not in (0, 1, 2, 70)
    assert "'colour' is no dimension" in done.err
