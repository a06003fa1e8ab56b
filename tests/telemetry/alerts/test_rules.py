"""Rules as shipped, and as moat.yaml changes them."""

from typing import Any

import msgspec
import pytest

from moat.domain.alerting import AlertsConfig
from moat.domain.errors import ConfigError
from moat.telemetry.alerts.readings import windows
from moat.telemetry.alerts.rules import compiled
from moat.telemetry.alerts.shipped import SHIPPED
from moat.telemetry.query import parse

OPS = {"ops": {"kind": "webhook", "url": "http://127.0.0.1"}}


def config(**fields: Any) -> AlertsConfig:
    return msgspec.convert(fields, AlertsConfig)


def test_every_shipped_rule_is_whole() -> None:
    assert len({rule.name for rule in SHIPPED}) == len(SHIPPED)
    names = {rule.name for rule in SHIPPED}
    for rule in SHIPPED:
        assert rule.seed
        assert rule.meaning.endswith(".")
        assert rule.remedy.endswith(".")
        assert set(rule.inhibited_by) <= names
        parse(rule.where)
        assert windows(rule)[0] == rule.window_s * 10**9


@pytest.mark.parametrize(
    ("name", "measure", "side", "threshold", "relative"),
    [
        ("latency-p95", "latency_p95", "above", 5.0, False),
        ("latency-p95-baseline", "latency_p95", "above", 2.0, True),
        ("tokens-per-second", "tokens_per_second", "below", 0.8, True),
        ("error-rate", "error_rate", "above", 0.01, False),
        ("timeout-rate", "timeout_rate", "above", 0.005, False),
        ("cost-per-request", "cost_per_call", "above", 2.0, True),
        ("cost-per-query", "cost_per_call", "above", 0.1, False),
        ("daily-spend", "spend_today", "above", 50.0, False),
        ("latency-p50", "latency_p50", "above", 2.0, True),
        ("latency-p99", "latency_p99", "above", 2.0, True),
        ("provider-down", "provider_failures", "above", 0.5, False),
        ("confidence-shift", "score_shift", "above", 0.2, False),
        ("slow-calls", "slow_calls", "above", 0.0, False),
        ("failed-calls", "failed_calls", "above", 0.0, False),
        ("expensive-calls", "expensive_calls", "above", 0.0, False),
        ("token-usage", "tokens_per_call", "above", 1.2, True),
        ("user-feedback", "feedback", "below", 3.5, False),
        ("hallucination-rate", "low_scores", "above", 0.05, False),
        ("retrieval-relevance", "score", "below", 0.7, False),
        ("cache-hit-rate", "cache_hit_rate", "below", 0.3, False),
        ("cache-hit-rate-low", "cache_hit_rate", "below", 0.15, False),
        ("eval-score", "score", "below", 0.95, True),
    ],
)
def test_thresholds_are_those_of_the_metrics_tables(
    name: str, measure: str, side: str, threshold: float, relative: bool
) -> None:
    rule = next(rule for rule in SHIPPED if rule.name == name)
    assert (rule.measure, rule.side, rule.threshold, rule.relative) == (measure, side, threshold, relative)


METRICS_TABLES = """
| Performance | Latency p50, p95, p99 | p95 > 5s |
| Performance | Tokens per second | < baseline - 20% |
| Reliability | Error rate | > 1% |
| Reliability | Timeout rate | > 0.5% |
| Cost | Cost per request | > 2x baseline |
| Cost | Daily spend | > budget |
| Quality | User feedback score | < 3.5/5 |
| Quality | Hallucination rate (sampled) | > 5% |
| RAG | Retrieval relevance | < 0.7 |
| RAG | Cache hit rate | < 30% |
| Latency (p50/p95/p99) | Provider performance | p95 > 2x baseline |
| Token usage (in/out) | Cost efficiency | > 20% increase |
| Error rate | Provider reliability | > 1% |
| Cache hit rate | Caching effectiveness | < 15% (too low) |
| Eval score (rolling) | Output quality | > 5% drop from baseline |
| Confidence distribution | Calibration drift | Bimodal shift |
| Cost per query | Unit economics | > budget threshold |
| Slow / failed / expensive calls bubble up as alerts |
"""
"""What teams are told to watch, as they are told."""


def test_every_row_of_the_metrics_tables_has_a_rule_and_every_rule_a_row() -> None:
    rows = {row.strip("| ") for row in METRICS_TABLES.strip().splitlines()}
    assert {rule.seed for rule in SHIPPED} == rows


def test_a_shipped_rule_is_changed_and_another_added() -> None:
    rules = compiled(
        config(
            rules=[
                {"name": "latency-p95", "above": 8, "per": ["tenant"], "window": "30m", "min_samples": 40},
                {"name": "error-rate", "enabled": False},
                {"name": "slow-calls", "limit": 60.0},
                {"name": "gold-latency", "measure": "latency_p50", "above": "1.5x", "where": "tenant = gold"},
            ]
        )
    )
    named = {rule.name: rule for rule in rules}
    latency = named["latency-p95"]
    assert (latency.threshold, latency.by, latency.window_s) == (8.0, ("tenant",), 1800)
    assert "error-rate" not in named
    assert named["slow-calls"].limit == 60.0
    assert (named["gold-latency"].relative, named["gold-latency"].threshold) == (True, 1.5)
    assert compiled(AlertsConfig()) == SHIPPED


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rules": [{"name": "mine"}]}, "no `measure`"),
        ({"rules": [{"name": "mine", "measure": "calls"}]}, "neither `above` nor `below`"),
        ({"rules": [{"name": "mine", "measure": "calls", "above": 1, "below": 2}]}, "not both"),
        ({"rules": [{"name": "mine", "measure": "calls", "above": 1, "per": ["colour"]}]}, "'colour' is no dimension"),
        ({"rules": [{"name": "mine", "measure": "calls", "above": 1, "where": "tenant ="}]}, ""),
        ({"rules": [{"name": "mine", "measure": "calls", "above": 1, "window": "30s"}]}, "from 1m to 28d"),
        ({"rules": [{"name": "mine", "measure": "spend_today", "above": "2x"}]}, "has no baseline"),
        ({"rules": [{"name": "mine", "measure": "provider_failures", "above": 1, "per": ["user"]}]}, "provider"),
        ({"rules": [{"name": "latency-p95", "measure": "calls"}]}, "measures latency_p95"),
        ({"rules": [{"name": "latency-p95"}, {"name": "latency-p95"}]}, "there twice"),
        ({"routes": [{"channels": ["ops"]}]}, "no channel 'ops'"),
        (
            {
                "channels": {"ops": {"kind": "webhook", "url": "http://x"}},
                "routes": [{"channels": ["ops"], "rules": ["x"]}],
            },
            "no rule 'x'",
        ),
        ({"timezone": "Mars/Base"}, "no time zone"),
    ],
)
def test_what_means_nothing_is_refused_with_its_place(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compiled(config(**fields))
    assert said in caught.value.what
    assert "moat.yaml" in caught.value.where
