"""Whom an outage explains, whom it does not, and how soon it is seen: a real store."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from moat.domain.alerting import Baseline, Event, Reading, Rule, Standing
from moat.domain.spans import Span
from moat.telemetry.alerts.evaluate import evaluate, looked
from moat.telemetry.alerts.evidence import Window, explaining
from moat.telemetry.alerts.messages import compose
from moat.telemetry.alerts.readings import Gauge
from moat.telemetry.alerts.shipped import SHIPPED
from tests.telemetry.alerts.test_readings import NOW, RULES, call, fired, store
from tests.telemetry.alerts.worlds import MINUTE_NS

DEAD: dict[str, Any] = {"model": "one", "alias": "one", "provider": "dead", "error": "provider_down"}
OTHER: dict[str, Any] = {"model": "other", "alias": "other", "provider": "well", "feature": "search"}


def refused(number: int, ago_s: float, **fields: Any) -> list[Span]:
    """A call that was sent nowhere: the breaker is open."""
    said = {**DEAD, "provider": "", "error": "circuit_open", "left_alone": "dead", "duration_ns": 200_000, **fields}
    return call(number, ago_s, **said)[:1]


def told(events: list[Event]) -> set[tuple[str, str]]:
    """Rules, and what they are about, of all that somebody hears of."""
    return {
        (event.rule, event.labels.get("provider") or event.labels.get("model", event.labels.get("feature", "")))
        for message in compose(events, RULES)
        for event in message.events
    }


def test_an_outage_mutes_those_who_asked_there_and_nobody_else(tmp_path: Path) -> None:
    spans = [span for n in range(60) for span in call(n, n, **DEAD)]
    for n in range(100, 200):
        error = "provider_refused" if n % 4 == 0 else "provider_timeout" if n % 4 == 1 else ""
        spans += call(n, n - 100, **{**OTHER, "error": error, "duration_ns": 10**9})
    traces = store(tmp_path, spans)
    found = fired(traces, *SHIPPED)
    assert {("error-rate", "one"), ("failed-calls", "chat")}.isdisjoint(told(found))
    assert told(found) == {
        ("provider-down", "dead"),
        ("error-rate", "other"),
        ("timeout-rate", "other"),
        ("failed-calls", "search"),
    }
    traces.close()


def test_what_remains_without_the_outage_is_told(tmp_path: Path) -> None:
    """One alias, two providers: a rate that is past its bar without the one that is down is news of its own."""
    spans = [span for n in range(60) for span in call(n, n, **DEAD)]
    spans += [span for n in range(100, 200) for span in call(n, n - 100, model="one", alias="one", provider="well")]
    both = [*spans]
    for n in range(200, 230):
        both += call(n, n - 200, model="one", alias="one", provider="well", error="provider_cut")
    for name, world, others in (("alone", spans, set()), ("both", both, {("error-rate", "one")})):
        (tmp_path / name).mkdir()
        traces = store(tmp_path / name, world)
        assert told(fired(traces, RULES["provider-down"], RULES["error-rate"])) == {("provider-down", "dead"), *others}
        traces.close()


def tried(number: int, *attempts: tuple[str, str, float, float]) -> list[Span]:
    """A call of the alias `one` that tries providers: which, the error, begin and end in seconds of the call."""
    whole, attempt = call(number, number, model="one", alias="one", duration_ns=round(attempts[-1][3] * 1e9))
    tries = [
        replace(
            attempt,
            span_id=f"{number:013x}a{place:02x}",
            provider=provider,
            error=error,
            started_ns=attempt.started_ns + round(begin * 1e9),
            duration_ns=round((end - begin) * 1e9),
        )
        for place, (provider, error, begin, end) in enumerate(attempts)
    ]
    return [replace(whole, provider=attempts[-1][0]), *tries]


@pytest.mark.parametrize(
    ("attempts", "explained"),
    [
        ([("dead", "provider_timeout", 0, 10), ("well", "", 10, 11)], True),
        ([("dead", "provider_down", 0, 0.1), ("dead", "provider_down", 6, 6.1), ("well", "", 8, 11)], True),
        ([("dead", "provider_down", 0, 0.2), ("well", "", 0.2, 11)], False),
        ([("dead", "provider_timeout", 0, 10), ("well", "", 0.5, 11)], False),
    ],
    ids=["asked in vain", "waited to ask again", "slow fallback", "slow hedge"],
)
def test_slow_answers_are_explained_by_the_time_that_was_spent_in_vain(
    tmp_path: Path, attempts: list[tuple[str, str, float, float]], explained: bool
) -> None:
    """One alias asks a provider that is down first; another is slow by itself."""
    spans = [span for n in range(120) for span in tried(n, *attempts)]
    spans += [span for n in range(200, 320) for span in call(n, n - 200, **{**OTHER, "duration_ns": 11 * 10**9})]
    traces = store(tmp_path, spans)
    found = told(fired(traces, RULES["provider-down"], RULES["latency-p95"]))
    assert found - {("latency-p95", "one")} == {("provider-down", "dead"), ("latency-p95", "other")}
    assert (("latency-p95", "one") not in found) == explained
    traces.close()


@pytest.mark.parametrize(("rest_s", "explained"), [(8, True), (10, False)])
def test_beside_a_baseline_what_is_usual_counts_with_its_scatter(tmp_path: Path, rest_s: int, explained: bool) -> None:
    """Four times the scatter past the usual second is where it counts: 9 seconds."""
    whole = 15 + rest_s
    spans = [
        span for n in range(120) for span in tried(n, ("dead", "provider_timeout", 0, 15), ("well", "", 15, whole))
    ]
    traces = store(tmp_path, spans)
    usual = Baseline(center=1.0, spread=2.0, slots=9, of="all hours")
    labels = {"environment": "production", "model": "one"}
    reading = Reading(rule="latency-p95-baseline", value=whole, samples=120, labels=labels, baseline=usual)
    found = explaining(traces, RULES[reading.rule], reading, Window(NOW - 900 * 10**9, NOW))
    assert ("dead" in found, "well" in found) == (explained, False)
    if explained:
        assert NOW - 8 * 10**9 < found["dead"] < NOW, "six calls may be past it"
    traces.close()


def test_a_fallback_that_is_slow_is_told_while_a_breaker_keeps_calls_away(tmp_path: Path) -> None:
    spans = [span for n in range(5) for span in tried(n, ("dead", "provider_down", 0, 0.2), ("well", "", 0.2, 9))]
    slow: dict[str, Any] = {"model": "one", "alias": "one", "provider": "well", "duration_ns": 9 * 10**9}
    spans += [span for n in range(10, 130) for span in call(n, n, left_alone="dead", **slow)]
    traces = store(tmp_path, spans)
    assert told(fired(traces, RULES["provider-down"], RULES["latency-p95"])) == {
        ("provider-down", "dead"),
        ("latency-p95", "one"),
    }
    traces.close()


@pytest.mark.parametrize("fallback", [False, True])
def test_calls_that_an_open_breaker_kept_away_are_failures_of_the_provider(tmp_path: Path, fallback: bool) -> None:
    """Five failures open the breaker; of a call every second and a half it refuses, or another answers, the rest."""
    spans = [span for n in range(5) for span in call(n, 60 - 1.5 * n, **DEAD)]
    for n in range(5, 25):
        ago = 60 - 1.5 * n
        well = {"model": "one", "alias": "one", "provider": "well", "left_alone": "dead"}
        spans += call(n, ago, **well) if fallback else refused(n, ago)
    traces = store(tmp_path, spans)
    found = fired(traces, RULES["provider-down"], RULES["error-rate"], rounds=3)
    assert told(found) == {("provider-down", "dead")}
    down = next(event for event in found if event.rule == "provider-down")
    assert (down.samples, down.value, down.at_ns) == (25, 1.0, NOW), "at the first evaluation"
    traces.close()


def stepped(traces: Any, rules: tuple[Rule, ...], minutes: Iterable[int]) -> list[tuple[int, str, str]]:
    """What is told, minute by minute."""
    gauge, standing, found = Gauge(traces), Standing(), list[tuple[int, str, str]]()
    for minute in minutes:
        now = NOW + minute * MINUTE_NS
        standing, events = evaluate(rules, gauge.now(rules, now, looked(standing)), standing, now)
        found += [(minute, event.rule, event.kind) for event in events if not event.muted]
    return found


def test_an_outage_that_is_over_is_told_once_and_explains_nothing_new(tmp_path: Path) -> None:
    """It ends, and calls go well again: the rate of the last quarter of an hour is still its doing, and no news. Then
    something else fails.
    """
    spans = [span for n in range(60) for span in call(n, n, **DEAD)]
    well = {**DEAD, "error": ""}
    spans += [span for n in range(100, 700) for span in call(n, -3 * (n - 100), **well)]
    rules = (RULES["provider-down"], RULES["error-rate"])
    (tmp_path / "well").mkdir()
    traces = store(tmp_path / "well", spans)
    assert [(rule, kind) for _, rule, kind in stepped(traces, rules, range(0, 27, 2))] == [
        ("provider-down", "fired"),
        ("provider-down", "resolved"),
    ]
    traces.close()
    # No call goes there any more, and another provider of the same environment begins to fail after eleven minutes.
    spans = spans[:120]
    for n in range(100, 160):
        spans += call(n, -660 - (n - 100), **{**OTHER, "error": "provider_cut" if n % 3 == 0 else ""})
    traces = store(tmp_path, spans)
    found = stepped(traces, rules, range(0, 17, 2))
    assert [told for told in found if told[1] == "error-rate"] == [(14, "error-rate", "fired")]
    traces.close()


@pytest.mark.parametrize("provider", ["dead", "well"])
def test_what_fails_after_an_outage_is_told_though_a_long_window_still_holds_it(tmp_path: Path, provider: str) -> None:
    """Nights have few calls: what fired by a look at a day is looked at by the day. Half an hour after the outage every
    third call fails, at the same provider or another, which is not down.
    """
    well = {**DEAD, "error": ""}
    spans = [span for n in range(9) for span in call(n, 3600 * (n + 1), **well)]
    spans += [span for n in range(14) for span in call(20 + n, -13 * n, **DEAD)]
    spans += [span for n in range(150) for span in call(100 + n, -60 * 10 - 6 * n, **well)]
    for n in range(200):
        error = "provider_cut" if n % 3 == 0 else ""
        spans += call(300 + n, -30 * 60 - 3 * n, **{**DEAD, "provider": provider, "error": error})
    traces = store(tmp_path, spans)
    found = stepped(traces, (RULES["provider-down"], RULES["error-rate"]), (1, 2, 3, 4, 12, 14, 16, 18, 29, 31, 32, 33))
    assert [entry[1:] for entry in found] == [
        ("provider-down", "fired"),
        ("provider-down", "resolved"),
        ("error-rate", "fired"),
    ]
    assert found[2][0] in (31, 32)
    traces.close()


def test_what_an_outage_did_is_no_news_to_those_who_see_it_afterwards(tmp_path: Path) -> None:
    """Too few calls for a rate while it lasts; enough when it is over."""
    spans = [span for n in range(12) for span in call(n, -10 * n, **DEAD)]
    spans += [span for n in range(100, 130) for span in call(n, -600 - 10 * (n - 100), **{**DEAD, "error": ""})]
    traces = store(tmp_path, spans)
    found = stepped(traces, (RULES["provider-down"], RULES["error-rate"]), range(1, 19, 2))
    assert {rule for _, rule, _ in found} == {"provider-down"}
    traces.close()
