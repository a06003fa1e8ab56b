"""Alerts in the state file."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from moat.adapters.sqlite import SqliteAlerts, SqliteState
from moat.domain.alerting import Alert, Event, Message, Outage, Silence, Standing
from moat.domain.errors import NotFound
from moat.telemetry.alerts.messages import delivery

ALERT = Alert(rule="r", labels={"tenant": "acme"}, state="firing", since_ns=1, seen_ns=2, value=6.0, bar=5.0, samples=9)
EVENT = Event(id="e", at_ns=5, kind="fired", rule="r", severity="info", value=6.0, bar=5.0, muted="silenced")
SENT = delivery(Message(id="m", at_ns=5, kind="fired", title="t", text="x"), "ops")


def test_what_an_evaluation_found_is_there_after_a_restart(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path / "state.db")
    store = SqliteAlerts(state)
    assert store.standing() == Standing()
    store.silence(Silence(id="s", by="ada", why="repairs", at_ns=1, until_ns=100))
    store.commit(Standing(alerts=(ALERT, replace(ALERT, labels={}))), [EVENT], [SENT])
    outage = Outage(rule="down", labels={"provider": "p"}, until_ns=7)
    store.commit(Standing(alerts=(ALERT,), outages=(outage,)), [replace(EVENT, at_ns=7, muted="")], [SENT])
    state.close()
    state = SqliteState.open(tmp_path / "state.db")
    store = SqliteAlerts(state)
    assert store.standing().alerts == (ALERT,)
    assert store.standing().outages == (outage,)
    assert [silence.id for silence in store.standing().silences] == ["s"]
    assert [(event.at_ns, event.muted) for event in store.events()] == [(7, "")]
    assert store.events("other") == []
    assert store.deliveries() == [SENT]
    state.close()


def test_messages_wait_until_they_are_due_and_are_taken_once(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path / "state.db")
    store = SqliteAlerts(state)
    store.queue([SENT])
    assert store.due(4) == []
    assert store.due(5) == [SENT]
    store.record(replace(SENT, tries=1, next_ns=50, error="away"))
    store.queue([SENT])
    assert store.due(49) == []
    store.record(replace(SENT, status="sent", tries=2))
    assert store.due(10**18) == []
    assert [one.tries for one in store.deliveries("sent")] == [2]
    state.close()


def test_a_channel_with_many_messages_leaves_room_for_the_others(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path / "state.db")
    store = SqliteAlerts(state)
    store.queue([replace(SENT, id=f"d{number:02}") for number in range(30)])
    store.queue([replace(SENT, id="pager", channel="pager")])
    due = store.due(5)
    assert [one.id for one in due if one.channel == "ops"] == [f"d{number:02}" for number in range(20)]
    assert [one.id for one in due if one.channel == "pager"] == ["pager"]
    assert store.backlog() == {"ops": 30, "pager": 1}
    state.close()


def test_silences_end_and_old_things_are_forgotten(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path / "state.db")
    store = SqliteAlerts(state)
    store.silence(Silence(id="s", by="ada", why="repairs", at_ns=1, until_ns=100))
    assert store.lift("s", 10, actor="ada").until_ns == 10
    for name in ("s", "other"):
        with pytest.raises(NotFound):
            store.lift(name, 11, actor="ada")
    store.commit(Standing(alerts=(ALERT,)), [EVENT], [SENT])
    assert store.prune(20) == 2, "what waits to be sent stays"
    assert (store.events(), len(store.deliveries()), store.standing().silences) == ([], 1, ())
    assert store.standing().alerts == (ALERT,)
    state.close()
