"""What would have fired, beside what a server that was there told; and the calls that show it."""

from pathlib import Path
from typing import Any

import pytest

from moat.domain.alerting import Baseline, Reading
from moat.domain.feedback import Feedback
from moat.telemetry.alerts.evidence import Window, examples
from moat.telemetry.alerts.readings import Gauge
from moat.telemetry.alerts.replay import stored
from moat.telemetry.alerts.shipped import SHIPPED
from tests.telemetry.alerts.test_explained import DEAD, stepped
from tests.telemetry.alerts.test_readings import HOUR, NOW, RULES, call, fired, store
from tests.telemetry.alerts.worlds import MINUTE_NS


def test_a_replay_tells_what_the_server_told_and_when(tmp_path: Path) -> None:
    """Calls go well for an hour; then a provider is down for six minutes, which end now."""
    well: dict[str, Any] = {**DEAD, "error": ""}
    spans = [span for n in range(360) for span in call(n, 3600 - 10 * n, **well)]
    spans += [span for n in range(400, 580) for span in call(n, -2 * (n - 400), **DEAD)]
    traces = store(tmp_path, spans)
    rules = tuple(rule for rule in SHIPPED if rule.name in ("provider-down", "error-rate", "failed-calls"))
    server = stepped(traces, rules, range(-2, 7))
    until = NOW + 6 * MINUTE_NS
    found = stored(Gauge(traces), rules, until - HOUR, until, 60).events
    told = [((event.at_ns - NOW) / MINUTE_NS, event.rule, event.kind) for event in found if not event.muted]
    assert [entry[1:] for entry in told] == [entry[1:] for entry in server] != []
    apart = [abs(one[0] - other[0]) for one, other in zip(told, server, strict=True)]
    assert max(apart) <= 3, "a fifth of a window"
    traces.close()


def test_a_replay_remembers_an_outage_between_two_looks(tmp_path: Path) -> None:
    """A burst of failures, all within a minute: single calls are looked at every twelve minutes in a replay."""
    spans = [span for n in range(20) for span in call(n, -60 - n, **DEAD)]
    spans += [span for n in range(100, 160) for span in call(n, -600 - 10 * (n - 100), **{**DEAD, "error": ""})]
    traces = store(tmp_path, spans)
    rules = tuple(rule for rule in SHIPPED if rule.name in ("provider-down", "failed-calls"))
    server = [entry[1:] for entry in stepped(traces, rules, range(0, 21, 2))]
    until = NOW + 20 * MINUTE_NS
    found = stored(Gauge(traces), rules, until - HOUR, until, 60).events
    assert [(event.rule, event.kind) for event in found if not event.muted] == server
    assert server == [("provider-down", "fired"), ("provider-down", "resolved")]
    traces.close()


@pytest.mark.parametrize("hours", [1, 24, 72])
def test_rules_of_a_day_see_today(tmp_path: Path, hours: int) -> None:
    spans = [span for n in range(30) for span in call(n, 600 + n)]
    opinions = [
        Feedback(id=f"p{n}", at_ns=NOW, request_id=f"req_{n}", trace_id=f"{n:032x}", value=0.0) for n in range(30)
    ]
    traces = store(tmp_path, spans, opinions)
    found = stored(Gauge(traces), [RULES["user-feedback"]], NOW - hours * HOUR, NOW, 60).events
    assert [event.rule for event in found] == ["user-feedback"]
    traces.close()


def test_a_day_that_had_begun_before_is_spent_from_its_beginning(tmp_path: Path) -> None:
    spans = call(1, 11 * 3600, cost=40 * 10**12) + call(2, 3 * 3600, cost=40 * 10**12)
    traces = store(tmp_path, spans)
    [event] = stored(Gauge(traces), [RULES["daily-spend"]], NOW - 4 * HOUR, NOW, 60).events
    assert (event.value, event.at_ns) == (80.0, NOW - 3 * HOUR), "the hour in which it was spent is over then"
    traces.close()


def test_alerts_about_many_calls_name_some_that_show_it(tmp_path: Path) -> None:
    spans = []
    for n in range(120):
        slow = {"duration_ns": (6 + n) * 10**9} if n % 10 == 0 else {}
        spans += call(n, n, error="provider_timeout" if n % 10 == 1 else "", **slow)
    spans += [span for n in range(200, 320) for span in call(n, n - 200, model="other", error="provider_timeout")]
    traces = store(tmp_path, spans)
    found = {
        (event.rule, event.labels["model"]): event.examples
        for event in fired(traces, RULES["error-rate"], RULES["timeout-rate"], RULES["latency-p95"])
    }
    newest = tuple(f"req_{n}" for n in (1, 11, 21, 31, 41))
    slowest = tuple(f"req_{n}" for n in (110, 100, 90, 80, 70))
    assert found[("error-rate", "assistant")] == found[("timeout-rate", "assistant")] == newest
    assert found[("latency-p95", "assistant")] == slowest
    assert found[("error-rate", "other")] == tuple(f"req_{n}" for n in range(200, 205))
    traces.close()


@pytest.mark.parametrize(
    ("rule", "usual", "found"),
    [
        ("cost-per-request", 0.001, ("req_3", "req_2")),
        ("token-usage", 100.0, ("req_5", "req_4")),
        ("provider-down", 0.0, ("req_6",)),
        ("cache-hit-rate", 0.0, ()),
        ("user-feedback", 0.0, ("req_7",)),
    ],
)
def test_examples_are_the_worst_of_the_newest(tmp_path: Path, rule: str, usual: float, found: tuple[str, ...]) -> None:
    """Of a group whose name needs quotes."""
    odd: dict[str, Any] = {"feature": 'a "b" \\ c', "input_tokens": 90}
    spans = call(1, 50, **odd)
    spans += call(2, 40, **{**odd, "cost": 4 * 10**9}) + call(3, 30, **{**odd, "cost": 5 * 10**9})
    spans += call(4, 20, **{**odd, "input_tokens": 200}) + call(5, 30, **{**odd, "input_tokens": 300})
    spans += call(6, 10, feature="else", error="provider_down") + call(7, 10, **odd) + call(8, 5, cost=9 * 10**9)
    said = Feedback(id="p7", at_ns=NOW, request_id="req_7", trace_id=f"{7:032x}", value=0.25)
    traces = store(tmp_path, spans, [said])
    labels = {"environment": "production", "feature": odd["feature"], "score": "feedback"}
    if rule == "provider-down":
        labels = {"environment": "production", "provider": "openai"}
    baseline = Baseline(center=usual, spread=0.0, slots=9, of="all hours")
    reading = Reading(rule=rule, value=0.0, samples=100, labels=labels, baseline=baseline)
    window = Window(NOW - HOUR, NOW)
    assert examples(traces, RULES[rule], reading, window) == found
    traces.close()
