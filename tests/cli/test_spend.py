"""`moat spend` on recorded calls: forms, filters, time zones, and pricing anew, with and without a server."""

import csv
import io
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from moat.bootstrap.project import Project as Files
from moat.domain.spans import Span
from moat.telemetry.spool import SegmentSpool
from tests.bootstrap.projects import PROMPT, Project, eventually

MOMENT = 10**6
"""Short, so that no day ends in between."""
DAY = 86_400 * 10**9
COST = 100 * 600_000 + 10 * 2_400_000
"""Of 100 + 10 tokens at the example's prices."""


def paid(number: int, *, ago: int = MOMENT, fallback: bool = False, **fields: Any) -> list[Span]:
    """A call to the example's model, with its attempts, as a server leaves it behind."""
    whole: dict[str, Any] = {
        "tenant": "acme",
        "feature": "chat",
        "environment": "production",
        "prompt": PROMPT,
        "version": "1.0.0",
        "input_tokens": 100,
        "output_tokens": 10,
        "cost": COST,
        **fields,
    }
    call = Span(
        span_id=f"{number:015x}c",
        trace_id=f"{number:032x}",
        kind="call",
        name="chat",
        started_ns=time.time_ns() - ago,
        duration_ns=5_000_000,
        request_id=f"req_{number}",
        model="assistant",
        alias="assistant",
        provider="simulated",
        **whole,
    )
    one = replace(
        call,
        span_id=f"{number:015x}a",
        parent_id=call.span_id,
        kind="attempt",
        model="support-large",
        price_version="old",
    )
    failed = replace(one, span_id=f"{number:015x}b", model="support-small", error="provider_down", cost=0)
    return [call, one, *([failed] if fallback else [])]


def record(project: Project, *calls: list[Span]) -> None:
    spool = SegmentSpool(project.root / ".moat" / "spool")
    spool.open()
    spool.append([span for call in calls for span in call])
    spool.close()


def test_each_attempt_is_counted_where_it_was_made(project: Project) -> None:
    record(project, paid(1, fallback=True), paid(2, tenant="globex", cost=None))
    found = project.ok("spend", "--by", "model", "--json").json
    assert [(r["model"], r["requests"], r["cost"], r["failed"]) for r in found["sheets"]["spend"]] == [
        ("support-large", 2, COST, 0),
        ("support-small", 1, 0, 1),
    ]
    assert (found["totals"]["spend"]["calls"], found["totals"]["spend"]["unpriced"]) == (2, 1)
    assert "1 of 3 requests have no known price" in found["notes"][0]
    by_tenant = project.ok("spend", "--by", "tenant", "--no-shadow", "--environment", "production").out
    assert "unknown" in by_tenant
    record(project, paid(3, operation="embeddings"))
    found = project.ok("spend", "--by", "operation", "--json").json["sheets"]["spend"]
    assert {row["operation"]: row["calls"] for row in found} == {"chat": 2, "embeddings": 1}
    assert project.ok("spend", "--tenant", "nobody", "--json").json["sheets"]["spend"] == []


def test_every_report_has_every_form(project: Project, tmp_path: Path) -> None:
    record(project, *(paid(n, ago=n * DAY, feature="=cmd()") for n in range(1, 12)))
    for report in ([], ["trend", "--days", "3"], ["forecast"], ["week"], ["review"]):
        assert project.ok("spend", *report).out
        assert project.ok("spend", *report, "--format", "markdown").out.startswith("# ")
        assert project.ok("spend", *report, "--format", "html").out.startswith("<!doctype html>")
        assert project.ok("spend", *report, "--json").json["sheets"]
        assert list(csv.reader(io.StringIO(project.ok("spend", *report, "--format", "csv").out)))
    file = tmp_path / "spend.json"
    assert project.ok("spend", "--by", "feature", "--format", "json", "--output", str(file)).out == ""
    assert '"feature": "=cmd()"' in file.read_text()
    rows = list(csv.DictReader(io.StringIO(project.ok("spend", "--by", "feature", "--format", "csv").out)))
    assert [(row["feature"], row["cost_usd"]) for row in rows] == [("'=cmd()", "0.000924")]
    review = project.ok(
        "spend", "review", "--json", "--month", time.strftime("%Y-%m", time.gmtime(time.time() - 86400))
    )
    assert review.json["sheets"]["top_callers_by_spend"]
    assert review.json["sheets"]["cheaper_routes"] == [], "the other deployment costs the same"


def test_times_are_those_of_the_zone(project: Project) -> None:
    record(project, paid(1))
    found = project.ok("spend", "--timezone", "Asia/Tokyo", "--since", "2001-02-03", "--until", "2001-02-04").out
    assert "2001-02-03 00:00 to 2001-02-04 00:00 (Asia/Tokyo)" in found
    assert "Nothing in this time." in found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--by", "colour"], "'colour' is no dimension"),
        (["--by", "user,user"], "stands twice"),
        (["--since", "yesterday"], "is not a time"),
        (["--timezone", "Mars/Olympus"], "knows no time zone"),
        (["--tenant", "acme", "week"], "--tenant belongs behind 'week'"),
        (["review", "--month", "2026-13"], "is not a month"),
        (["review", "--month", "9999-01"], "has not begun"),
        (["review", "--by", ","], "name at least one dimension"),
        (["--format", "csv", "--output", "no/such/folder/x.csv"], "cannot be written"),
    ],
)
def test_what_cannot_be_meant_is_refused(project: Project, arguments: list[str], said: str) -> None:
    done = project.run("spend", *arguments)
    assert done.code not in (0, 1, 2, 70)
    assert said in done.err


@pytest.mark.promise("money-11")
def test_history_is_priced_anew_and_noted(project: Project) -> None:
    record(project, paid(1), paid(2, cost=None), paid(3, ago=40 * DAY))
    project.replace("moat.yaml", {'"0.60", output: "2.40"': '"1.20", output: "2.40"'})
    new = 100 * 1_200_000 + 10 * 2_400_000
    dry = project.ok("spend", "reprice", "--dry-run", "--json").json
    assert (dry["before"], dry["after"]) == (2 * COST, 3 * new)
    assert project.ok("spend", "audit").out.startswith("Nothing was priced anew")
    assert "would go from" in project.ok("spend", "reprice", "--dry-run").out
    assert "went from" in project.ok("spend", "reprice", "--since", "30d").out
    found = project.ok("spend", "--since", "60d", "--by", "", "--json").json["sheets"]["spend"][0]
    assert (found["cost"], found["unpriced"]) == (2 * new + COST, 0)
    (entry,) = project.ok("spend", "audit", "--json").json
    assert (entry["before"], entry["after"]) == (COST, 2 * new)
    assert entry["repricing"]["order"]["actor"] == Files(project.root).author
    assert [change["price_version"] for change in entry["repricing"]["changes"]] == ["old"]
    version = entry["repricing"]["order"]["price_version"]
    assert version[0].isdigit()
    assert "2 attempts, 2 changed" in project.ok("spend", "audit").out
    spans = project.ok("traces", "show", f"{1:032x}", "--json").json
    assert [(span["cost"], span["price_version"]) for span in spans] == [(new, version), (new, version)]


@pytest.mark.promise("money-11")
def test_a_running_server_prices_its_history_anew(project: Project) -> None:
    record(project, paid(1), paid(2, tenant="globex"))
    key = project.key("--role", "viewer", "--tenant", "acme")
    with project.serving() as server:
        eventually(lambda: project.ok("spend", "--by", "", "--json").json["sheets"]["spend"])
        project.replace("moat.yaml", {'"0.60", output: "2.40"': '"0", output: "2.40"'})
        done = project.ok("spend", "reprice", "--json").json
        assert (done["before"], done["after"]) == (2 * COST, 2 * 10 * 2_400_000)
        (entry,) = project.ok("spend", "audit", "--json").json
        assert entry["repricing"]["order"]["actor"] == f"commands on this machine, for {Files(project.root).author}"
        status, own = server.get("/api/v1/spend?by=tenant", key)
        assert (status, [row["group"] for row in own]) == (200, [["acme"]])
        assert server.get("/api/v1/spend?by=tenant&tenant=globex", key)[0] == 404
        assert server.get("/api/v1/spend/repricings", key)[0] == 403
        assert server.send("POST", "/api/v1/spend/reprice", {}, key)[0] == 403
        assert server.send("POST", "/api/v1/spend/reprice", {"since_ns": -1}, content_type="application/json")[0] == 400
        assert server.get("/api/v1/spend?step_ns=5")[0] == 400
        assert server.get("/api/v1/spend?by=colour")[0] == 400
        assert server.get("/api/v1/spend/deployments") == (
            200,
            [["assistant", {"provider": "simulated", "model": "support-large"}]],
        )
        assert project.ok("spend", "trend", "--days", "2").out
        _, calls = server.get("/api/v1/traces")
        assert {call["cost"] for call in calls} == {10 * 2_400_000}


def test_what_is_served_is_what_is_billed(project: Project) -> None:
    project.release("1.0.0")
    key = project.key("--tenant", "acme", "--feature", "help")
    with project.serving() as server:
        for number in range(3):
            assert server.ask(f"Can I get a refund for order {number}?", key, at="staging")[0] == 200
        found = eventually(
            lambda: (
                (got := project.ok("spend", "--by", "feature,alias,provider,prompt,version", "--json").json)["totals"]
                .get("spend", {})
                .get("requests")
                == 3
                and got
            )
        )
        (row,) = found["sheets"]["spend"]
        assert (row["feature"], row["alias"], row["provider"]) == ("help", "assistant", "simulated")
        assert (row["prompt"], row["version"]) == (PROMPT, "1.0.0")
        assert row["cost"] == row["input_tokens"] * 600_000 + row["output_tokens"] * 2_400_000 > 0
