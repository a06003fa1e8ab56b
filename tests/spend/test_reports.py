"""Reports add up to the attempts that were recorded, in every form, and take no name for anything but text."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.adapters.duckdb import DuckTraces
from moat.domain.calls import Deployment
from moat.domain.spans import Span
from moat.domain.usage import PICODOLLARS, Usage
from moat.ports.traces import Dimension, Spend, TraceFilter
from moat.spend.prices import Rates
from moat.spend.reports import Column, Document, Sheet, by_dimensions, cost_of, per_call, total_of
from moat.spend.reports_format import to_csv, to_html, to_markdown
from moat.spend.reports_review import Review, Routes, month_of, monthly
from moat.spend.reports_time import Clock, daily, month_forecast
from moat.spend.reports_trend import trend
from moat.spend.reports_week import weekly

DAY = 86_400 * 10**9


def at(*moment: int, zone: Any = UTC) -> int:
    return int(datetime(*moment, tzinfo=zone).timestamp()) * 10**9  # type: ignore[misc]


def paid(number: int, started_ns: int, cost: int | None, **dimensions: Any) -> list[Span]:
    """A call with one attempt."""
    call = Span(
        span_id=f"{number:015x}c",
        trace_id=f"{number:032x}",
        kind="call",
        name="chat",
        started_ns=started_ns,
        request_id=f"req_{number}",
        alias="assistant",
        model="assistant",
        cost=cost,
        **{"duration_ns": 2_000_000, "input_tokens": 100, "output_tokens": 10, **dimensions},
    )
    attempt = msgspec.structs.replace(
        call, span_id=f"{number:015x}a", parent_id=call.span_id, kind="attempt", model="large", provider="p"
    )
    return [call, attempt]


@contextmanager
def store_of(*spans: Span) -> Iterator[DuckTraces]:
    with TemporaryDirectory() as folder, closing(DuckTraces.open(Path(folder) / "traces.duckdb")) as traces:
        segment = Path(folder) / "1.ndjson"
        segment.write_bytes(msgspec.json.Encoder().encode_lines(spans))
        traces.ingest([segment])
        yield traces


words = st.sampled_from(["", "a", "b", "=1+1"])
attempts = st.lists(
    st.fixed_dictionaries(
        {
            "cost": st.none() | st.integers(0, 10**15),
            "tenant": words,
            "feature": words,
            "user": words,
            "prompt": words,
            "version": words,
            "release": words,
            "key": words,
            "environment": words,
            "input_tokens": st.integers(0, 10**6),
            "at": st.integers(0, 40 * 96),
        }
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None)
@given(attempts)
def test_every_report_adds_up_to_the_attempts(rows: list[dict[str, Any]]) -> None:
    start = at(2026, 10, 1)
    spans = [
        span
        for number, row in enumerate(rows, start=1)
        for span in paid(number, start + row["at"] * DAY // 96, **{k: v for k, v in row.items() if k != "at"})
    ]
    cost = sum(row["cost"] or 0 for row in rows)
    tokens = sum(row["input_tokens"] for row in rows)
    with store_of(*spans) as traces:
        for name in get_args(Dimension):
            found = total_of(traces.spending([name], TraceFilter()))
            assert (found.cost, found.usage.input, found.requests) == (cost, tokens, len(rows)), name
            assert found.unpriced == sum(row["cost"] is None for row in rows)
        clock = Clock(start + 41 * DAY, ZoneInfo("America/New_York"), "America/New_York")
        days = daily(traces, TraceFilter(), clock, date(2026, 9, 30), date(2026, 11, 11))
        assert sum(day.cost for day in days.values()) == cost
        groups = traces.spending(["tenant", "model"], TraceFilter())
        sheet = by_dimensions(["tenant", "model"], groups, total_of(groups))
        written = list(csv.DictReader(io.StringIO(to_csv(Document(title="", period="", sheets=(sheet,))))))
    assert sum(Decimal(row["cost_usd"] or 0) * PICODOLLARS for row in written) == cost


def test_what_has_no_price_is_never_free() -> None:
    unknown = Spend(group=("a",), calls=2, requests=2, unpriced=2)
    partly = Spend(group=("b",), calls=2, requests=2, unpriced=1, cost=5 * PICODOLLARS)
    assert (cost_of(unknown), per_call(unknown), cost_of(partly), per_call(partly)) == (None, None, partly.cost, None)
    sheet = by_dimensions(["tenant"], [unknown, partly], total_of([unknown, partly]))
    assert sheet.lines()[0][7] == "unknown"
    assert "3 of 4 requests have no known price" in sheet.notes[0]
    free = Spend(group=("c",), calls=1, requests=1)
    assert by_dimensions(["tenant"], [free], free).lines()[0][7] == "$0"


def test_days_begin_where_the_reader_lives() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before, after = at(2026, 10, 24, 23, 59, zone=berlin), at(2026, 10, 25, 0, 0, zone=berlin)
    late = at(2026, 10, 25, 23, 59, zone=berlin)
    with store_of(*paid(1, before, 1), *paid(2, after, 10), *paid(3, late, 100)) as traces:
        clock = Clock(at(2026, 10, 26, 12), berlin, "Europe/Berlin")
        found = daily(traces, TraceFilter(), clock, date(2026, 10, 24), date(2026, 10, 26))
        shown = trend(traces, TraceFilter(), clock, 3)
    assert [day.cost for day in found.values()] == [1, 110, 0], "a day of 25 hours"
    assert [(row[0], row[5], row[6]) for row in shown.sheets[0].rows] == [
        ("2026-10-24", 1, 0),
        ("2026-10-25", 110, 111 // 7),
        ("2026-10-26", 0, 111 // 7),
    ]


def test_the_forecast_counts_this_month_and_says_what_it_rests_on() -> None:
    spans = [span for n in range(1, 30) for span in paid(n, at(2026, 10, 1 + n), 10**12)]
    with store_of(*spans) as traces:
        said, document = month_forecast(traces, TraceFilter(), Clock(at(2026, 10, 31), UTC))
        none, empty = month_forecast(traces, TraceFilter(tenant="nobody"), Clock(at(2026, 10, 31), UTC))
    assert (said.spent, said.expected, said.days) == (29 * 10**12, 30 * 10**12, 29)
    assert "from 29 whole days" in document.sheets[0].notes[0]
    assert (none.expected, none.low) == (None, None)
    assert "nothing to forecast from" in empty.sheets[0].notes[0]


def test_the_week_is_seen_against_the_one_before() -> None:
    now = at(2026, 11, 20, 12)
    spans = [
        *paid(1, now - DAY, 300, feature="chat", duration_ns=9_000_000),
        *paid(2, now - 8 * DAY, 100, feature="chat", duration_ns=3_000_000),
        *paid(3, now - 8 * DAY, 50, feature="old"),
    ]
    with store_of(*spans) as traces:
        found = weekly(traces, TraceFilter(), Clock(now, UTC), 5)
    weeks, days, features, aliases = (sheet.records() for sheet in found.sheets)
    assert [(row["calls"], row["cost"], row["p95"]) for row in weeks] == [(1, 300, 9_000_000), (2, 150, 3_000_000)]
    assert found.sheets[0].notes[0].startswith("Cost: +100.0%")
    assert len(days) == 7
    assert [(r["feature"], r["cost"], r["before"], r["change"], r["p95_change"]) for r in features] == [
        ("chat", 300, 100, 2.0, 2.0)
    ]
    assert aliases[0]["alias"] == "assistant"


def review_of(*spans: Span, now: int, month: date | None = None, **options: Any) -> dict[str, Any]:
    half = Rates(
        **dict.fromkeys(
            ("input", "output", "cached", "cache_write", "cache_write_long", "audio_input", "audio_output",
             "cached_audio", "image_input", "image_output", "cached_image", "video_input", "video_output",
             "reasoning"), 1,
        )
    )  # fmt: skip
    routes = Routes({"assistant": [("assistant", Deployment("p", "large")), ("small", Deployment("p", "small"))]},
                    lambda deployment, alias: half)  # fmt: skip
    with store_of(*spans) as traces:
        clock = Clock(now, UTC)
        first = month or month_of(traces, TraceFilter(), clock)
        asked = Review(
            traces, TraceFilter(), clock, ("tenant", "user"), options.get("top", 10), options.get("least", 1)
        )
        return monthly(asked, first, options.get("routes", routes)).data()


def test_the_review_finds_who_spends_and_who_grows() -> None:
    spans = [
        *paid(1, at(2026, 9, 10), 1000, tenant="acme", user="u", prompt="p", input_tokens=100),
        *paid(2, at(2026, 10, 10), 4000, tenant="acme", user="u", prompt="p", input_tokens=300),
        *paid(3, at(2026, 10, 11), 9000, tenant="globex", user="v", input_tokens=50),
        *paid(4, at(2026, 10, 30), 500, tenant="globex", user="w", input_tokens=5000),
    ]
    found = review_of(*spans, now=at(2026, 11, 5))["sheets"]
    assert [(row["tenant"], row["user"], row["cost"]) for row in found["top_callers_by_spend"]] == [
        ("globex", "v", 9000),
        ("acme", "u", 4000),
        ("globex", "w", 500),
    ]
    assert found["top_callers_by_tokens_per_call"][0]["user"] == "w"
    assert [(r["user"], r["more"], r["change"]) for r in found["growers_month_over_month"]] == [
        ("v", 9000, None),
        ("u", 3000, 3.0),
        ("w", 500, None),
    ]
    assert [r["user"] for r in found["growers_week_over_week"]] == ["w"]
    (prompt,) = found["prompts_that_grew"]
    assert (prompt["input_per_call_before"], prompt["input_per_call"], prompt["change"]) == (100, 300, 2.0)
    (cheaper,) = found["cheaper_routes"]
    assert (cheaper["instead"], cheaper["cost"], cheaper["would_have_cost"]) == ("p/small", 13500, 5350 + 30)
    assert cheaper["saved"] == 13500 - 5380


def test_the_review_shows_what_a_cache_saved() -> None:
    (call, _) = paid(1, at(2026, 10, 10), 0, feature="chat", cache="hit", saved=700)
    found = review_of(call, *paid(2, at(2026, 10, 10), 9, feature="chat"), now=at(2026, 11, 5))
    assert found["sheets"]["cache"] == [{"feature": "chat", "calls": 2, "from_cache": 1, "share": 0.5, "saved": 700}]


def test_a_review_without_prices_says_so() -> None:
    found = review_of(*paid(1, at(2026, 11, 2), 5), now=at(2026, 11, 5), routes=None, top=1)
    assert found["sheets"]["cheaper_routes"] == []
    assert found["title"] == "Review of 2026-11", "nothing in the month before: the present one"
    assert found["period"].startswith("2026-11-01 to 2026-11-05, against 2026-10-01 to 2026-10-05")


HOSTILE = '=HYPERLINK("http://evil")|<script>alert(1)</script>\n# x [y](z)`'


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)

    def handle_data(self, data: str) -> None:
        self.cells.append(data)


def test_names_stay_text_in_every_form() -> None:
    columns = (Column("tenant", "name"), Column("cost", "money"))
    sheet = Sheet(title="S", columns=columns, rows=((HOSTILE, 10**12), ("", None)), total=("total", 10**12))
    document = Document(title=HOSTILE, period="now", sheets=(sheet, Sheet(title="T", columns=columns, rows=())))
    page = Tags()
    page.feed(to_html(document))
    assert not page.seen & {"script", "a", "img", "link", "iframe"}
    assert HOSTILE in page.cells
    lines = to_markdown(document).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 5
    assert "<" not in table[2]
    assert table[2].replace("\\|", "").count("|") == 3
    rows = list(csv.reader(io.StringIO(to_csv(document))))
    assert rows == [["section", "tenant", "cost_usd"], ["s", "'" + HOSTILE, "1"], ["s", "", ""]]
    assert json.loads(msgspec.json.encode(document.data()))["totals"] == {"s": {"tenant": "total", "cost": 10**12}}


def test_exact_amounts_survive_a_spreadsheet() -> None:
    columns = (Column("cost", "money"), Column("p50", "duration"), Column("share", "share"))
    sheet = Sheet(title="S", columns=columns, rows=((1, 1_500_000, 1 / 3), (123_456_789_012_345, 0, 0.0)))
    rows = list(csv.reader(io.StringIO(to_csv(Document(title="", period="", sheets=(sheet,))))))
    assert rows[1:] == [["0.000000000001", "1.5", "0.333333"], ["123.456789012345", "0", "0.000000"]]
    assert Usage().total == 0
