"""`moat alerts` without a server."""

import json
import re
import time
from pathlib import Path

from msgspec.structs import replace

from moat.bootstrap.project import Project as Files
from moat.bootstrap.state import open_state
from moat.domain.alerting import Message
from moat.telemetry.alerts.messages import delivery
from tests.adapters.test_notify import receiving
from tests.bootstrap.projects import Project
from tests.cli.test_spend import paid, record

SECOND = 10**9


def readings(path: Path, *values: float, rule: str = "latency-p95") -> Path:
    lines = [
        {"at": minute * 60, "rule": rule, "labels": {"model": "m"}, "value": value, "samples": 500}
        for minute, value in enumerate(values)
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", "utf-8")
    return path


def test_an_empty_project_is_quiet(project: Project) -> None:
    assert "Nothing fires." in project.ok("alerts", "list").out
    assert "No rule would have fired." in project.ok("alerts", "test", "--since", "2d").out
    assert "Nothing has fired." in project.ok("alerts", "history").out
    assert len(project.ok("alerts", "rules", "--json").json) == len(project.ok("alerts", "rules").out.splitlines()) - 2


def test_made_up_readings_say_what_would_have_fired(project: Project, tmp_path: Path) -> None:
    file = readings(tmp_path / "r.jsonl", 1, 6, 7, 8, 1, 1, 1)
    shown = project.ok("alerts", "test", "--file", str(file))
    assert "1 alert would have fired; somebody would have been told of 1." in shown.out
    events = project.ok("alerts", "test", "--file", str(file), "--json").json["events"]
    assert [(event["kind"], event["at_ns"]) for event in events] == [
        ("fired", 120 * SECOND),
        ("resolved", 360 * SECOND),
    ]
    quiet = project.ok("alerts", "test", "--file", str(file), "--rule", "latency-p95", "--json")
    assert quiet.json["events"] == events


def test_readings_that_are_none_are_refused_with_their_line(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    for text in ("{", '{"at": 1}', '{"at": 1, "rule": "x", "value": 1, "samples": 1}', '{"at":1,"colour":1}'):
        file.write_text(f"\n{text}\n")
        done = project.run("alerts", "test", "--file", str(file))
        assert done.code == 65
        assert f"{file}:2" in done.err
    assert project.run("alerts", "test", "--file", str(tmp_path / "none")).code == 65
    assert project.run("alerts", "test", "--since", "400d").code == 65
    assert project.run("alerts", "test", "--rule", "none").code == 66


def test_the_records_say_what_would_have_fired(project: Project) -> None:
    calls = [
        paid(n, ago=7200 * SECOND - n * 10 * SECOND, error="provider_timeout" if n % 2 else "") for n in range(400)
    ]
    record(project, *calls)
    events = project.ok("alerts", "test", "--since", "1d", "--json").json["events"]
    assert {event["rule"] for event in events if event["kind"] == "fired"} >= {"error-rate", "failed-calls"}
    assert "error-rate" in project.ok("alerts", "test", "--since", "1d").out


def test_a_rule_that_cannot_tell_says_what_it_lacks(project: Project) -> None:
    record(project, *(paid(n, ago=n * SECOND + SECOND) for n in range(12)))
    assert "no verdict: 12 of 20 calls" in project.ok("alerts", "list").out
    assert "no verdict: 12 of 50 calls" in project.ok("alerts", "show", "latency-p50").out
    assert "user-feedback (0 of 10)" in project.ok("alerts", "list").out
    record(project, *(paid(n, ago=n * SECOND + SECOND) for n in range(12, 72)))
    [one] = project.ok("alerts", "show", "latency-p50", "--json").json["no_verdict"]
    assert (one["samples"], one["needed"]) == (72, 50)
    assert one["why"] == "too little history: 0 hours with enough calls, 24 on two days are needed"
    listed = {one["rule"] for one in project.ok("alerts", "list", "--json").json["no_verdict"]}
    assert "error-rate" not in listed, "72 calls are enough"
    record(project, *(paid(n, ago=7200 * SECOND + n * SECOND, feature="rare") for n in range(100, 112)))
    tried = project.ok("alerts", "test", "--since", "1d").out
    assert re.search(r"feature rare +no verdict: [0-9]+ of 50 calls", tried), tried


def test_messages_are_listed_with_what_became_of_them(project: Project) -> None:
    assert "No message." in project.ok("alerts", "deliveries").out
    message = Message(id="msg_1", at_ns=time.time_ns(), kind="fired", title="p95 is high", text="6 s")
    with open_state(Files(project.root)) as state:
        state.alerts.queue([delivery(message, "ops"), delivery(message, "mail")])
        state.alerts.record(replace(delivery(message, "ops"), tries=3, error="it answered 503"))
        state.alerts.record(replace(delivery(message, "mail"), status="sent", tries=1))
    shown = project.ok("alerts", "deliveries").out
    assert "it answered 503" in shown
    assert "p95 is high" in shown
    [waiting] = project.ok("alerts", "deliveries", "--status", "waiting", "--json").json
    assert (waiting["channel"], waiting["tries"]) == ("ops", 3)


def test_a_silence_is_said_why_shown_and_lifted(project: Project) -> None:
    made = project.ok(
        *("alerts", "silence", "error-rate", "--for", "3h", "--why", "we know", "--match", "model=assistant", "--json")
    ).json
    assert made["until_ns"] - time.time_ns() > 10_000 * SECOND
    shown = project.ok("alerts", "list").out
    assert "error-rate of model assistant is silenced" in shown
    assert "we know" in shown
    assert "is over" in project.ok("alerts", "lift", made["id"]).out
    assert made["id"] not in project.ok("alerts", "list").out
    for arguments in (["x", "--why", "w"], ["--why", "w", "--match", "a"], ["--why", "w", "--match", "a=b"], []):
        assert project.run("alerts", "silence", *arguments).code == 65
    assert project.run("alerts", "silence", "--for", "400d", "--why", "w").code == 65
    assert project.run("alerts", "lift", "sil_none").code == 66


def test_a_rule_is_explained(project: Project) -> None:
    shown = project.ok("alerts", "show", "tokens-per-second").out
    assert "below 0.8x baseline, over 1h" in shown
    assert "< baseline - 20%" in shown
    assert project.run("alerts", "show", "none").code == 66


def test_a_test_message_tells_whether_a_channel_works(project: Project) -> None:
    with receiving() as receiver:
        text = (project.root / "moat.yaml").read_text("utf-8")
        alerts = f"\nalerts: {{channels: {{ops: {{kind: webhook, url: '{receiver.url}'}}}}}}\n"
        (project.root / "moat.yaml").write_text(text + alerts, "utf-8")
        assert "ops has taken it" in project.ok("alerts", "notify", "ops").out
        assert json.loads(receiver.got[0][1])["kind"] == "test"
        receiver.answers = [500]
        assert project.run("alerts", "notify", "ops").code == 69
    assert project.run("alerts", "notify", "none").code == 78
