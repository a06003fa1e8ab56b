"""Reports and times: pure functions, as tables."""

import msgspec
import pytest

from moat.domain.errors import RequestError
from moat.domain.usage import PICODOLLARS
from moat.ports.traces import Usages
from moat.telemetry.filters import parse_time
from moat.telemetry.reports import markdown, report

NOTHING = Usages(**dict.fromkeys(Usages.__struct_fields__[1:], 0), group=())  # type: ignore[arg-type]


def usages(group: tuple[str, ...], calls: int, dollars: int, unpriced: int = 0, errors: int = 0) -> Usages:
    return msgspec.structs.replace(
        NOTHING,
        group=group,
        calls=calls,
        cost=dollars * PICODOLLARS,
        unpriced=unpriced,
        errors=errors,
        p95_ns=2_500_000,
    )


def test_shares_and_rates_relate_to_the_total() -> None:
    groups = [usages(("a",), 4, 3, unpriced=1), usages(("b",), 5, 1, errors=1)]
    found = report(["feature"], groups, usages((), 9, 4, unpriced=1, errors=1))
    assert [(row.group, row.share, row.error_rate, row.p95_ms) for row in found.rows] == [
        (("a",), 0.75, 0.0, 2.5),
        (("b",), 0.25, 0.2, 2.5),
    ]
    assert [row.cost_per_call for row in found.rows] == [PICODOLLARS, PICODOLLARS // 5]
    assert (found.total.share, found.by) == (1.0, ("feature",))


def test_nothing_is_reported_as_zeros() -> None:
    found = report([], [], NOTHING)
    assert (found.total.share, found.total.error_rate, found.total.cost_per_call) == (0.0, 0.0, 0)
    assert "| 0 | 0 |" in markdown(found)


def test_markdown_shows_the_rows_and_what_is_missing() -> None:
    groups = [usages(("a|b\n", ""), 4, 3, unpriced=1, errors=2)]
    text = markdown(report(["feature", "model"], groups, usages((), 4, 3, unpriced=1, errors=2)))
    assert text.splitlines() == [
        "| feature | model | calls | errors | tokens in | tokens out | cost | share | per call | p50 ms | p95 ms |",
        "| :-- | :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
        r"| a\|b | - | 4 | 2 (50.0%) | 0 | 0 | $3.00 | 100.0% | $1.00 | 0 | 2 |",
        "| **total** |  | 4 | 2 (50.0%) | 0 | 0 | $3.00 | 100.0% | $1.00 | 0 | 2 |",
        "",
        "1 calls have no known price and are not in the cost.",
    ]


NOW = 1_772_366_400 * 10**9  # 2026-03-01T12:00:00Z


@pytest.mark.parametrize(
    ("text", "before_now_s"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("24h", 86_400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("2026-03-01", 43_200),
        ("2026-03-01T11:00:00", 3600),
        ("2026-03-01T11:00:00Z", 3600),
        ("2026-03-01T11:00:00.5+01:00", 7199.5),
    ],
)
def test_times_are_read(text: str, before_now_s: float) -> None:
    assert parse_time(text, NOW) == NOW - int(before_now_s * 10**9)


def test_no_time_is_no_bound_and_none_is_before_1970() -> None:
    assert parse_time("", NOW) == 0
    assert parse_time("999999w", NOW) == 0
    assert parse_time("1815-12-10", NOW) == 0


@pytest.mark.parametrize("text", ["yesterday", "24", "h", "-1h", "2026-13-01", "24h ", "1e3s"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(RequestError, match="is not a time") as refusal:
        parse_time(text, NOW, where="until")
    assert refusal.value.where == "until"
    assert "24h" in refusal.value.remedy
