"""What fires: tables of readings, and what holds for all of them."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.domain.alerting import Baseline, Event, Reading, Rule, Silence, Standing
from moat.telemetry.alerts.evaluate import MISSING_NS, evaluate, forgotten, looked
from moat.telemetry.alerts.measures import share
from moat.telemetry.alerts.shipped import SHIPPED

MINUTE = 60 * 10**9
RULE = Rule(name="r", measure="latency_p95", side="above", threshold=5.0, min_samples=10, meaning="", remedy="")


def reading(value: float, **fields: Any) -> Reading:
    return Reading(**{"rule": "r", "labels": {"tenant": "acme"}, "value": value, "samples": 100, **fields})


def told(values: list[float | None], rule: Rule = RULE, **fields: Any) -> str:
    """One letter an evaluation: F fires, R resolves, . nothing."""
    standing, letters = Standing(), ""
    for minute, value in enumerate(values):
        found = [] if value is None else [reading(value, rule=rule.name, **fields)]
        standing, events = evaluate([rule], found, standing, minute * MINUTE)
        letters += "".join(event.kind[0].upper() for event in events) or "."
    return letters


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([6, 6], ".F"),
        ([6, 1, 6, 1], "...."),
        ([6, 6, 1, 1, 1], ".F..R"),
        ([6, 6, 4.7, 4.7, 4.7, 4.7], ".F...."),
        ([6, 6, 1, 1, 6, 1, 1, 1], ".F.....R"),
        ([6, 6, None, None, 6], ".F..."),
        ([6, None, 6], "..."),
    ],
)
def test_it_takes_several_evaluations_to_fire_and_to_resolve(values: list[float | None], found: str) -> None:
    assert told(values) == found


def test_too_few_calls_say_nothing() -> None:
    assert told([60.0] * 5, samples=9) == "....."
    one_of_twenty = share(1, 20)
    assert one_of_twenty is not None
    rule = next(rule for rule in SHIPPED if rule.name == "error-rate")
    rare = {"samples": 20, "low": one_of_twenty.low, "high": one_of_twenty.high}
    assert told([one_of_twenty.value] * 5, rule, **rare) == "....."


def test_an_alert_that_cannot_be_measured_any_more_ends_after_a_while() -> None:
    standing, _ = evaluate([replace(RULE, after=1)], [reading(6)], Standing(), 0)
    standing, events = evaluate([RULE], [], standing, MISSING_NS)
    assert (len(standing.alerts), events) == (1, [])
    standing, events = evaluate([RULE], [], standing, MISSING_NS + 1)
    assert (standing.alerts, [event.why for event in events]) == ((), ["too few calls to tell any more"])


def test_what_is_compared_must_leave_the_scatter_of_its_baseline() -> None:
    rule = replace(RULE, threshold=1.2, relative=True)
    calm = Baseline(center=10.0, spread=0.3, slots=12, of="this hour of the week")
    wild = replace(calm, spread=2.0)
    assert told([13, 13, 13], rule, baseline=calm) == ".F."
    assert told([13, 13, 13], rule, baseline=wild) == "..."
    assert told([13, 13, 13], rule, note="too little history") == "..."


def test_a_longer_window_tells_where_the_short_one_is_unsure_and_resolves_what_it_fired() -> None:
    rule = replace(RULE, measure="error_rate", threshold=0.01, after=1, calm=1)

    def rate(part: int, whole: int, window_s: int) -> Reading:
        found = share(part, whole)
        assert found is not None
        return reading(found.value, samples=whole, window_s=window_s, low=found.low, high=found.high)

    standing, events = evaluate([rule], [rate(2, 60, 900), rate(30, 600, 14_400)], Standing(), 0)
    assert [(event.kind, event.samples) for event in events] == [("fired", 600)]
    assert looked(standing) == {"r": 14_400}
    standing, events = evaluate([rule], [rate(0, 60, 900), rate(28, 600, 14_400)], standing, MINUTE)
    assert events == [], "a quarter of an hour with few calls does not end it"
    standing, events = evaluate([rule], [rate(0, 60, 900), rate(3, 600, 14_400)], standing, 2 * MINUTE)
    assert [event.kind for event in events] == ["resolved"]
    over = evaluate([rule], [rate(0, 60, 900), rate(30, 600, 14_400)], Standing(), 0)[1]
    assert over == [], "an incident that is over"


def test_a_silenced_alert_is_recorded_and_told_when_the_silence_ends() -> None:
    silence = Silence(id="s", match={"tenant": "acme"}, by="ada", why="repairs", at_ns=0, until_ns=2 * MINUTE)
    rule = replace(RULE, after=1)
    standing, events = evaluate([rule], [reading(6)], Standing(silences=(silence,)), 0)
    assert [event.muted for event in events] == ["silenced by ada: repairs"]
    standing, events = evaluate([rule], [reading(6)], standing, MINUTE)
    assert events == []
    standing, events = evaluate([rule], [reading(6)], standing, 2 * MINUTE)
    assert [(event.kind, event.muted) for event in events] == [("fired", "")]
    other = evaluate([rule], [reading(6, labels={"tenant": "globex"})], Standing(silences=(silence,)), 0)[1]
    assert [event.muted for event in other] == [""]


def test_nobody_is_told_that_something_ended_of_which_nobody_was_told() -> None:
    silence = Silence(id="s", by="ada", why="repairs", at_ns=0, until_ns=10 * MINUTE)
    rule = replace(RULE, after=1, calm=1)
    standing, _ = evaluate([rule], [reading(6)], Standing(silences=(silence,)), 0)
    _, events = evaluate([rule], [reading(1)], standing, MINUTE)
    assert [(event.kind, bool(event.muted)) for event in events] == [("resolved", True)]


def test_a_provider_that_is_down_explains_what_is_slow_in_the_same_environment() -> None:
    down = Rule(name="down", measure="provider_failures", side="above", threshold=0.5, after=1, meaning="", remedy="")
    slow = replace(RULE, after=1, inhibited_by=("down",))
    there, here = {"environment": "staging", "model": "m"}, {"environment": "production", "model": "m"}
    readings = [
        reading(0.9, rule="down", labels={"environment": "production", "model": "m"}),
        reading(6, labels=here),
        reading(6, labels=there),
    ]
    _, events = evaluate([down, slow], readings, Standing(), 0)
    assert {(event.rule, event.labels["environment"], event.muted) for event in events} == {
        ("down", "production", ""),
        ("r", "production", "explained by down"),
        ("r", "staging", ""),
    }


def test_single_calls_fire_at_once_and_need_no_all_clear() -> None:
    rule = next(rule for rule in SHIPPED if rule.name == "failed-calls")
    standing, events = evaluate([rule], [Reading(rule=rule.name, value=1, samples=1)], Standing(), 0)
    assert [event.kind for event in events] == ["fired"]
    for minute in (1, 2, 3):
        standing, events = evaluate([rule], [], standing, minute * MINUTE)
    assert [(event.kind, event.muted) for event in events] == [("resolved", "single calls need no all-clear")]


def test_alerts_of_rules_that_are_no_more_end() -> None:
    standing, _ = evaluate([replace(RULE, after=1)], [reading(6)], Standing(), 0)
    same, ended = forgotten([RULE], standing, 1)
    assert (same, ended) == (standing, [])
    gone, ended = forgotten([], standing, 1)
    assert (gone.alerts, [event.why for event in ended]) == ((), ["the rule is no more"])


values = st.lists(st.none() | st.floats(0, 10, allow_nan=False), max_size=40)


@given(values, st.integers(1, 4), st.integers(1, 4))
def test_firing_and_resolving_alternate(found: list[float | None], after: int, calm: int) -> None:
    letters = told(found, replace(RULE, after=after, calm=calm)).replace(".", "")
    assert letters == ("FR" * len(letters))[: len(letters)]


@given(values)
def test_it_never_fires_below_the_bar(found: list[float | None]) -> None:
    below = [None if value is None else min(value, 5.0) for value in found]
    assert "F" not in told(below)


@given(values, st.integers(0, 40))
def test_evaluations_go_on_from_what_was_stored(found: list[float | None], cut: int) -> None:
    """The same readings with a restart in between, through JSON, give the same events."""

    def run(restart: bool) -> list[Event]:
        standing, events = Standing(), list[Event]()
        for minute, value in enumerate(found):
            if restart and minute == cut:
                standing = msgspec.json.decode(msgspec.json.encode(standing), type=Standing)
            these = [] if value is None else [reading(value)]
            standing, more = evaluate([RULE], these, standing, minute * MINUTE)
            events += more
        return events

    assert run(restart=True) == run(restart=False)


@given(values, st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True))
def test_groups_do_not_disturb_each_other(found: list[float | None], names: list[str]) -> None:
    def run(groups: list[str]) -> list[tuple[str, int]]:
        standing, seen = Standing(), []
        for minute, value in enumerate(found):
            these = [] if value is None else [reading(value, labels={"tenant": name}) for name in groups]
            standing, events = evaluate([RULE], these, standing, minute * MINUTE)
            seen += [(event.kind, event.at_ns) for event in events if event.labels["tenant"] == names[0]]
        return seen

    assert run(names) == run(names[:1])


@given(st.lists(st.integers(-(10**5), 10**5), min_size=12, max_size=12))
def test_a_clock_that_jumps_neither_loses_nor_doubles_an_alert(jumps: list[int]) -> None:
    """Six evaluations find it, six do not; in between the clock is set by seconds, to and fro."""
    standing, kinds, now = Standing(), list[str](), 10**18
    for number, jump in enumerate(jumps):
        now += jump * 10**9 + 1
        standing, events = evaluate([RULE], [reading(6 if number < 6 else 1)], standing, now)
        kinds += [event.kind for event in events]
    assert kinds == ["fired", "resolved"]
