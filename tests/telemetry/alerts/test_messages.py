"""What is said, and to whom."""

from typing import Any

import msgspec

from moat.domain.alerting import AlertsConfig, Event
from moat.telemetry.alerts.messages import SHOWN, compose, deliveries
from moat.telemetry.alerts.shipped import SHIPPED

RULES = {rule.name: rule for rule in SHIPPED}


def event(tenant: str, **fields: Any) -> Event:
    return Event(
        **{
            "id": f"alert_{tenant}",
            "at_ns": 1,
            "kind": "fired",
            "rule": "error-rate",
            "severity": "critical",
            "labels": {"tenant": tenant},
            "value": 0.05,
            "bar": 0.01,
            "samples": 100,
            **fields,
        }
    )


def config(routes: list[dict[str, Any]]) -> AlertsConfig:
    channels = {name: {"kind": "webhook", "url": "http://127.0.0.1"} for name in ("ops", "acme")}
    return msgspec.convert({"channels": channels, "routes": routes}, AlertsConfig)


def test_many_groups_are_one_message() -> None:
    events = [event(f"t{n:02}", value=0.02 + n / 1000) for n in range(30)]
    [message] = compose(events, RULES, "shop")
    assert message.title.startswith("shop: [critical] error-rate (30 groups): tenant t29: 4.9%")
    assert "\n" not in message.title
    assert f"... and {30 - SHOWN} more" in message.text
    assert RULES["error-rate"].remedy in message.text
    assert len(message.events) == 30
    assert compose(events, RULES, "shop")[0].id == message.id, "made twice it is the same"


def test_what_is_muted_is_not_said() -> None:
    assert compose([event("acme", muted="silenced")], RULES) == []


def test_an_all_clear_says_so() -> None:
    [message] = compose([event("acme", kind="resolved", why="the rule is no more")], {})
    assert message.title.startswith("[resolved] error-rate: tenant acme")
    assert message.kind == "resolved"


def test_a_channel_gets_what_its_routes_say_and_nothing_of_others() -> None:
    routes = [
        {"channels": ["ops"], "severity": ["critical"]},
        {"channels": ["acme"], "match": {"tenant": ["acme"]}},
    ]
    events = [event("acme"), event("globex"), event("globex", id="x", rule="cache-hit-rate", severity="info")]
    found = {one.channel: one.message for one in deliveries(events, RULES, config(routes))}
    assert len(found["ops"].events) == 2
    assert [one.labels["tenant"] for one in found["acme"].events] == ["acme"]
    assert "globex" not in msgspec.json.encode(found["acme"]).decode()
    assert len(deliveries(events, RULES, config([]))) == 4, "two rules, two channels"
