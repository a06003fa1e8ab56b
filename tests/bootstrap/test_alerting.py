"""The server's job: from recorded calls to somebody who is told, whatever fails in between."""

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.bootstrap.alert_rules import rules_of
from moat.bootstrap.alerting import FIRST_WAIT, GIVE_UP_NS, LEAST_TRIES, Alerting, keep_delivered
from moat.bootstrap.project import Project as Files
from moat.bootstrap.settings import Settings, load_settings
from moat.bootstrap.state import open_state
from moat.bootstrap.traces import open_traces
from moat.domain.config import Config
from moat.domain.errors import ConfigError, StorageError
from tests.adapters.test_notify import Receiver, receiving
from tests.bootstrap.projects import Project, eventually
from tests.cli.test_spend import paid, record

SECOND = 10**9


def settings(project: Project, **alerts: Any) -> Settings:
    found = load_settings(project.root)
    config = msgspec.structs.replace(found.config, alerts=msgspec.convert(alerts, type(found.config.alerts)))
    return Settings(found.root, config, found.document)


def failing(count: int = 40) -> list[Any]:
    return [paid(n, ago=n * SECOND + SECOND, error="provider_down" if n % 2 else "") for n in range(count)]


def hook(receiver: Receiver) -> dict[str, Any]:
    return {"ops": {"kind": "webhook", "url": receiver.url}}


def test_what_fires_is_told_once_and_survives_a_restart(project: Project) -> None:
    record(project, *failing())
    with receiving() as receiver, open_state(Files(project.root)) as state, open_traces(Files(project.root)) as traces:
        found = settings(project, channels=hook(receiver), rules=[{"name": "provider-down", "enabled": False}])
        now = time.time_ns()
        for number in range(4):  # each time as after a restart
            alerting = Alerting(traces, state.alerts, lambda: found, {})
            alerting.evaluate(now + number)
            for waiting in alerting.due(now + number).values():
                alerting.deliver(waiting, now + number)
        told = [json.loads(body)["rule"] for _, body in receiver.got]
        assert sorted(told) == ["error-rate", "failed-calls"]
        assert {one.status for one in state.alerts.deliveries()} == {"sent"}
        assert {alert.rule for alert in state.alerts.standing().alerts} == {"error-rate", "failed-calls"}


class _Channels:
    """One channel hangs until it is let go; the other takes what it gets."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.sent = {"dead": threading.Event(), "pager": threading.Event()}

    def due(self, now_ns: int) -> dict[str, list[str]]:
        return {name: [name] for name, sent in self.sent.items() if not sent.is_set()}

    def deliver(self, those: list[str], now_ns: int) -> None:
        [name] = those
        assert name != "dead" or self.go.wait(60)
        self.sent[name].set()


@pytest.mark.anyio
async def test_a_channel_that_hangs_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moat.bootstrap.alerting.DELIVER_SECONDS", 0.01)
    channels = _Channels()
    sending = asyncio.create_task(keep_delivered(channels))  # type: ignore[arg-type]
    assert await asyncio.to_thread(channels.sent["pager"].wait, 30)
    assert not channels.sent["dead"].is_set()
    channels.go.set()
    assert await asyncio.to_thread(channels.sent["dead"].wait, 30)
    sending.cancel()
    await asyncio.wait([sending])


def test_a_channel_that_is_away_is_tried_again_and_given_up_after_a_day(project: Project) -> None:
    record(project, *failing())
    with receiving() as receiver, open_state(Files(project.root)) as state, open_traces(Files(project.root)) as traces:
        only = [{"name": "provider-down", "enabled": False}, {"name": "error-rate", "after": 1}]
        found = settings(project, channels=hook(receiver), rules=[*only, {"name": "failed-calls", "enabled": False}])
        alerting, now = Alerting(traces, state.alerts, lambda: found, {}), time.time_ns()
        alerting.evaluate(now)
        receiver.answers = [503, 429]
        [waiting] = alerting.due(now).values()
        alerting.deliver(waiting, now)
        [one] = state.alerts.deliveries()
        assert (one.status, one.tries, one.next_ns) == ("waiting", 1, now + round(FIRST_WAIT * SECOND))
        assert "503" in one.error
        assert alerting.due(now + SECOND) == {}
        late = now + GIVE_UP_NS
        receiver.answers = [503] * 20
        for tries in range(2, LEAST_TRIES):  # as when the clock was set forward: it is no day yet
            alerting.deliver(state.alerts.due(late), late)
            [one] = state.alerts.deliveries()
            assert (one.status, one.tries) == ("waiting", tries)
            assert list(alerting.due(now - 10 * GIVE_UP_NS)) == ["ops"], "nor does a clock set back keep it"
            late = one.next_ns
        alerting.deliver(state.alerts.due(late), late)
        [one] = state.alerts.deliveries()
        assert (one.status, one.tries) == ("failed", LEAST_TRIES)
        assert alerting.due(late) == {}


def test_a_channel_that_refuses_is_not_asked_again_and_an_unset_variable_waits(project: Project) -> None:
    record(project, *failing())
    with receiving() as receiver, open_state(Files(project.root)) as state, open_traces(Files(project.root)) as traces:
        channels = {**hook(receiver), "later": {"kind": "webhook", "url": "${NOT_SET_YET}"}}
        found = settings(project, channels=channels, rules=[{"name": "error-rate", "after": 1}])
        alerting, now = Alerting(traces, state.alerts, lambda: found, {}), time.time_ns()
        alerting.evaluate(now)
        receiver.answers = [404] * 10
        for waiting in alerting.due(now).values():
            alerting.deliver(waiting, now)
        seen = {(one.channel, one.status) for one in state.alerts.deliveries()}
        assert seen == {("ops", "failed"), ("later", "waiting")}
        assert any("NOT_SET_YET" in one.error for one in state.alerts.deliveries() if one.channel == "later")


def test_an_evaluation_that_cannot_be_stored_is_done_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    record(project, *failing())
    with open_state(Files(project.root)) as state, open_traces(Files(project.root)) as traces:
        found = settings(project, rules=[{"name": "error-rate", "after": 1}])
        alerting, now = Alerting(traces, state.alerts, lambda: found, {}), time.time_ns()

        def full(*_: Any) -> None:
            raise StorageError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(type(state.alerts), "commit", full)
            with pytest.raises(StorageError):
                alerting.evaluate(now)
        assert state.alerts.events() == []
        assert [event.rule for event in alerting.evaluate(now) if event.rule == "error-rate"] == ["error-rate"]


def test_rules_that_are_switched_off_end_their_alerts(project: Project) -> None:
    record(project, *failing())
    with open_state(Files(project.root)) as state, open_traces(Files(project.root)) as traces:
        on = settings(project, rules=[{"name": "error-rate", "after": 1}])
        now = time.time_ns()
        Alerting(traces, state.alerts, lambda: on, {}).evaluate(now)
        off = settings(project, rules=[{"name": "error-rate", "enabled": False}])
        events = Alerting(traces, state.alerts, lambda: off, {}).evaluate(now + 1)
        assert ("error-rate", "resolved") in {(event.rule, event.kind) for event in events}
        idle = settings(project, enabled=False)
        assert Alerting(traces, state.alerts, lambda: idle, {}).evaluate(now + 2) == []


@pytest.mark.parametrize(
    ("fields", "budget"),
    [
        ({}, 50.0),
        ({"limits": [{"name": "a", "money": "7.50", "window": "day"}]}, 7.5),
        ({"limits": [{"name": "a", "money": "7.50", "window": "day", "per": ["user"]}]}, 50.0),
        ({"alerts": {"daily_budget": "20"}, "limits": [{"name": "a", "money": "7", "window": "day"}]}, 20.0),
        ({"alerts": {"daily_budget": "20", "rules": [{"name": "daily-spend", "above": 3}]}}, 3.0),
    ],
)
def test_the_budget_of_a_day(fields: dict[str, Any], budget: float) -> None:
    config = msgspec.convert({"providers": {}, "models": {}, **fields}, Config)
    assert [rule.threshold for rule in rules_of(config) if rule.name == "daily-spend"] == [budget]


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ("{kind: webhook, url: 'https://ada:hush@x.org'}", "a secret stands in the file"),
        ("{kind: webhook, url: 'https://x.org', secret: hush}", "a secret stands in the file"),
        ("{kind: apprise, url: 'slack://T0/B0/hush'}", "a secret stands in the file"),
        ("{kind: carrier-pigeon, url: x}", "kind"),
    ],
)
def test_channels_in_the_file_hold_no_secrets(tmp_path: Path, channel: str, said: str) -> None:
    (tmp_path / "moat.yaml").write_text(f"providers: {{}}\nmodels: {{}}\nalerts:\n  channels:\n    ops: {channel}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path)
    assert said in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_server_notices_and_tells(project: Project) -> None:
    """The whole way: calls that fail, the rule, the queue, a webhook; and a silence over the API."""
    with receiving() as receiver:
        text = (project.root / "moat.yaml").read_text("utf-8")
        alerts = f"\nalerts:\n  every: 1\n  channels:\n    ops: {{kind: webhook, url: '{receiver.url}'}}\n"
        (project.root / "moat.yaml").write_text(text + alerts, "utf-8")
        record(project, *failing())
        with project.serving() as server:
            rules = eventually(lambda: {json.loads(body)["rule"] for _, body in list(receiver.got)})
            assert rules <= {"provider-down", "error-rate", "failed-calls"}
            status, seen = eventually(lambda: (found := server.get("/api/v1/alerts"))[1]["alerts"] and found)
            assert status == 200
            assert seen["rules"]
            body = {"rule": "error-rate", "length": "2h", "why": "we know", "match": {"model": "assistant"}}
            status, silence = server.send("POST", "/api/v1/alerts/silences", body, content_type="application/json")
            assert status == 200
            assert silence["id"] in project.ok("alerts", "list").out
            assert (
                server.send("POST", "/api/v1/alerts/silences", {**body, "rule": "x"}, content_type="application/json")[
                    0
                ]
                == 400
            )
            lifted = server.send(
                "POST", "/api/v1/alerts/silences/lift", {"id": silence["id"]}, content_type="application/json"
            )
            assert lifted[0] == 200
            assert server.get("/api/v1/alerts/history")[1]
            delivered = eventually(lambda: server.get("/api/v1/alerts/deliveries?status=sent")[1])
            assert delivered[0]["channel"] == "ops"
            bound = project.key("--tenant", "acme")
            assert server.get("/api/v1/alerts", bound)[0] in (403, 404)
    history = project.ok("alerts", "history").out
    assert "sent" in history
