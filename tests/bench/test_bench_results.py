"""The tables of the bench: medians, ranges, ratios within a round, rows that failed."""

import io
from typing import Any

import pytest
from rich.console import Console

from bench import report
from bench.measure import Cost, Sample
from bench.results import HEAD, Results, notes, spread, table


def sample(rate: float, p50: float = 0.1, cost: Cost | None = None) -> Sample:
    return Sample(rate, p50, p50 * 10, rate / 10, cost)


def results(**changes: object) -> Results:
    given: dict[str, Any] = {
        "taken": "2026-01-01T00:00:00Z",
        "rounds": 3,
        "seconds": 6,
        "warm_up_seconds": 6,
        "machine": {"kernel": "6"},
    } | changes
    return Results(**given)


@pytest.mark.parametrize(
    ("values", "form", "shown"),
    [
        ([], ",.0f", "–"),
        ([1234.4], ",.0f", "1,234"),
        ([3, 1, 2], ",.0f", "2 (1–3)"),
        ([1.001, 1.002], ",.2f", "1.00"),
        ([0.00149, 0.00149], ".2g", "0.0015"),
    ],
)
def test_a_spread_is_a_median_and_a_range_that_shows(values: list[float], form: str, shown: str) -> None:
    assert spread(values, form) == shown


def test_ratios_and_added_latency_are_taken_within_a_round() -> None:
    cost = Cost(start_s=0.5, cpu_us=50, stream_cpu_us=400, rest_mib=60, loaded_mib=70)
    found = results(
        versions={"direct": "1", "nginx": "1", "Moat": "0.1"},
        samples={
            "direct": [sample(100_000, 0.1), sample(50_000, 0.2)],
            "nginx": [sample(60_000, 0.2), sample(30_000, 0.3)],
            "Moat": [sample(30_000, 0.3, cost), sample(15_000, 0.4, cost)],
        },
    )
    rows = {row[0]: dict(zip(HEAD, row, strict=True)) for row in table(found)}
    assert list(rows) == ["direct", "nginx", "Moat"]
    assert rows["direct"]["added p50 ms"] == "[0.15 (0.10–0.20)]"
    assert rows["direct"]["start s"] == "–"
    assert rows["Moat"]["requests/s"] == "22,500 (15,000–30,000)"
    assert rows["Moat"]["of nginx"] == "0.5"
    assert rows["Moat"]["of its CPU"] == "112% (75%–150%)"
    assert rows["Moat"]["added p50 ms"] == "0.20"
    assert rows["Moat"]["MiB at rest → after load"] == "60 → 70"
    assert rows["Moat"]["start s"] == "0.50"


def test_a_row_that_failed_stays_with_its_reason() -> None:
    found = results(
        versions={"direct": "1", "Moat": "0.1"},
        samples={"direct": [sample(1)], "Moat": [sample(1)]},
        failures={"Moat": "ended with status 1", "LiteLLM": "not installed: no network"},
    )
    rows = {row[0]: row for row in table(found)}
    assert rows["LiteLLM"][2:] == ("–",) * (len(HEAD) - 2)
    assert rows["Moat"][2] == "1"
    assert notes(found) == [
        "Moat stopped after 1 of 3 rounds: ended with status 1",
        "LiteLLM stopped after 0 of 3 rounds: not installed: no network",
    ]


def test_the_markdown_is_a_whole_table_with_its_conditions() -> None:
    found = results(versions={"direct": "1"}, samples={"direct": [sample(1)]}, failures={"a|b": "x"})
    lines = report.markdown(found).splitlines()
    assert lines[0] == "Taken 2026-01-01T00:00:00Z: 3 interleaved rounds of 6 s per load, warm-up of 6 s; kernel 6."
    assert {line.count("|") for line in lines if line.startswith("|")} == {len(HEAD) + 1}
    assert lines[-1] == "- a|b stopped after 0 of 3 rounds: x"


def test_the_table_goes_between_the_marks_and_touches_nothing_else() -> None:
    document = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    once = report.insert(document, "new")
    assert once == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    assert report.insert(once, "new") == once


@pytest.mark.parametrize("document", ["nothing", report.BEGIN, f"{report.END}{report.BEGIN}"])
def test_a_document_without_both_marks_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match="missing"):
        report.insert(document, "new")


def test_the_readme_has_the_marks() -> None:
    assert "kept" in report.insert(report.README.read_text(), "kept")


def test_the_terminal_shows_every_row_and_note() -> None:
    found = results(versions={"direct": "1.22"}, samples={"direct": [sample(7)]}, failures={"Moat": "[gone]"})
    screen = io.StringIO()
    report.show(found, Console(file=screen, width=120))
    assert "1.22" in screen.getvalue()
    assert "Moat stopped after 0 of 3 rounds: [gone]" in screen.getvalue()
