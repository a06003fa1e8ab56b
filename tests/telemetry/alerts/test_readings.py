"""Rules over a store: real DuckDB, and made-up weeks of traffic."""

import random
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from moat.adapters.duckdb import DuckTraces
from moat.domain.alerting import Event, Rule, Standing
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.telemetry.alerts.evaluate import evaluate, looked
from moat.telemetry.alerts.messages import compose
from moat.telemetry.alerts.readings import Gauge
from moat.telemetry.alerts.replay import stored
from moat.telemetry.alerts.shipped import SHIPPED
from moat.telemetry.shipper import Shipper
from moat.telemetry.spool import SegmentSpool
from tests.telemetry.alerts.worlds import MINUTE_NS, MONDAY, WEEK_NS, Traffic

HOUR = 60 * MINUTE_NS
NOW = MONDAY + 36 * HOUR
RULES = {rule.name: rule for rule in SHIPPED}


def store(folder: Path, spans: list[Span], opinions: list[Feedback] | None = None) -> DuckTraces:
    """A trace store that holds these."""
    traces = DuckTraces.open(folder / "traces.duckdb")
    spool = SegmentSpool(folder / "spool")
    spool.open()
    spool.append(spans)
    spool.close()
    Shipper(folder / "spool", traces).drain()
    if opinions:
        said = SegmentSpool(folder / "opinions")
        said.open()
        said.append(opinions)
        said.close()
        traces.ingest_feedback(sorted((folder / "opinions").glob("*")))
    return traces


def call(number: int, ago_s: float, **fields: Any) -> list[Span]:
    """A call and its attempt."""
    said: dict[str, Any] = {
        "environment": "production",
        "tenant": "acme",
        "feature": "chat",
        "model": "assistant",
        "provider": "openai",
        "duration_ns": 10**9,
        "cost": 10**9,
        **fields,
    }
    whole = Span(
        span_id=f"{number:015x}c",
        trace_id=f"{number:032x}",
        kind="call",
        name="chat",
        request_id=f"req_{number}",
        started_ns=NOW - 1 - round(ago_s * 1e9),
        **said,
    )
    return [whole, replace(whole, span_id=f"{number:015x}a", parent_id=whole.span_id, kind="attempt", model="gpt")]


def fired(traces: Any, *rules: Rule, rounds: int = 2) -> list[Event]:
    """What fires at once, given so many evaluations."""
    gauge, standing, events = Gauge(traces), Standing(), list[Event]()
    for number in range(rounds):
        standing, more = evaluate(rules, gauge.now(rules, NOW + number, looked(standing)), standing, NOW + number)
        events += more
    return events


def test_calls_that_fail_raise_the_rate_and_callers_mistakes_do_not(tmp_path: Path) -> None:
    spans = [span for n in range(60) for span in call(n, n, error="provider_down" if n % 6 == 0 else "")]
    spans += [span for n in range(100, 160) for span in call(n, n - 100, model="other", error="invalid_request")]
    spans += [span for n in range(200, 260) for span in call(n, n - 200, environment="eval", error="provider_down")]
    spans += [span for n in range(300, 360) for span in call(n, n - 300, shadow_of="req_1", error="provider_down")]
    again = {"environment": "", "feature": "rerun", "error": "provider_down"}
    spans += [span for n in range(400, 460) for span in call(n, n - 400, **again)]
    traces = store(tmp_path, spans)
    found = fired(traces, RULES["error-rate"], RULES["failed-calls"])
    assert {(event.rule, event.labels.get("model", ""), event.samples) for event in found} == {
        ("error-rate", "assistant", 60),
        ("failed-calls", "", 10),
    }
    single = next(event for event in found if event.rule == "failed-calls")
    assert single.examples == ("req_0", "req_6", "req_12", "req_18", "req_24")
    traces.close()


def test_few_calls_get_a_longer_look(tmp_path: Path) -> None:
    """Two calls an hour, a third of which fail: a window of a quarter of an hour never sees enough."""
    spans = [span for n in range(48) for span in call(n, n * 1800, error="provider_timeout" if n % 3 == 0 else "")]
    traces = store(tmp_path, spans)
    [event] = fired(traces, RULES["error-rate"])
    assert (event.samples, round(event.value, 2)) == (48, 0.33)
    traces.close()


def test_single_slow_and_expensive_calls_bubble_up_with_their_ids(tmp_path: Path) -> None:
    spans = call(1, 60, duration_ns=31 * 10**9) + call(2, 60, cost=2 * 10**12) + call(3, 60)
    traces = store(tmp_path, spans)
    found = fired(traces, RULES["slow-calls"], RULES["expensive-calls"])
    assert {(event.rule, event.examples) for event in found} == {
        ("slow-calls", ("req_1",)),
        ("expensive-calls", ("req_2",)),
    }
    traces.close()


def test_a_provider_that_is_down_is_the_one_message(tmp_path: Path) -> None:
    spans = [span for n in range(40) for span in call(n, n, error="provider_down", duration_ns=31 * 10**9)]
    traces = store(tmp_path, spans)
    found = fired(traces, *SHIPPED)
    assert {event.rule for event in found} >= {"provider-down", "error-rate", "slow-calls"}
    assert [message.rule for message in compose(found, RULES)] == ["provider-down"]
    traces.close()


def test_an_outage_is_no_time_of_quick_answers(tmp_path: Path) -> None:
    """Slow before the breaker opened, refused at once since: nothing has become faster."""
    slow = [span for n in range(60) for span in call(n, 400 + n, duration_ns=8 * 10**9)]
    refused = [call(n, n - 100, error="circuit_open", duration_ns=200_000)[0] for n in range(100, 400)]
    traces = store(tmp_path, [*slow, *refused])
    rule = replace(RULES["latency-p95"], min_samples=50)
    [reading] = Gauge(traces).now([rule], NOW)
    assert (reading.value, reading.samples) == (8.0, 60)
    traces.close()


def test_money_of_today_and_of_the_budget(tmp_path: Path) -> None:
    spans = call(1, 3600, cost=30 * 10**12) + call(2, 7200, cost=30 * 10**12) + call(3, 20 * 3600, cost=90 * 10**12)
    traces = store(tmp_path, spans)
    [event] = fired(traces, RULES["daily-spend"])
    assert (event.value, event.bar) == (60.0, 50.0), "the day began twelve hours ago"
    berlin = Gauge(traces, "Europe/Berlin").now([RULES["daily-spend"]], NOW)
    assert [reading.value for reading in berlin] == [60.0]
    traces.close()


def test_people_and_scorers(tmp_path: Path) -> None:
    spans = [span for n in range(120) for span in call(n, 60 + n)]
    opinions = [
        Feedback(id=f"p{n}", at_ns=NOW, request_id=f"req_{n}", trace_id=f"{n:032x}", value=0.25) for n in range(20)
    ]
    opinions += [
        Feedback(
            id=f"s{n}",
            at_ns=NOW,
            request_id=f"req_{n}",
            trace_id=f"{n:032x}",
            name="faithfulness",
            source="scorer",
            value=0.1 if n % 4 == 0 else 0.9,
        )
        for n in range(100)
    ]
    traces = store(tmp_path, spans, opinions)
    found = fired(traces, RULES["user-feedback"], RULES["hallucination-rate"], RULES["retrieval-relevance"])
    assert {(event.rule, event.labels["score"], round(event.value, 2)) for event in found} == {
        ("user-feedback", "feedback", 2.0),
        ("hallucination-rate", "faithfulness", 0.25),
    }
    traces.close()


def test_a_score_that_falls_and_one_that_splits_in_two(tmp_path: Path) -> None:
    dice = random.Random(3)
    spans, opinions = [], []
    for n in range(1500):
        ago = n % 15 * 86_400 + 60 + n
        spans += call(n, ago)
        today = n % 15 == 0
        value = dice.choice([0.02, 0.02, 0.97]) if today else min(1.0, max(0.0, dice.gauss(0.7, 0.1)))
        opinions.append(
            Feedback(
                id=f"s{n}",
                at_ns=NOW,
                request_id=f"req_{n}",
                trace_id=f"{n:032x}",
                name="confidence",
                source="scorer",
                value=value,
            )
        )
    traces = store(tmp_path, spans, opinions)
    found = fired(traces, RULES["eval-score"], RULES["confidence-shift"])
    assert {event.rule for event in found} == {"eval-score", "confidence-shift"}
    traces.close()


def test_own_rules_by_dimension_and_filter(tmp_path: Path) -> None:
    spans = [
        span for n in range(60) for span in call(n, n, tenant="acme" if n % 2 else "globex", duration_ns=3 * 10**9)
    ]
    traces = store(tmp_path, spans)
    rule = replace(
        RULES["latency-p95"], name="mine", threshold=2.0, by=("tenant",), where="tenant = acme", min_samples=20
    )
    assert [event.labels for event in fired(traces, rule)] == [{"tenant": "acme"}]
    traces.close()


def test_history_says_what_would_have_fired(tmp_path: Path) -> None:
    spans = []
    for n in range(2000):
        bad = 400 <= n < 600
        spans += call(n, 86_400 - n * 40, error="provider_timeout" if bad and n % 3 == 0 else "")
    traces = store(tmp_path, spans)
    events = stored(Gauge(traces), [RULES["error-rate"], RULES["daily-spend"]], NOW - 24 * HOUR, NOW, 60).events
    assert [event.kind for event in events] == ["fired", "resolved"]
    begun = NOW - 86_400 * 10**9 + 400 * 40 * 10**9
    assert begun < events[0].at_ns <= begun + HOUR, "by a window of a quarter of an hour, or the next longer one"
    traces.close()


def change(factor: str, value: float, at_ns: int) -> Any:
    return lambda now: {factor: value} if now >= at_ns else {}


@pytest.mark.parametrize(
    ("rule", "factor", "value", "within"),
    [
        ("latency-p95", "latency", 2.5, 30),
        ("error-rate", "errors", 15.0, 30),
        ("cost-per-request", "cost", 3.0, 60),
    ],
)
def test_a_step_is_found_and_quiet_traffic_is_not(rule: str, factor: str, value: float, within: int) -> None:
    start = MONDAY + 4 * WEEK_NS + 34 * HOUR
    step = start + 60 * MINUTE_NS
    traffic = Traffic(11, change(factor, value, step), volume=12, begins=start - WEEK_NS)
    gauge, standing, found = Gauge(traffic), Standing(), list[Event]()
    used = [RULES[rule]]
    for minute in range(0, 60 + within, 5):
        at = start + minute * MINUTE_NS
        standing, events = evaluate(used, gauge.now(used, at, looked(standing)), standing, at)
        found += events
    assert [event.kind for event in found] == ["fired"]
    assert found[0].at_ns > step
