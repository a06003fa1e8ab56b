"""Reports: pure functions, as tables."""

import msgspec

from moat.domain.usage import PICODOLLARS
from moat.ports.traces import Usages
from moat.telemetry.reports import markdown, notes, report, table

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
    assert [(row.group, row.share, row.error_rate, row.p95_ns) for row in found.rows] == [
        (("a",), 0.75, 0.0, 2_500_000),
        (("b",), 0.25, 0.2, 2_500_000),
    ]
    assert [row.cost_per_call for row in found.rows] == [PICODOLLARS, PICODOLLARS // 5]
    assert (found.total.share, found.by) == (1.0, ("feature",))


def test_nothing_is_reported_as_zeros() -> None:
    found = report([], [], NOTHING)
    assert (found.total.share, found.total.error_rate, found.total.cost_per_call) == (0.0, 0.0, 0)
    assert table(found).rows == [["0", "0", "0", "0", "$0", "0%", "$0", "", "", ""]]
    assert notes(found) == []


def test_people_and_pages_see_the_same_table() -> None:
    groups = [usages(("a|b\n", ""), 4, 3, unpriced=1, errors=2)]
    found = report(["feature", "model"], groups, usages((), 4, 3, unpriced=1, errors=2))
    measures = ["4", "2 (50.0%)", "0", "0", "$3.00", "100%", "$1.00", "", "2.5", ""]
    shown = table(found)
    assert (shown.words, len(shown.numbers)) == (["feature", "model"], len(measures))
    assert shown.rows == [["a|b\n", "(not said)", *measures], ["total", "", *measures]]
    head, line, *rows, blank, note = markdown(found).splitlines()
    assert head == (
        "| feature | model | calls | errors | input | output | cost | share | per call "
        "| p50 ms | p95 ms | first token p50 ms |"
    )
    assert line == "| :-- | :-- |" + " --: |" * len(measures)
    assert rows == [
        rf"| a\|b | (not said) | {' | '.join(measures)} |",
        f"| total |  | {' | '.join(measures)} |",
    ]
    assert (blank, [note]) == ("", notes(found))
    assert note.startswith("1 calls have no known price")


def test_copies_are_counted_and_told_apart() -> None:
    total, copies = usages((), 1500, 4), usages((), 1200, 1)
    found = report([], [], total, copies)
    assert (found.total.calls, found.copies and found.copies.share) == (1500, 0.25)
    (note,) = notes(found)
    assert note.startswith("1,200 of the calls and $1.00 of the cost are copies")
    for without in (report([], [], total), report([], [], total, NOTHING)):
        assert notes(without) == []
