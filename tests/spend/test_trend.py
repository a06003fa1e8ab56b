"""The trend adds up to the attempts, by whatever it is divided, and draws what it says."""

import csv
import io
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from moat.domain.usage import format_usd
from moat.ports.traces import TraceFilter
from moat.spend.reports import bar, line
from moat.spend.reports_format import to_csv, to_html, to_markdown
from moat.spend.reports_time import Clock, daily
from moat.spend.reports_trend import LINE, OTHERS, trend
from tests.spend.test_reports import DAY, UTC, at, paid, store_of


def test_each_group_has_its_days_and_its_line() -> None:
    now = at(2026, 11, 20, 12)
    spans = [
        *paid(1, now, 300, tenant="acme"),
        *paid(2, now - 2 * DAY, 100, tenant="acme"),
        *paid(3, now - DAY, 50, tenant="globex"),
        *paid(4, now - 5 * DAY, 70, tenant="gone"),
    ]
    with store_of(*spans) as traces:
        found = trend(traces, TraceFilter(), Clock(now, UTC), 3, ["tenant"])
    days, chart = found.sheets
    assert [(row["day"], row["tenant"], row["cost"], row["mean_of_7_days"]) for row in days.records()] == [
        ("2026-11-18", "acme", 100, 100 // 7),
        ("2026-11-19", "globex", 50, 50 // 7),
        ("2026-11-20", "acme", 300, 400 // 7),
    ]
    assert chart.lines() == [
        ["acme", format_usd(400), "88.9%", "▃·█"],
        ["globex", format_usd(50), "11.1%", "·█·"],
    ]
    assert list(found.data()["sheets"]) == ["days"], "a chart is for people"
    assert len(list(csv.reader(io.StringIO(to_csv(found))))) == 4
    assert "▃·█" in to_markdown(found)
    assert "▃·█" in to_html(found)


def test_the_days_of_all_are_bars() -> None:
    now = at(2026, 11, 20, 12)
    with store_of(*paid(1, now, 300), *paid(2, now - DAY, 150), *paid(3, now - 2 * DAY, None)) as traces:
        found = trend(traces, TraceFilter(), Clock(now, UTC), 4)
        nothing = trend(traces, TraceFilter(tenant="nobody"), Clock(now, UTC), 2)
        nobody = trend(traces, TraceFilter(tenant="nobody"), Clock(now, UTC), 2, ["user"])
    assert found.sheets[1].lines() == [
        ["2026-11-17", "$0", ""],
        ["2026-11-18", "unknown", ""],
        ["2026-11-19", format_usd(150), "█" * 15],
        ["2026-11-20", format_usd(300), "█" * 30],
    ]
    assert [row[2] for row in nothing.sheets[1].lines()] == ["", ""]
    assert [sheet.rows for sheet in nobody.sheets] == [(), ()]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 10**12), st.integers(0, 80 * 96)), max_size=15),
    st.integers(1, 75),
    st.integers(1, 6),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"]),
)
def test_groups_add_up_to_the_days(rows: list[tuple[str, int, int]], days: int, top: int, zone: str) -> None:
    start = at(2026, 9, 1)
    clock = Clock(start + 80 * DAY, ZoneInfo(zone), zone)
    spans = [
        span
        for number, (tenant, cost, when) in enumerate(rows, start=1)
        for span in paid(number, start + when * DAY // 96, cost, tenant=tenant)
    ]
    with store_of(*spans) as traces:
        whole = trend(traces, TraceFilter(), clock, days).sheets
        parts = trend(traces, TraceFilter(), clock, days, ["tenant"], top).sheets
        one_by_one = {day: daily(traces, TraceFilter(), clock, day, day)[day] for day in (clock.today,)}
    sums: dict[str, Any] = {}
    for row in parts[0].records():
        sums[row["day"]] = sums.get(row["day"], 0) + row["cost"]
    assert sums == {row["day"]: row["cost"] for row in whole[0].records() if row["calls"]}
    assert whole[0].records()[-1]["cost"] == one_by_one[clock.today].cost
    assert sum(row[1] for row in parts[1].rows) == sum(sums.values())
    named = [row[0] for row in parts[1].rows]
    assert len(named) <= top + 1
    assert (OTHERS in named) == (len(named) == top + 1)
    assert all(len(row[3]) <= LINE and sum(row[3]) == row[1] for row in parts[1].rows)


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=50))
def test_a_line_is_as_high_as_its_amounts(amounts: list[int]) -> None:
    drawn = line(amounts)
    assert len(drawn) == len(amounts)
    heights = ["·▁▂▃▄▅▆▇█".index(mark) for mark in drawn]
    assert [height == 0 for height in heights] == [amount == 0 for amount in amounts]
    assert all(low <= high for _, low, high in _pairs(amounts, heights))
    assert max(heights) == (8 if any(amounts) else 0)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_a_longer_share_has_no_shorter_bar(shares: list[float]) -> None:
    lengths = [len(bar(share)) for share in sorted(shares)]
    assert lengths == sorted(lengths)
    assert bar(1.0) == "█" * 30


def _pairs(amounts: list[int], heights: list[int]) -> list[tuple[int, int, int]]:
    ordered = sorted(zip(amounts, heights, strict=True))
    return [(amount, low, high) for (amount, low), (_, high) in pairwise(ordered)]
