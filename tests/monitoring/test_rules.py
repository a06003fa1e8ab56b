"""The rules that `moat deploy metrics` writes: read, checked and tried by Prometheus's own tool."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from moat.domain.alerting import Rule
from moat.telemetry.alerts.shipped import SHIPPED
from moat.telemetry.prometheus import alert_name, groups, operator_resource, rules_file
from moat.telemetry.promql import duration, expression
from tests.bootstrap.projects import Project
from tests.monitoring.tools import promtool

SEED = "sum(increase(llm_tokens_total[24h])) * 0.000002 > 50"


def by_name() -> dict[str, Any]:
    return {rule["alert"]: rule for group in groups(SHIPPED) for rule in group["rules"]}


def test_the_first_dashboard_alert_of_a_team_is_there_as_it_stands() -> None:
    first, *_ = yaml.safe_load_all(operator_resource(SHIPPED))
    assert first["apiVersion"] == "monitoring.coreos.com/v1"
    assert first["kind"] == "PrometheusRule"
    assert first["metadata"]["name"] == "llm-cost-alerts"
    assert first["spec"]["groups"] == [
        {
            "name": "llm_cost",
            "rules": [
                {
                    "alert": "LLMDailySpendHigh",
                    "expr": SEED,
                    "for": "5m",
                    "annotations": {"summary": "LLM daily spend exceeding $50 threshold"},
                }
            ],
        }
    ]


def test_what_kubernetes_gets_is_what_prometheus_gets() -> None:
    found = [group for one in yaml.safe_load_all(operator_resource(SHIPPED)) for group in one["spec"]["groups"]]
    assert found == yaml.safe_load(rules_file(SHIPPED))["groups"]
    assert all(rule["labels"]["severity"] in ("critical", "warning", "info") for rule in found[1]["rules"])


def test_every_shipped_rule_but_single_prices_is_watched_by_prometheus_too() -> None:
    assert {rule.name for rule in SHIPPED if expression(rule) is None} == {"expensive-calls"}
    names = list(by_name())
    assert len(names) == len(set(names))
    assert {alert_name(rule.name) for rule in SHIPPED} - set(names) == {"LLMExpensiveCalls"}


def test_a_project_gets_its_own_thresholds(project: Project) -> None:
    rules = "  rules:\n  - {name: latency-p95, above: 2.5}\n  - {name: cache-hit-rate, enabled: false}\n"
    alerts = f"alerts:\n  daily_budget: '12.50'\n{rules}"
    project.replace("moat.yaml", {"providers:\n": f"{alerts}providers:\n"})
    out = project.root / "written"
    done = project.ok("deploy", "metrics", "--out", str(out))
    assert sorted(path.name for path in out.iterdir()) == [
        "grafana-dashboard.json",
        "prometheus-rules.yaml",
        "prometheusrule.yaml",
    ]
    assert "expensive-calls" in done.out
    text = (out / "prometheus-rules.yaml").read_text()
    found = {rule["alert"]: rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]}
    assert "> 2.5)" in found["LLMLatencyP95"]["expr"]
    assert found["LLMDailySpend"]["expr"] == "sum (increase(llm_cost_dollars_total[1d])) > 12.5"
    assert "LLMCacheHitRate" not in found
    assert promtool("check", "rules", str(out / "prometheus-rules.yaml")).returncode == 0


def test_outside_of_a_project_they_are_as_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.bootstrap.projects import in_process

    monkeypatch.chdir(tmp_path)
    assert in_process(capsys, "deploy", "metrics").code == 0
    assert (tmp_path / "deploy" / "prometheus-rules.yaml").read_text() == rules_file(SHIPPED)
    assert in_process(capsys, "-C", str(tmp_path), "deploy", "metrics").code == 66
    (tmp_path / "file").write_text("")
    assert in_process(capsys, "deploy", "metrics", "--out", str(tmp_path / "file")).code == 74


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"by": ("user",)}, None),
        ({"where": "latency > 2s"}, None),
        ({"by": ()}, "histogram_quantile(0.95, sum by (le) (rate(llm_latency_seconds_bucket[15m]))) > 5"),
        ({"by": ("release",), "window_s": 90}, "sum by (le, release) (rate(llm_latency_seconds_bucket[90s]))"),
        ({"measure": "slow_calls", "limit": 31.0}, None),
        ({"measure": "slow_calls", "limit": 30.0}, 'llm_latency_seconds_bucket{le="30.0"}[15m]'),
        ({"where": "not error in (client_closed)", "measure": "error_rate"}, 'error!~"|client_closed"'),
        ({"measure": "calls", "side": "below"}, "sum (increase(llm_requests_total[15m])) < 5"),
    ],
)
def test_rules_that_a_project_makes(changes: dict[str, Any], found: str | None) -> None:
    rule = Rule(
        name="own", measure="latency_p95", side="above", threshold=5, meaning="m", remedy="r", by=(), min_samples=1
    )
    made = expression(replace(rule, **changes))
    assert made == found if found is None else found in str(made)


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0, 60, 90, 3600, 604_800)] == ["0d", "1m", "90s", "1h", "7d"]


def test_promtool_finds_the_rules_sound(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_file(SHIPPED))
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(rules))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(by_name())} rules found" in done.stdout


WHOSE = 'environment="production",feature="search",model="assistant",release="",tenant=""'
PLACE = 'environment="production",feature="search",model="assistant",release=""'


def series(name: str, labels: str, values: str) -> dict[str, str]:
    return {"series": f"{name}{{{labels}}}", "values": values}


def latencies(fast: int, slow: int) -> list[dict[str, str]]:
    """So many calls a minute up to 1 s, and between 5 and 7.5 s."""
    long = "x180"
    return [
        series("llm_latency_seconds_bucket", f'{PLACE},le="1.0"', f"0+{fast}{long}"),
        series("llm_latency_seconds_bucket", f'{PLACE},le="5.0"', f"0+{fast}{long}"),
        series("llm_latency_seconds_bucket", f'{PLACE},le="7.5"', f"0+{fast + slow}{long}"),
        series("llm_latency_seconds_bucket", f'{PLACE},le="+Inf"', f"0+{fast + slow}{long}"),
        series("llm_latency_seconds_count", PLACE, f"0+{fast + slow}{long}"),
        series("llm_requests_total", f'{WHOSE},error=""', f"0+{fast + slow}{long}"),
    ]


def refused(calls: int) -> dict[str, str]:
    """So many calls a minute that an open breaker refused."""
    return series("llm_requests_total", f'{WHOSE},error="circuit_open"', f"0+{calls}x180")


def fires(at: str, alert: str, *labels: dict[str, str]) -> dict[str, Any]:
    rule = by_name()[alert]
    annotations = {name: text for name, text in rule["annotations"].items() if name != "description"}
    return {
        "eval_time": at,
        "alertname": alert,
        "exp_alerts": [{"exp_labels": found, "exp_annotations": annotations} for found in labels],
    }


def labelled(alert: str, **labels: str) -> dict[str, str]:
    return labels | by_name()[alert].get("labels", {})


CASES: dict[str, tuple[list[dict[str, str]], list[dict[str, Any]]]] = {
    "spend, by the tokens of a day": (
        # 30 million tokens in 24 h are $60; after 20 h it is $50.
        [series("llm_tokens_total", f'{WHOSE},type="input"', "0+20834x1500")],
        [fires("19h", "LLMDailySpendHigh"), fires("24h", "LLMDailySpendHigh", labelled("LLMDailySpendHigh"))],
    ),
    "spend, by price": (
        [series("llm_cost_dollars_total", WHOSE, "0+0.04x1500")],
        [fires("19h", "LLMDailySpend"), fires("24h", "LLMDailySpend", labelled("LLMDailySpend"))],
    ),
    "one answer in ten is slow": (
        latencies(90, 10),
        [
            fires("2h", "LLMLatencyP95", labelled("LLMLatencyP95", environment="production", model="assistant")),
        ],
    ),
    "one answer in fifty is slow": (latencies(98, 2), [fires("2h", "LLMLatencyP95")]),
    "too few calls to say": (latencies(3, 3), [fires("2h", "LLMLatencyP95")]),
    "too few answers to say, and many refused": ([*latencies(3, 3), refused(100)], [fires("2h", "LLMLatencyP95")]),
    "two calls in a hundred fail": (
        [
            series("llm_requests_total", f'{WHOSE},error=""', "0+98x180"),
            series("llm_requests_total", f'{WHOSE},error="provider_down"', "0+2x180"),
        ],
        [fires("2h", "LLMErrorRate", labelled("LLMErrorRate", environment="production", model="assistant"))],
    ),
    "callers hang up": (
        [
            series("llm_requests_total", f'{WHOSE},error=""', "0+50x180"),
            series("llm_requests_total", f'{WHOSE},error="client_closed"', "0+50x180"),
        ],
        [fires("2h", "LLMErrorRate"), fires("2h", "LLMTimeoutRate")],
    ),
    "one call in a hundred is late": (
        [
            series("llm_requests_total", f'{WHOSE},error=""', "0+99x180"),
            series("llm_requests_total", f'{WHOSE},error="provider_timeout"', "0+1x180"),
        ],
        [fires("2h", "LLMTimeoutRate", labelled("LLMTimeoutRate", environment="production", model="assistant"))],
    ),
    "people give 3 of 5": (
        [
            series("llm_score_sum", 'name="feedback",source="person",environment="production"', "0+0.5x1500"),
            series("llm_score_count", 'name="feedback",source="person",environment="production"', "0+1x1500"),
        ],
        [fires("25h", "LLMUserFeedback", labelled("LLMUserFeedback", environment="production"))],
    ),
    "a cache that answers one in ten": (
        [
            series("moat_cache_hits_total", 'alias="assistant"', "0+10x180"),
            series("moat_cache_similar_total", 'alias="assistant"', "0+0x180"),
            series("moat_cache_misses_total", 'alias="assistant"', "0+90x180"),
        ],
        [
            fires("2h", "LLMCacheHitRate", labelled("LLMCacheHitRate", alias="assistant")),
            fires("2h", "LLMCacheHitRateLow", labelled("LLMCacheHitRateLow", alias="assistant")),
        ],
    ),
    "a disk that takes nothing": (
        [series("moat_spool_refusing", "", "1x180")],
        [fires("2h", "MoatRefusesCalls", labelled("MoatRefusesCalls"))],
    ),
}


LONG: dict[str, tuple[list[dict[str, str]], list[dict[str, Any]]]] = {
    "scores that have two heaps where they had one": (
        [
            series("llm_score_bucket", f'name="judge",source="scorer",environment="production",le="{bound}"', values)
            for bound, values in (("0.0", "0+0x168 1+50x40"), ("0.5", "0+100x209"), ("+Inf", "0+100x209"))
        ]
        + [series("llm_score_count", 'name="judge",source="scorer",environment="production"', "0+100x209")],
        [
            fires("144h", "LLMConfidenceShift"),
            fires("192h", "LLMConfidenceShift", labelled("LLMConfidenceShift", environment="production", name="judge")),
        ],
    ),
    "a score that falls by a tenth after a week": (
        [
            series("llm_score_sum", 'name="judge",source="scorer",environment="production"', "0+90x168 15120+80x40"),
            series("llm_score_count", 'name="judge",source="scorer",environment="production"', "0+100x209"),
        ],
        [
            fires("144h", "LLMEvalScore"),
            fires("192h", "LLMEvalScore", labelled("LLMEvalScore", environment="production", name="judge")),
        ],
    ),
}


@pytest.mark.parametrize(("cases", "interval", "every"), [(CASES, "1m", "1h"), (LONG, "1h", "6h")])
def test_rules_fire_when_they_should_and_only_then(
    cases: dict[str, tuple[list[dict[str, str]], list[dict[str, Any]]]], interval: str, every: str, tmp_path: Path
) -> None:
    rules = yaml.safe_load(rules_file(SHIPPED))
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["annotations"].pop("description", None)  # which holds the value
    (tmp_path / "rules.yaml").write_text(json.dumps(rules))
    tests = [
        {"name": name, "interval": interval, "input_series": found, "alert_rule_test": wanted}
        for name, (found, wanted) in cases.items()
    ]
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": every, "tests": tests}
    (tmp_path / "tests.yaml").write_text(json.dumps(content))
    done = promtool("test", "rules", str(tmp_path / "tests.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
