"""What the page shows to whom, and where its figures come from."""

import json
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
from prometheus_client.parser import text_string_to_metric_families as parse_text

from moat.bootstrap.metering import newest
from moat.caching.report import CacheState, merged_caches, only_done
from moat.domain.scores import Run
from moat.gateway import metrics_births
from moat.gateway.measured import EvalScore, Measured
from moat.gateway.metrics import Metrics
from moat.gateway.metrics_births import MAX_SCRAPERS, Births, always
from moat.gateway.serving import Live
from moat.routing.merging import merged_states, only_counts
from moat.telemetry.labels import Known, Labels
from moat.telemetry.measures import Measures, Opinion, Seen
from moat.testing.fakes import ListSpool
from tests.bootstrap.projects import Project, eventually
from tests.monitoring import names

PROMETHEUS = [(b"x-prometheus-scrape-timeout-seconds", b"10")]


def scope(host: str = "10.0.0.1", headers: Any = PROMETHEUS) -> dict[str, Any]:
    return {"headers": headers, "client": (host, 1)}


def test_each_prometheus_sees_a_new_series_begin() -> None:
    births = Births()
    assert [births.shown(scope())("m", ("a",)) for _ in range(3)] == [False, True, True]
    assert not births.shown(scope("10.0.0.2"))("m", ("a",))
    assert not births.shown(scope())("m", ("b",))
    assert not births.shown(scope())("n", ("a",))


def test_whoever_is_no_prometheus_sees_what_is() -> None:
    assert Births().shown(scope(headers=[])) is always
    assert always("m", ())


def test_whoever_comes_late_takes_it_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    births = Births()
    monkeypatch.setattr(metrics_births, "YOUNG_SECONDS", 0.0)
    assert births.shown(scope())("m", ("a",))
    assert not births.shown(scope())("m", ("b",)), "this came up between two of his looks"


def test_scrapers_are_bounded() -> None:
    births = Births()
    for number in range(MAX_SCRAPERS + 1):
        births.shown(scope(f"10.0.0.{number}"))("m", ())
    assert births.shown(scope("10.0.0.1"))("m", ())
    assert not births.shown(scope("10.0.0.0"))("m", ()), "it was the first, and is forgotten"


def test_histograms_are_whole_in_both_formats() -> None:
    found = Measures(Labels(Known))
    found.add(Seen(kind="call", trace_id="t" * 32, started_ns=1, duration_ns=n * 10**9) for n in (1, 3, 400))
    page = Metrics(Live(names._serving()), ListSpool(), Measured(measures=found))
    for accept, read in (("application/openmetrics-text", parse), ("", parse_text)):
        text, _ = page._page(accept, always)
        [family] = [family for family in read(text.decode()) if family.name == "llm_latency_seconds"]
        values = {(sample.name, sample.labels.get("le")): sample.value for sample in family.samples}
        assert values["llm_latency_seconds_bucket", "0.5"] == 0
        assert values["llm_latency_seconds_bucket", "1.0"] == 1
        assert values["llm_latency_seconds_bucket", "300.0"] == 2
        assert values["llm_latency_seconds_bucket", "+Inf"] == values["llm_latency_seconds_count", None] == 3
        assert values["llm_latency_seconds_sum", None] == 404
        told = [sample.exemplar for sample in family.samples if sample.exemplar]
        assert [one.value for one in told] == ([1, 3, 400] if accept else [])


def test_a_worker_that_is_gone_leaves_its_counts_and_nothing_of_how_it_stood() -> None:
    state = names._deployment()
    gone = only_counts(replace(state, state="open"))
    [merged] = merged_states([gone, state])
    assert (merged.tries, merged.state, merged.latency) == (2 * state.tries, "closed", state.latency)
    cache = CacheState(alias="a", hits=3, misses=1, similar=0, saved=0, failed=0, entries=5, bytes=100, measured=[])
    [whole] = merged_caches([only_done(cache), cache])
    assert (whole.hits, whole.entries, whole.bytes) == (6, 5, 100)


def a_run(suite: str, status: Any, score: float | None, **more: Any) -> Run:
    fields = {"id": "r", "suite_digest": "", "dataset_digest": "", "prompt": "p", "version": "1.0.0"}
    fields |= {"prompt_digest": "", "model": "m", "cases": 1, "finished_ns": 10**9}
    return Run(suite=suite, status=status, score=score, **(fields | more))


def test_the_newest_finished_run_of_each_suite_counts() -> None:
    runs = [
        a_run("a", "running", None),
        a_run("a", "finished", 0.8, version="2.0.0", verdict="regressed"),
        a_run("a", "finished", 0.9),
        a_run("b", "stopped", 0.1),
        a_run("b", "finished", None),
    ]
    assert newest(runs) == (EvalScore("a", "p", "2.0.0", "m", 0.8, "regressed", 1.0),)


def test_what_people_say_is_told(project: Project) -> None:
    key = project.key("--name", "app")
    with project.serving() as server:
        asked = {"model": "assistant", "messages": [{"role": "user", "content": "Hello"}]}
        connection = server.connection()
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(asked), headers)
        answer = connection.getresponse()
        answer.read()
        request = answer.headers["x-request-id"]
        connection.close()
        said = {"request_id": request, "thumbs": "down"}
        status, told = server.send("POST", "/v1/feedback", said, key, content_type="application/json")
        assert status in (200, 201, 202), told

        def page() -> dict[tuple[str, str], float]:
            connection = server.connection()
            connection.request("GET", "/metrics", headers={"authorization": f"Bearer {server.token}"})
            text = connection.getresponse().read().decode()
            connection.close()
            return {
                (sample.name, sample.labels.get("name", "")): sample.value
                for family in parse_text(text)
                for sample in family.samples
            }

        assert eventually(lambda: page().get(("llm_scores_low_total", "feedback"))) == 1
        assert page()["llm_score_count", "feedback"] == 1


def test_an_opinion_without_a_value_is_none() -> None:
    found = Measures(Labels(Known))
    found.hear([Opinion()])
    assert not found.score.series
