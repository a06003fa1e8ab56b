"""Whom an outage explains, whom it does not, and how soon it is seen: a real store."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from moat.domain.alerting import Event, Rule, Standing
from moat.domain.spans import Span
from moat.telemetry.alerts.evaluate import evaluate, looked
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


def test_slow_answers_are_explained_by_those_who_were_asked_in_vain_first(tmp_path: Path) -> None:
    """Ten seconds at the one that is down, then another answers; and an alias that is slow by itself."""
    spans = []
    for n in range(120):
        whole, attempt = call(n, n, model="one", alias="one", provider="well", duration_ns=11 * 10**9)
        failed = replace(attempt, span_id=f"{n:015x}b", provider="dead", error="provider_timeout")
        spans += [whole, attempt, failed]
    spans += [span for n in range(200, 320) for span in call(n, n - 200, **{**OTHER, "duration_ns": 11 * 10**9})]
    traces = store(tmp_path, spans)
    rules = (RULES["provider-down"], RULES["latency-p95"])
    assert told(fired(traces, *rules)) == {("provider-down", "dead"), ("latency-p95", "other")}
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


def stepped(traces: Any, rules: tuple[Rule, ...], minutes: range) -> list[tuple[int, str, str]]:
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
