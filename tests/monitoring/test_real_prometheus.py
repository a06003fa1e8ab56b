"""A real Prometheus looks at a real server with two workers, and its answers are what was sent."""

import json
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse

from moat.telemetry.grafana import dashboard
from tests.bootstrap.projects import Project, Server, eventually
from tests.faults.test_workers import pids
from tests.monitoring.tools import prometheus

SPEND = "sum(increase(llm_tokens_total[1h])) * 0.000002"
LATENCY = "histogram_quantile(0.95, rate(llm_latency_seconds_bucket[5m]))"
ALL = 'sum(llm_requests_total{error=""})'
COUNTER = re.compile(r"(llm|moat|gen_ai)_.+_(total|bucket|count|sum)")


def ask(server: Server, key: str, number: int) -> int:
    """One call; the tokens that its answer says it took."""
    body = {"model": "assistant", "messages": [{"role": "user", "content": f"Where is order {number}?"}]}
    status, answer = server.send("POST", "/v1/chat/completions", body, key)
    assert status == 200, answer
    return int(answer["usage"]["total_tokens"])


def page(server: Server) -> str:
    """The metrics, for a person."""
    connection = server.connection()
    headers = {"authorization": f"Bearer {server.token}", "accept": "application/openmetrics-text; version=1.0.0"}
    connection.request("GET", "/metrics", headers=headers)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def by_hand(server: Server) -> float:
    """The same quantile of the same buckets, as Prometheus defines it: linear within a bucket."""
    [family] = [family for family in parse(page(server)) if family.name == "llm_latency_seconds"]
    buckets = [(float(s.labels["le"]), s.value) for s in family.samples if s.name.endswith("_bucket")]
    rank, below, low = 0.95 * buckets[-1][1], 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            return low + (bound - low) * (rank - below) / (count - below)
        below, low = count, bound
    raise AssertionError(buckets)


def at_last_sample(found: Any, series: str) -> float:
    """When Prometheus last looked: at that moment `increase` has nothing to guess."""
    moment = found.value(f"max(timestamp({series}))")
    assert moment is not None
    return float(moment)


def test_the_questions_of_a_first_dashboard_are_answered_right(project: Project, tmp_path: Path) -> None:
    project.replace("simulation/support.yaml", {"first_token_ms: 0": "first_token_ms: 120"})
    key = project.key("--name", "app", "--tenant", "acme", "--feature", "orders")
    written = tmp_path / "written"
    project.ok("deploy", "metrics", "--out", str(written))
    with project.serving("--workers", "2") as server:
        viewer = project.key("--name", "prometheus", "--role", "viewer")
        eventually(lambda: len(pids(server)) == 2)
        target = server.url.removeprefix("http://")
        with prometheus(tmp_path, target, viewer, written / "prometheus-rules.yaml") as found:
            with ThreadPoolExecutor(8) as pool:
                tokens = sum(pool.map(lambda number: ask(server, key, number), range(60)))
                eventually(lambda: found.value(ALL) == 60)
                os.kill(pids(server)[0], signal.SIGKILL)  # nothing that it counted is lost
                eventually(lambda: len(pids(server)) == 2)
                tokens += sum(pool.map(lambda number: ask(server, key, number), range(20)))
            eventually(lambda: found.value(ALL) == 80)
            moment = eventually(lambda: at_last_sample(found, "llm_tokens_total"))
            assert found.value(SPEND, moment) == pytest.approx(tokens * 0.000002)
            p95 = found.value(LATENCY, moment)
            assert p95 == pytest.approx(by_hand(server))
            assert p95 is not None
            assert p95 > 0.1
            counters = [name for name in found.ask("label/__name__/values") if COUNTER.fullmatch(name)]
            assert len(counters) > 20
            assert {name: found.value(f"sum(resets({name}[10m]))") for name in counters} == dict.fromkeys(counters, 0)
            assert found.value("moat_workers_replaced_total") == 1
            assert found.value("sum by (tenant, feature) (llm_requests_total)") == 80
            [series] = found.ask("query", query="llm_requests_total")["result"]
            told = {name: series["metric"].get(name) for name in ("tenant", "feature", "model", "environment")}
            assert told == {"tenant": "acme", "feature": "orders", "model": "assistant", "environment": "production"}
            exemplars(server, found)
            all_queries_work(found)


def exemplars(server: Server, found: Any) -> None:
    """A point in a plot leads to a trace that is there."""
    now = time.time()
    kept = found.ask("query_exemplars", query="llm_latency_seconds_bucket", start=repr(now - 600), end=repr(now))
    trace = kept[0]["exemplars"][0]["labels"]["trace_id"]
    assert eventually(lambda: server.get(f"/api/v1/traces/{trace}")[0] == 200)


def all_queries_work(found: Any) -> None:
    """Those of the dashboard, with its variables filled in as Grafana does, and all rules."""
    for panel in json.loads(dashboard())["panels"]:
        for target in panel.get("targets", ()):
            query = re.sub(r"\$(environment|model|feature)", ".*", target["expr"]).replace("$__rate_interval", "1m")
            found.ask("query", query=query)

    def evaluated() -> bool:
        rules = [rule for group in found.ask("rules")["groups"] for rule in group["rules"]]
        return len(rules) > 25 and all(rule["health"] == "ok" for rule in rules)

    assert eventually(evaluated)


def test_calls_between_two_looks_are_seen_by_increase_and_by_people(project: Project) -> None:
    """A new series begins at 0 for a Prometheus that was there before, and for nobody else."""
    with project.serving() as server:
        headers = {"x_prometheus_scrape_timeout_seconds": "1"}

        def requests(**more: str) -> float:
            connection = server.connection()
            told = {name.replace("_", "-"): value for name, value in more.items()}
            connection.request("GET", "/metrics", headers={"authorization": f"Bearer {server.token}"} | told)
            text = connection.getresponse().read().decode()
            connection.close()
            return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("llm_requests_total{"))

        assert requests(**headers) == 0
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda number: ask(server, "", number), range(3)))
        eventually(lambda: requests() == 3)
        assert [requests(**headers), requests(**headers), requests()] == [0, 3, 3]
