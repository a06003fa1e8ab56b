"""The dashboard for Grafana: whole, without overlaps, and about metrics that exist."""

import json
import re
from itertools import combinations
from typing import Any

import pytest

from moat.telemetry.alerts.shipped import SHIPPED
from moat.telemetry.grafana import dashboard
from moat.telemetry.prometheus import groups
from tests.monitoring.names import families, samples

METRIC = re.compile(r"\b((?:llm|moat|gen_ai)_[a-z_]+)(?=[\[{]|\s*$|\s*[)+/<>-]|,)")


def plots() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(dashboard())["panels"] if panel["type"] != "row"]


def test_it_has_what_grafana_wants() -> None:
    found = json.loads(dashboard())
    assert (found["schemaVersion"], found["uid"], found["title"]) == (39, "moat-llm-operations", "LLM operations")
    assert [panel["title"] for panel in found["panels"] if panel["type"] == "row"] == [
        "How fast?",
        "How expensive?",
        "How reliable?",
        "How good?",
    ]
    names = {variable["name"] for variable in found["templating"]["list"]}
    assert names == {"datasource", "environment", "model", "feature"}
    used = set(re.findall(r"\$\{?([a-z]+)", dashboard())) - {"__rate_interval"}
    assert used - {"_"} <= names
    identities = [panel["id"] for panel in found["panels"]]
    assert len(identities) == len(set(identities))
    for panel in plots():
        assert panel["targets"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == [chr(ord("A") + index) for index in range(len(letters))]
        assert all(target["legendFormat"] for target in panel["targets"])


def test_no_panel_lies_on_another() -> None:
    places = [panel["gridPos"] for panel in json.loads(dashboard())["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart = one["x"] >= other["x"] + other["w"] or other["x"] >= one["x"] + one["w"]
        assert apart or one["y"] >= other["y"] + other["h"] or other["y"] >= one["y"] + one["h"], (one, other)


QUERIES = [target["expr"] for panel in plots() for target in panel["targets"]]
QUERIES += [rule["expr"] for group in groups(SHIPPED) for rule in group["rules"]]


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_is_about_metrics_and_labels_that_exist(query: str) -> None:
    bare = re.sub(r"(by|ignoring|on) \([^)]*\)", "", query)
    names = set(METRIC.findall(re.sub(r"\{[^}]*\}", "{}", bare)))
    assert names
    assert names <= set(samples()), query
    for name, selector in re.findall(r"\b((?:llm|moat|gen_ai)_[a-z_]+)\{([^}]*)\}", query):
        labels = set(re.findall(r"([a-z_]+)(?:=~|!~|!=|=)\"", selector))
        assert labels <= {*families()[samples()[name]], "le"}, query
