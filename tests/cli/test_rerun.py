"""`moat rerun` on real projects: calls a gateway recorded, and records written down by hand."""

import json
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from moat.domain.calls import new_span_id
from moat.domain.spans import Span
from moat.prompts.catalog import Catalog
from moat.prompts.templates import JinjaRenderer
from moat.telemetry.spool import SegmentSpool
from tests.bootstrap.projects import PROMPT, Project, eventually, slow_down

REFUND = "Can I get a refund for order 1234?"


def rendered(project: Project, version: str, question: str) -> list[dict[str, Any]]:
    return JinjaRenderer().render(Catalog.load(project.root).get(PROMPT, version), {"question": question})


def a_call(project: Project, number: int, **changes: Any) -> Span:
    """What a gateway records of one call to 1.0.0."""
    question = f"{REFUND} ({number})"
    whole = Span(
        span_id=new_span_id(),
        trace_id=f"{number + 1:032x}",
        kind="call",
        name="chat",
        started_ns=time.time_ns() - number,
        duration_ns=50_000_000,
        request_id=f"req_{number}",
        environment="production",
        prompt=PROMPT,
        version="1.0.0",
        model="assistant",
        provider="simulated",
        input_tokens=1500,
        output_tokens=40,
        cost=10**9,
        input={"messages": rendered(project, "1.0.0", question), "params": {}, "variables": {"question": question}},
        output={"text": "an old answer"},
    )
    return msgspec.structs.replace(whole, **changes)


def record(project: Project, *spans: Span) -> None:
    spool = SegmentSpool(project.root / ".moat" / "spool")
    spool.open()
    spool.append(spans)
    spool.close()


def test_recorded_traffic_is_asked_again_of_another_version(project: Project) -> None:
    project.release("1.0.0")
    staging = {"x_moat_environment": "staging"}
    bodies: list[Any] = [
        {"prompt": {"id": f"{PROMPT}@staging", "variables": {"question": f"{REFUND} ({number})"}}, "user": f"u{number}"}
        for number in range(3)
    ]
    earlier = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Hello! How can I help?"}]
    last = {"role": "user", "content": REFUND}
    bodies.append({"model": f"prompt:{PROMPT}@staging", "messages": [*earlier, last], "temperature": 0.9})
    asking = ["rerun", f"{PROMPT}@1.2.0", "--env", "staging", "--yes", "--json"]
    with project.serving() as server:
        for body in bodies:
            assert server.send("POST", "/v1/chat/completions", body, **staging)[0] == 200
        eventually(lambda: len(project.ok("traces", "--prompt", PROMPT, "--json").json) == 4)
        while_serving = project.ok(*asking).json
    report = project.ok(*asking).json
    assert report["estimate"] == while_serving["estimate"], "what a rerun asks is no traffic"
    assert [len(report[name]) for name in ("pairs", "failed", "cannot_render", "skipped")] == [4, 0, 0, 0]
    assert {pair["question"] for pair in report["pairs"]} == {REFUND, *(f"{REFUND} ({n})" for n in range(3))}
    assert report["providers"] == ["simulated"]

    measured = {delta["name"]: delta for delta in report["measures"]}
    assert measured["input"]["difference"] > 0, "1.2.0 says more than 1.0.0"
    assert report["estimate"]["input_tokens"] == pytest.approx(4 * measured["input"]["new"], rel=0.02)
    assert report["estimate"]["cost"] == pytest.approx(4e12 * measured["cost"]["new"], rel=0.2)
    scores = {score["name"]: score for score in report["scores"]}
    assert scores["valid_json"]["n"] == 4
    assert (scores["intent"]["n"], scores["intent"]["not_run"]) == (0, 4)

    calls = project.ok("traces", "--feature", "rerun", "--json").json
    assert {(call.get("environment", ""), call["version"]) for call in calls} == {("", "1.2.0")}
    asked = [project.ok("traces", "show", call["request_id"], "--json").json for call in calls]
    inputs = [span["input"] for spans in asked for span in spans if span["kind"] == "call"]
    (talk,) = (given for given in inputs[:4] if given["params"]["temperature"] == 0.9)
    before = rendered(project, "1.2.0", REFUND)
    assert talk["messages"] == [*before[:-1], *earlier, *before[-1:]], "what came first stands before the question"


def test_a_conversation_goes_on_where_it_was(project: Project) -> None:
    own = [{"role": "assistant", "content": "Which order?"}, {"role": "user", "content": "Order 99, please refund it"}]
    call = a_call(project, 0)
    record(project, msgspec.structs.replace(call, input={**call.input, "messages": [*call.input["messages"], *own]}))
    project.ok("rerun", f"{PROMPT}@1.2.0", "--yes")
    (asked,) = project.ok("traces", "--feature", "rerun", "--json").json
    spans = project.ok("traces", "show", asked["request_id"], "--json").json
    sent = next(span for span in spans if span["kind"] == "call")["input"]
    assert sent["messages"] == [*rendered(project, "1.2.0", f"{REFUND} (0)"), *own]


def test_before_anything_is_spent_it_is_said(project: Project) -> None:
    record(project, *(a_call(project, number) for number in range(3)))
    done = project.run("rerun", f"{PROMPT}@1.2.0")
    assert done.code == 64
    assert f"3 calls to {PROMPT}@1.2.0 at assistant (simulated/support-large" in done.err
    assert "tokens in" in done.err
    assert "about $" in done.err
    assert "--yes" in done.err
    assert project.ok("traces", "--feature", "rerun", "--json").json == []


def test_a_person_is_asked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    record(project, a_call(project, 0))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    asked: list[str] = []
    monkeypatch.setattr("typer.confirm", lambda text, **options: asked.append(text))
    assert project.run("rerun", f"{PROMPT}@1.2.0").code == 0
    assert asked == ["Ask them now?"]


def test_an_unknown_price_is_called_unknown(project: Project) -> None:
    record(project, a_call(project, 0))
    project.replace("moat.yaml", {'    price: {input: "0.60", output: "2.40"}\n  taped': "  taped"})
    assert "cost unknown" in project.run("rerun", f"{PROMPT}@1.2.0").err


def test_what_cannot_be_asked_again_is_counted_and_explained(project: Project) -> None:
    good, silent, cut, odd, lost = (a_call(project, number) for number in range(5))
    replace = msgspec.structs.replace
    record(
        project,
        good,
        replace(silent, input=None, output=None),
        replace(cut, input={"truncated": 300_000, "text": "{"}),
        replace(odd, input={**odd.input, "messages": [{"role": "user", "content": "something else"}]}),
        replace(lost, version="7.0.0"),
        # None of these is traffic that people saw: a failure, a shadow, a rerun.
        a_call(project, 10, error="provider_down"),
        a_call(project, 11, shadow_of="req_0"),
        a_call(project, 12, feature="rerun"),
    )
    report = project.ok("rerun", f"{PROMPT}@1.2.0", "--yes", "--json").json
    assert [pair["request"] for pair in report["pairs"]] == ["req_0"]
    reasons = {left["request"]: left["reason"] for left in report["skipped"]}
    assert "capture_content" in reasons["req_1"]
    assert "cut off" in reasons["req_2"]
    assert "does not begin with" in reasons["req_3"]
    assert "7.0.0" in reasons["req_4"]
    assert len(reasons) == 4
    told = project.ok("rerun", f"{PROMPT}@1.2.0", "--yes")
    assert "left out: req_3" in told.out
    assert "1 of 1 call" in told.out
    assert "1 call left out: its question was not recorded" in told.err


def test_variables_the_new_version_lacks_or_wants(project: Project) -> None:
    old = project.root / f"prompts/{PROMPT}/1.2.0.yaml"
    text = old.read_text("utf-8").replace("question", "request")
    (old.parent / "2.0.0.yaml").write_text(text, "utf-8")
    record(project, a_call(project, 0))
    done = project.run("rerun", f"{PROMPT}@2.0.0", "--yes")
    assert done.code == 66
    assert "request" in done.err or "question" in done.err


def test_the_sample_is_drawn_by_seed_from_the_newest(project: Project) -> None:
    record(project, *(a_call(project, number) for number in range(20)))

    def drawn(*options: str) -> list[str]:
        report = project.ok("rerun", f"{PROMPT}@1.2.0", "--yes", "--json", "--sample", "5", *options).json
        return [pair["request"] for pair in report["pairs"]]

    assert drawn() == drawn()
    assert len(drawn()) == 5
    assert drawn() != drawn("--seed", "1")


def test_a_file_of_records_does_as_well(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    spans = [
        a_call(project, 0),
        a_call(project, 1, environment="staging"),
        a_call(project, 2, prompt="another"),
        a_call(project, 3, started_ns=10**9),
        a_call(project, 4, kind="attempt"),
    ]
    file.write_bytes(b"\n".join(msgspec.json.encode(span) for span in spans))
    report = project.ok("rerun", f"{PROMPT}@1.2.0", "--from", str(file), "--since", "1h", "--yes", "--json").json
    assert [pair["request"] for pair in report["pairs"]] == ["req_0"]

    file.write_text(json.dumps({"question": "?"}) + "\n", "utf-8")
    done = project.run("rerun", f"{PROMPT}@1.2.0", "--from", str(file), "--yes")
    assert done.code == 65
    assert f"{file}:1" in done.err
    assert project.run("rerun", f"{PROMPT}@1.2.0", "--from", "nowhere.jsonl", "--yes").code == 65


def test_a_release_is_asked_as_it_was_released(project: Project) -> None:
    release = project.release("1.2.0")
    (project.root / f"prompts/{PROMPT}/1.2.0.yaml").unlink()
    record(project, a_call(project, 0))
    assert project.ok("rerun", "--release", release, "--yes", "--json").json["target"] == f"{PROMPT}@1.2.0"


def test_the_report_as_a_document(project: Project, tmp_path: Path) -> None:
    record(project, a_call(project, 0, output={"text": "```\n</details> @all old"}))
    file = tmp_path / "report.md"
    assert "1 of 1 call" in project.ok("rerun", f"{PROMPT}@1.2.0", "--yes", "--output", str(file)).out
    text = file.read_text("utf-8")
    assert "The answers are simulated" in text
    assert "| latency, ms |" in text
    assert "````" in text, "the fence is longer than what stands in it"
    assert project.ok("rerun", f"{PROMPT}@1.2.0", "--yes", "--markdown").out.startswith("## Rerun of recorded calls")
    written = tmp_path / "report.json"
    project.ok("rerun", f"{PROMPT}@1.2.0", "--yes", "--json", "--output", str(written))
    assert json.loads(written.read_text("utf-8"))["target"] == f"{PROMPT}@1.2.0"
    assert project.run("rerun", f"{PROMPT}@1.2.0", "--yes", "--output", str(tmp_path / "no" / "x")).code == 74


def spooled(project: Project) -> bytes:
    """The calls that wait to be stored; a segment may be renamed or shipped while this looks."""
    found, spool = b"", project.root / ".moat" / "spool"
    for file in [*spool.glob("*.open"), *spool.glob("*.ndjson")]:
        with suppress(FileNotFoundError):
            found += file.read_bytes()
    return found


def test_ctrl_c_keeps_what_there_is(project: Project) -> None:
    record(project, *(a_call(project, number) for number in range(60)))
    slow_down(project, 1500)
    with project.spawn("rerun", f"{PROMPT}@1.2.0", "--yes", "--json") as child:
        eventually(lambda: b'"rerun"' in spooled(project))
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    report = json.loads(out)
    assert report["interrupted"] is True
    assert 0 < len(report["pairs"]) < 50
    assert "Traceback" not in err


def test_calls_that_fail_now_are_listed(project: Project) -> None:
    record(project, a_call(project, 0), a_call(project, 1))
    project.replace("simulation/support.yaml", {"errors: {rate: 0.0": "errors: {rate: 1.0"})
    project.replace(
        "moat.yaml", {"use: [simulated/support-large, simulated/support-small]": "use: [simulated/x]\n    retries: 0"}
    )
    report = project.ok("rerun", f"{PROMPT}@1.2.0", "--yes", "--json").json
    assert (len(report["failed"]), report["pairs"]) == (2, [])
    assert "not answered: req_0" in project.ok("rerun", f"{PROMPT}@1.2.0", "--yes").out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 64),
        ([f"{PROMPT}@1.2.0", "--release", "rel_1"], 64),
        ([f"{PROMPT}@9.9.9"], 66),
        (["--release", "rel_nothing"], 66),
        ([f"{PROMPT}@1.2.0", "--since", "soon"], 65),
        ([f"{PROMPT}@1.2.0", "--sample", "0"], 64),
        ([f"{PROMPT}@1.2.0", "--suite", "nothing"], 66),
        ([f"{PROMPT}@1.2.0"], 66),
    ],
)
def test_bad_requests(project: Project, arguments: list[str], code: int) -> None:
    assert project.run("rerun", *arguments, "--yes").code == code
