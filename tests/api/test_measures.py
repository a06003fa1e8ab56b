"""Error rate, latency and cost per call over the API, each with how sure it is."""

import itertools
from typing import Any

import msgspec
import pytest

from moat.domain.spans import Span
from moat.evals.statistics.intervals import wilson
from moat.ports.calls import MOST_SAMPLES
from tests.api.world import Api

STEP = 60 * 10**9
NUMBERS = itertools.count(1000)
"""Of the calls: the store is shared by all tests of this file."""


def keep(api: Api, experiment: str, calls: list[dict[str, Any]]) -> None:
    """Calls of an experiment, in the store."""
    spans = []
    for call in calls:
        number = next(NUMBERS)
        names = {"span_id": f"{number:016x}", "trace_id": f"{number:032x}", "request_id": f"req_{number}"}
        given = {"kind": "call", "name": "chat", "duration_ns": 1, "attempts": 1, "tenant": "acme"}
        spans.append(Span(**names, **given | call, experiment=experiment, environment="production"))
    segment = api.files.folder / "measured.ndjson"
    segment.write_bytes(msgspec.json.Encoder().encode_lines(spans))
    api.traces.ingest([segment])


def asked(api: Api, experiment: str, **query: Any) -> list[Any]:
    status, answer = api.get("/api/v1/measures", experiment=experiment, **query)
    assert status == 200, answer
    found: list[Any] = answer
    return found


def test_both_arms_of_a_canary_have_an_interval_of_every_number(api: Api) -> None:
    keep(
        api,
        "arms",
        [
            {
                "arm": arm,
                "started_ns": n,
                "duration_ns": 1000 * n,
                "cost": n * n,
                "error": "provider_down" * (n > calls),
            }
            for arm, calls in (("canary", 20), ("stable", 100))
            for n in range(1, calls + 5)
        ],
    )
    canary, stable = asked(api, "arms", by="arm")
    assert (canary["group"], stable["group"]) == (["canary"], ["stable"])
    assert (canary["calls"], canary["errors"], canary["timed"], canary["priced"]) == (24, 4, 20, 24)
    low, high = wilson(4, 24)
    assert canary["error_rate"] == pytest.approx({"value": 4 / 24, "low": low, "high": high})
    assert canary["p50_ns"] == {"value": 10_000, "low": 6000, "high": 15_000}
    assert canary["p95_ns"] == {"value": 19_000, "low": 17_000, "high": None}, "too few calls for an upper end"
    assert stable["p95_ns"] == {"value": 95_000, "low": 90_000, "high": 100_000}
    mean = sum(n * n for n in range(1, 25)) / 24
    assert canary["cost"]["value"] == pytest.approx(mean)
    assert canary["cost"]["low"] < mean < canary["cost"]["high"]
    (usage,) = api.get("/api/v1/usage", experiment="arms", arm="stable")[1]
    assert (stable["p50_ns"]["value"], stable["p95_ns"]["value"]) == (usage["p50_ns"], usage["p95_ns"])


def test_too_few_calls_have_no_interval_and_none_at_all_no_number(api: Api) -> None:
    dear = {"arm": "canary", "started_ns": 1, "duration_ns": 10, "cost": 7}
    free = {"arm": "stable", "started_ns": 1, "duration_ns": 10, "cost": None, "error": "provider_down"}
    keep(api, "few", [dear, free])
    canary, stable = asked(api, "few", by="arm")
    assert canary["p50_ns"] == {"value": 10, "low": None, "high": None}
    assert canary["cost"] == {"value": 7, "low": None, "high": None}
    assert (stable["timed"], stable["p50_ns"], stable["p95_ns"]) == (0, None, None)
    assert (stable["priced"], stable["cost"]) == (0, None)
    assert asked(api, "few", arm="none") == []


def test_what_was_refused_before_any_attempt_makes_no_call_cheaper(api: Api) -> None:
    paid = [{"started_ns": n, "cost": 10} for n in range(3)]
    refused = [{"started_ns": n, "cost": 0, "error": "rate_limited", "attempts": 0} for n in range(3)]
    keep(api, "refused", [*paid, *refused])
    (found,) = asked(api, "refused")
    assert (found["calls"], found["errors"], found["priced"], found["cost"]["value"]) == (6, 3, 3, 10)


def test_time_slots_come_oldest_first_and_begin_as_those_of_the_usage_report(api: Api) -> None:
    keep(api, "slots", [{"arm": "ab"[n % 2], "started_ns": STEP + n * STEP // 8, "duration_ns": n} for n in range(24)])
    query = {"by": "arm", "step_ns": STEP, "offset_ns": STEP // 4}
    found = asked(api, "slots", **query)
    places = [(row["slot_ns"], row["group"]) for row in found]
    assert places == sorted(places)
    usage = api.get("/api/v1/usage", experiment="slots", **query)[1]
    assert {(row["slot_ns"], *row["group"], row["calls"], row["p50_ns"]["value"]) for row in found} == {
        (row["slot_ns"], *row["group"], row["calls"], row["p50_ns"]) for row in usage
    }


def test_more_groups_than_anybody_could_look_at_are_refused(api: Api) -> None:
    keep(api, "groups", [{"user": f"user-{n}", "started_ns": n} for n in range(MOST_SAMPLES + 1)])
    status, answer = api.get("/api/v1/measures", by="user")
    assert (status, "longer slots" in answer["error"]["message"]) == (400, True), answer
    assert api.get("/api/v1/measures", by="user,user")[0] == 400
    assert api.get("/api/v1/measures", by="colour")[0] == 400
