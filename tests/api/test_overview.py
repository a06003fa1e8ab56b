"""The first page in one answer, the rules behind limits, and forecasts: to each key of its own only."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.domain.alerting import Alert, Standing
from moat.domain.releases import Arm
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter
from tests.api.world import Api, assign, open_api

HOUR = 3600 * 10**9
WEEK = 168 * HOUR


@pytest.fixture(scope="module")
def busy(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Calls of the last hours and of a week before, a release, an alert that fires and one that may."""
    folder = tmp_path_factory.mktemp("busy")
    with open_api(template, folder) as api:
        now = time.time_ns()
        spans = [_span(n, now - n * HOUR // 10, cost=100) for n in range(1, 21)]
        spans += [_span(100 + n, now - WEEK - n * HOUR // 10, cost=50, error="provider_down") for n in range(1, 11)]
        spans += [_span(200, now - HOUR // 60, environment="eval"), _span(201, now - HOUR // 60, shadow_of="req_1")]
        segment = folder / "busy.ndjson"
        segment.write_bytes(msgspec.json.Encoder().encode_lines(spans))
        api.traces.ingest([segment])
        assign(api.state, "production", 2, Arm("rel_1.1.0"), actor="grace", reason="better", created_ns=now - HOUR)
        alerts = [
            Alert(rule="errors", state="firing", since_ns=1, fired_ns=2, seen_ns=3, value=1, bar=0.1, samples=9),
            Alert(
                rule="error-rate",
                state="firing",
                since_ns=now - HOUR,
                fired_ns=1,
                seen_ns=now,
                value=0.4,
                bar=0.01,
                samples=9,
                window_s=1800,
                labels={"environment": "production", "feature": 'say "hi"'},
            ),
            Alert(rule="slow", state="pending", since_ns=1, seen_ns=3, value=1, bar=0.1, samples=9),
        ]
        api.state.alerts.commit(Standing(alerts=tuple(alerts)), (), ())
        yield api


def _span(number: int, started_ns: int, **fields: Any) -> Span:
    return Span(
        **{"span_id": f"{number:016x}", "trace_id": f"{number:032x}", "kind": "call", "name": "chat",
           "request_id": f"req_b{number}", "started_ns": started_ns, "duration_ns": 7, "environment": "production",
           "tenant": ["acme", "globex"][number % 2], "cost": 1, **fields}
    )  # fmt: skip


def test_the_last_hours_stand_beside_those_a_week_before(busy: Api) -> None:
    found = busy.get("/api/v1/overview", window="24h")[1]
    assert (found["now"]["calls"], found["now"]["errors"], found["now"]["cost"]) == (20, 0, 2000)
    assert (found["before"]["calls"], found["before"]["errors"], found["before"]["cost"]) == (10, 10, 500)
    assert found["since_ns"] - found["before_since_ns"] == WEEK
    assert sum(slot["calls"] for slot in found["series"]) == 20
    assert 24 * HOUR / found["step_ns"] <= 119
    assert [alert["rule"] for alert in found["alerts"]] == ["errors", "error-rate"]
    (mark,) = found["releases"]
    assert (mark["actor"], mark["versions"], mark["environment"]) == ("grace", ["1.1.0"], "production")
    assert found["forecast"]["month"] == time.strftime("%Y-%m", time.gmtime())


def test_an_alert_says_what_it_means_and_which_calls_are_behind_it(busy: Api) -> None:
    gone, rate = busy.get("/api/v1/overview", window="24h")[1]["alerts"]
    assert (gone["value"], gone["meaning"], gone["remedy"]) == ("1", "", ""), "moat.yaml has no such rule any more"
    assert (rate["value"], rate["side"], rate["bar"]) == ("40.0%", "above", "1.0%")
    assert (rate["meaning"] != "", rate["remedy"] != "") == (True, True)
    assert rate["since_ns"] - rate["calls_since_ns"] == HOUR // 2
    assert 'environment = "production" and feature = "say \\"hi\\"" and ' in rate["q"], rate["q"]
    assert rate["q"].endswith(" and error"), rate["q"]
    for alert in (gone, rate):
        status, found = busy.get("/api/v1/calls", "admin", q=alert["q"])
        assert status == 200, found


def test_a_long_time_is_compared_with_one_that_does_not_overlap(busy: Api) -> None:
    found = busy.get("/api/v1/overview", window="30d")[1]
    assert found["now"]["calls"] == 30
    assert found["before_until_ns"] <= found["since_ns"]
    assert busy.get("/api/v1/overview", window="24h", environment="staging")[1]["now"]["calls"] == 0


def test_a_time_that_is_over_stands_beside_the_same_a_week_before_it(busy: Api) -> None:
    now = time.time_ns()
    since, until = now - WEEK - HOUR, now - WEEK
    found = busy.get("/api/v1/overview", since_ns=since, until_ns=until)[1]
    assert (found["since_ns"], found["until_ns"]) == (since, until)
    assert (found["before_since_ns"], found["before_until_ns"]) == (since - WEEK, until - WEEK)
    # A call each six minutes, the first six minutes before.
    assert (found["now"]["calls"], found["now"]["errors"]) == (9, 9)
    assert (found["before"]["calls"], found["releases"]) == (0, [])
    assert [alert["rule"] for alert in found["alerts"]] == ["errors", "error-rate"], "of now"
    last = busy.get("/api/v1/overview", window="1h", until_ns=until)[1]
    assert (last["since_ns"], last["until_ns"], last["now"]) == (since, until, found["now"])
    assert busy.get("/api/v1/overview", since_ns=now - HOUR * 3 // 2)[1]["releases"] != []
    own = busy.get("/api/v1/overview", "acme-viewer", since_ns=since, until_ns=until)[1]
    assert (own["now"]["calls"], own["alerts"], own["budgets"]) == (4, [], [])
    assert busy.get("/api/v1/overview", "bound-viewer", since_ns=since, environment="staging")[0] == 404


def test_what_changed_in_a_time_that_is_over(busy: Api) -> None:
    [newest, *older] = busy.get("/api/v1/changes")[1]
    assert busy.get("/api/v1/changes", until_ns=newest["at_ns"])[1] == older, "an end is no part of the time"
    assert busy.get("/api/v1/changes", since_ns=newest["at_ns"], until_ns=newest["at_ns"] + 1)[1] == [newest]


def test_a_time_that_is_over_may_be_long(busy: Api) -> None:
    now = time.time_ns()
    found = busy.get("/api/v1/overview", since_ns=now - 9 * WEEK, until_ns=now - WEEK // 2)[1]
    assert found["now"]["calls"] == 10
    assert found["since_ns"] - found["before_since_ns"] == 9 * WEEK
    assert found["before_until_ns"] <= found["since_ns"]
    assert (found["until_ns"] - found["since_ns"]) / found["step_ns"] <= 119


def test_of_what_is_to_come_nothing_is_known(busy: Api) -> None:
    now = time.time_ns()
    found = busy.get("/api/v1/overview", since_ns=now - 3 * HOUR, until_ns=now + 24 * HOUR)[1]
    assert (found["now"]["calls"], found["since_ns"]) == (20, now - 3 * HOUR)
    assert now <= found["until_ns"] <= time.time_ns()
    assert found["since_ns"] - found["before_since_ns"] == WEEK, "of three hours, not of a day"


@pytest.mark.parametrize("environment", ["", "production", "eval"])
def test_the_calls_of_the_page_are_found_among_the_others(busy: Api, environment: str) -> None:
    where = {"environment": environment} if environment else {}
    found = busy.get("/api/v1/overview", window="24h", **where)[1]
    times = {"since_ns": found["since_ns"], "until_ns": found["until_ns"], "wide": "false", **where}
    counted = busy.get("/api/v1/calls/count", q=found["q"], **times)[1]
    assert (counted["calls"], counted["failed"]) == (found["now"]["calls"], found["now"]["errors"])
    assert counted["calls"] > 0


def test_an_answer_is_given_again_for_a_moment(busy: Api) -> None:
    assert busy.get("/api/v1/overview", window="3h") == busy.get("/api/v1/overview", window="3h")


@pytest.mark.promise("gate-7")
def test_a_bound_key_learns_nothing_of_the_whole_project(busy: Api) -> None:
    found = busy.get("/api/v1/overview", "acme-viewer", window="24h")[1]
    assert (found["now"]["calls"], found["alerts"], found["releases"], found["budgets"]) == (10, [], [], [])
    assert [slot["calls"] for slot in found["series"] if slot["calls"] > 10] == []
    own = busy.get("/api/v1/overview", "bound-viewer", window="24h")[1]
    assert (own["now"]["calls"], own["alerts"], len(own["releases"])) == (20, [], 1)
    for who, environment in (("bound-viewer", "staging"), ("bound-viewer", "unknown")):
        assert busy.get("/api/v1/overview", who, environment=environment)[0] == 404
    spent = busy.get("/api/v1/spend/forecast", "acme-viewer")[1]["spent"]
    assert 0 <= spent <= busy.get("/api/v1/spend/forecast")[1]["spent"]
    assert busy.get("/api/v1/spend/forecast", "acme-viewer", tenant="globex")[0] == 404


@pytest.mark.parametrize("window", ["", "0h", "10s", "91d", "24", "day", "99999w", "24h "])
def test_a_time_that_is_none_is_refused(busy: Api, window: str) -> None:
    status, answer = busy.get("/api/v1/overview", window=window)
    assert (status, answer["error"]["param"]) == (400, "window")


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"since_ns": "yesterday"}, "since_ns"),
        ({"since_ns": -1}, "since_ns"),
        ({"until_ns": 2**63}, "until_ns"),
        ({"since_ns": 1}, "since_ns"),
        ({"since_ns": 2**62, "until_ns": 2**62 + HOUR}, "since_ns"),
        ({"until_ns": 2**62}, "until_ns"),
        ({"since_ns": 10**18, "until_ns": 10**18}, "until_ns"),
        ({"since_ns": 10**18, "until_ns": 10**18 - 1}, "until_ns"),
        ({"since_ns": 10**18, "until_ns": 10**18 + 91 * 24 * HOUR}, "since_ns"),
        ({"since_ns": 10**18, "window": "24h"}, "window"),
        ({"until_ns": 10**18, "window": "91d"}, "window"),
    ],
)
def test_a_beginning_or_an_end_that_is_none_is_refused(busy: Api, asked: dict[str, Any], param: str) -> None:
    status, answer = busy.get("/api/v1/overview", **asked)
    assert (status, answer["error"]["param"]) == (400, param)


def test_the_dearest_groups_alone_can_be_asked_for(busy: Api, tmp_path: Path) -> None:
    now = time.time_ns()
    attempts = [
        _span(300 + n, now - HOUR, kind="attempt", feature=f"f{n}", cost=10**6 * n, parent_id="0" * 16)
        for n in range(1, 6)
    ]
    segment = tmp_path / "dear.ndjson"
    segment.write_bytes(msgspec.json.Encoder().encode_lines(attempts))
    busy.traces.ingest([segment])
    dearest = busy.get("/api/v1/spend", by="feature", limit=2, since_ns=now - 2 * HOUR)[1]
    assert [row["group"] for row in dearest] == [["f5"], ["f4"]]
    slots = busy.get("/api/v1/spend", by="feature", limit=2, since_ns=now - 2 * HOUR, step_ns=HOUR)[1]
    assert {tuple(row["group"]) for row in slots} == {("f5",), ("f4",)}
    assert len(busy.traces.spending(["feature"], TraceFilter(since_ns=now - 2 * HOUR))) > 2


def test_a_forecast_is_of_somebodys_month(busy: Api) -> None:
    assert busy.get("/api/v1/spend/forecast", timezone="Europe/Berlin")[0] == 200
    status, answer = busy.get("/api/v1/spend/forecast", timezone="Mars/Base")
    assert (status, answer["error"]["param"]) == (400, "timezone")


def test_limits_are_told_with_the_place_where_they_stand(busy: Api) -> None:
    rules = busy.get("/api/v1/limits/rules")[1]
    lines = (busy.files.root / "moat.yaml").read_text("utf-8").splitlines()
    assert rules
    for rule in rules:
        if rule["limit"] == "console-playground":
            assert rule["place"] == "built in"
            continue
        file, _, line = rule["place"].partition(":")
        assert file == "moat.yaml"
        assert rule["limit"] in " ".join(lines[int(line) - 1 :][:3])
