"""`moat traces search|save|sessions|session|users|user|tail|replay` and `moat feedback` on recorded calls."""

import csv
import io
import json
import time
from typing import Any

import msgspec
import pytest

from moat.bootstrap.project import Project as Files
from moat.cli.trace_tail import _coming
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter
from moat.telemetry.spool import SegmentSpool
from tests.bootstrap.projects import Project

NOW = time.time_ns()


def call(number: int, **fields: Any) -> Span:
    given: dict[str, Any] = {
        "span_id": f"s{number}", "trace_id": f"{number:032x}", "kind": "call", "name": "chat",
        "environment": "production",
        "request_id": f"req_{number}",
        "started_ns": time.time_ns() - (10 - number) * 10**9, "duration_ns": number * 10**9,
        "input_tokens": 10, "output_tokens": 5, "cost": number * 10**10, "model": "assistant", "user": "u1",
        "session": "s1", "tenant": "acme", "provider": "simulated",
        "input": {"messages": [{"role": "user", "content": f"Question {number}?"}], "params": {}},
        "output": {"text": f"Answer {number}."},
    }  # fmt: skip
    return Span(**given | fields)


def record(project: Project, *kept: Span | Feedback, folder: str = "") -> None:
    spool = SegmentSpool(project.root / ".moat" / "spool" / folder)
    spool.open()
    spool.append(kept)
    spool.close()


def requests(project: Project, *words: str) -> list[str]:
    return [found["request_id"] for found in project.ok("traces", "search", "--json", *words).json]


def test_calls_are_found_by_expression_and_by_option(project: Project) -> None:
    record(project, call(1), call(2, user="u2", session="s2"), call(3, error="provider_timeout", output=None))
    assert requests(project) == ["req_3", "req_2", "req_1"]
    assert requests(project, "latency > 1s and not error") == ["req_2"]
    assert requests(project, "latency", ">", "1s", "not error") == ["req_2"], "words need no quotes of their own"
    assert requests(project, "question 1") == ["req_1"]
    assert requests(project, "--user", "u1", "--ok") == ["req_1"]
    assert requests(project, "--request-id", "req_2", "cost >= $0.02") == ["req_2"]
    assert requests(project, "--until", "1h") == []
    text = project.ok("traces", "search", "--columns", "request,latency,cost").out.splitlines()
    assert [line.split() for line in text[2:]] == [
        [f"req_{number}", f"{number},000", "ms", f"$0.0{number}000"] for number in (3, 2, 1)
    ]
    rows = list(csv.DictReader(io.StringIO(project.ok("traces", "search", "--csv", "--limit", "1").out)))
    assert [(row["request"], row["latency_ms"], row["cost_usd"]) for row in rows] == [("req_3", "3000.0", "0.03")]
    wrong = project.run("traces", "search", "latency >> 2s")
    assert wrong.code == 65
    assert "^" in wrong.err


def test_searches_have_names(project: Project) -> None:
    record(project, call(1), call(2), call(3, user="u2"))
    project.ok("traces", "save", "slow", "latency > 1s")
    project.ok("traces", "save", "mine", "@slow", "user = u1")
    assert requests(project, "@mine") == ["req_2"]
    assert requests(project, "not @slow") == ["req_1"]
    assert [(one["name"], one["expression"]) for one in project.ok("traces", "saved", "--json").json] == [
        ("mine", "@slow user = u1"), ("slow", "latency > 1s"),
    ]  # fmt: skip
    for wrong in (["save", "9x", "cost > 1"], ["save", "x", "cost >"], ["save", "x", "@nobody"], ["save", "x", " "]):
        assert project.run("traces", *wrong).code == 65
    project.ok("traces", "forget", "@slow")
    assert project.run("traces", "search", "@mine").code == 65
    assert project.run("traces", "forget", "slow").code == 66


def test_what_a_user_and_a_session_saw(project: Project) -> None:
    record(
        project, call(1), call(2, session="s2"), call(3, user="u2", session="s3", error="provider_down", output=None)
    )
    said = Feedback(id="f1", at_ns=NOW, request_id="req_2", value=0.25, rating=2, by="u1", comment="Hm.")
    record(project, said, folder="feedback")
    (other, mine) = project.ok("traces", "users", "--json").json
    assert (other["id"], mine["id"], mine["sessions"], mine["calls"], mine["score"]) == ("u2", "u1", 2, 2, 0.25)
    assert [one["id"] for one in project.ok("traces", "sessions", "user = u1", "--json").json] == ["s2", "s1"]
    assert "u1" in project.ok("traces", "users").out
    assert "s2" in project.ok("traces", "sessions").out
    story = project.ok("traces", "user", "u1").out
    assert story.index("Question 1?") < story.index("Answer 1.") < story.index("Question 2?") < story.index("Hm.")
    assert "FAILED provider_down" in project.ok("traces", "session", "s3").out
    assert [one["request_id"] for one in project.ok("traces", "session", "s2", "--json").json] == ["req_2"]
    assert project.run("traces", "session", "nobody's").code == 66
    assert "0.25 (2/5)  by u1 (person)" in project.ok("traces", "show", "req_2").out
    [shown] = project.ok("traces", "show", "req_2", "--json").json
    assert [(one["id"], one["value"], one["comment"]) for one in shown["feedback"]] == [("f1", 0.25, "Hm.")]
    assert "feedback" not in project.ok("traces", "show", "req_1", "--json").json[0]
    assert requests(project, "score.feedback < 0.5") == ["req_2"]


def test_a_story_counts_all_and_says_whose_it_is(project: Project) -> None:
    record(project, *(call(number, user="u1", session="s1", tenant=f"t{number % 2}") for number in range(1, 8)))
    story = project.ok("traces", "user", "u1", "--limit", "3").out
    assert "7 calls" in story
    assert "The newest 3 of them" in story
    assert "Of several tenants, t0, t1" in story
    assert "3 calls" in project.ok("traces", "session", "s1", "--tenant", "t0").out


def test_what_an_application_reports_by_itself_is_listed_found_and_shown(project: Project) -> None:
    top = call(1, kind="app", request_id="", name="run", service="shop", session="", output={"text": "Done."})
    told = {"input": {"order": 7}, "output": "shipped"}
    tool = msgspec.structs.replace(top, span_id="c" * 16, parent_id=top.span_id, name="look up", tools="orders", **told)
    record(project, top, tool)
    for command in (["traces"], ["traces", "search", "service = shop"], ["traces", "search", "tools = orders"]):
        assert {one["trace_id"] for one in project.ok(*command, "--json").json} == {top.trace_id}
    shown = project.ok("traces", "show", top.trace_id).out
    assert shown.index("span run") < shown.index("Done.") < shown.index("span look up")
    assert '{"order":7}' in shown
    assert "shipped" in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("user = a || user = b", "Write `or`"),
        ("a && b", "Write `and`"),
        ("latency between 1s and 2s", "latency is a field"),
    ],
)
def test_what_other_languages_write_is_not_looked_for_as_text(project: Project, words: str, says: str) -> None:
    done = project.run("traces", "search", words)
    assert done.code == 65
    assert says in done.err


def test_what_others_wrote_steers_no_terminal(project: Project) -> None:
    evil = "\x1b[2J\x07"
    record(project, call(1, user=evil, output={"text": evil}, error_message=evil, error="x"))
    record(project, Feedback(id="f", at_ns=NOW, request_id="req_1", value=0.0, comment=evil), folder="feedback")
    for command in (["search"], ["show", "req_1"], ["users"], ["session", "s1"], ["search", "--columns", "user"]):
        assert "\x1b" not in project.ok("traces", *command).out
    assert "\x1b" not in project.ok("feedback", "list").out


def test_opinions_are_added_listed_and_grow_a_dataset(project: Project) -> None:
    record(project, call(1), call(2))
    added = ["feedback", "add", "req_1", "--thumbs", "down", "--correction", "Forty-two."]
    project.ok(*added, "--by", "ada", "--category", "wrong")
    again = project.ok(*added, "--by", "ada", "--comment", "Still.", "--json").json
    project.ok("feedback", "add", "req_2", "--rating", "5", "--by", "bob")
    newest, oldest = project.ok("feedback", "list", "--json").json
    assert (oldest["id"], oldest["comment"], newest["by"]) == (again["id"], "Still.", "bob")
    assert [one["by"] for one in project.ok("feedback", "list", "latency < 2s", "--json").json] == ["ada"]
    assert "Forty-two." in project.ok("feedback", "list").out
    for wrong in (["--rating", "3", "--thumbs", "up"], [], ["--name", "a b", "--rating", "1"]):
        assert project.run("feedback", "add", "req_1", *wrong).code == 65
    assert project.run("feedback", "add", "req_x", "--rating", "3").code == 66

    assert project.ok("dataset", "from-feedback", "wrong", "--only", "down", "--json").json["left_out"] == {}
    (case,) = [json.loads(line) for line in (project.root / "evals/datasets/wrong.jsonl").read_text().splitlines()]
    assert (case["expected"], case["source"]) == ("Forty-two.", f"feedback:{again['id']}")
    found = project.ok("dataset", "from-traces", "seen", "--where", "latency > 1s", "--dry-run", "--json").json
    assert [one["id"] for one in found["cases"]] == ["req_2"]


def test_links_are_made_where_people_reach_the_server(project: Project) -> None:
    made = project.ok("feedback", "link", "req_1", "--expires", "2d", "--url", "https://moat.example/", "--json").json
    assert made["url"].startswith("https://moat.example/feedback/")
    assert abs(made["expires_at"] - time.time() - 2 * 86_400) < 600
    assert (project.root / ".moat" / "feedback.key").stat().st_mode & 0o777 == 0o600
    again = project.ok("feedback", "link", "req_1", "--expires", "2d", "--url", "https://moat.example").out
    assert len(again.strip()) == len(made["url"]), "with the same secret"
    assert project.run("feedback", "link", "req_1").code == 65, "no server runs, and no address is given"
    assert project.run("feedback", "link", "req_1", "--expires", "soon", "--url", "http://x").code == 65
    (project.root / ".moat" / "feedback.key").write_bytes(b"short")
    assert project.run("feedback", "link", "req_1", "--url", "http://x").code == 74


def test_calls_are_sent_once_more_beside_what_was_answered(project: Project) -> None:
    record(project, call(1), call(2, operation="embeddings"), call(3, input=None))
    cheap = project.ok("traces", "replay", "req_1", "--json")
    (pair,) = cheap.json["pairs"]
    assert (pair["old"]["text"], bool(pair["new"]["text"]), pair["new"]["error"]) == ("Answer 1.", True, "")
    assert "about $" in cheap.err, "what it costs is said before"
    shown = project.ok("traces", "replay", f"{1:032x}", "--model", "assistant").out
    assert shown.index("[recorded]") < shown.index("Answer 1.") < shown.index("[now]") < shown.index("[changes]")
    assert project.run("traces", "replay", "req_1", "--ask-above", "0").code == 64, "nobody can be asked"
    many = project.ok("traces", "replay", "user = u1", "--yes")
    assert "Answer 1." in many.out
    assert "1 call left out: it is no chat but embeddings" in many.err
    assert "1 call left out: its question was not recorded" in many.err
    assert project.run("traces", "replay", "req_1", "--model", "x", "--prompt", "a@1.0.0").code == 64
    assert project.run("traces", "replay", "req_1", "--prompt", "support/answer@1.0.0").code == 64, "another's call"
    assert project.run("traces", "replay", "req_1", "--model", "nobody").code == 66
    assert project.run("traces", "replay", "req_9").code == 66
    assert project.run("traces", "replay", "req_2").code == 66


def test_tail_sees_calls_when_they_end_however_long_ago_they_began(project: Project) -> None:
    hour = 3600 * 10**9
    old = {"started_ns": time.time_ns() - hour, "output": None}
    record(project, call(1, **old, duration_ns=hour // 3), call(2, **old, duration_ns=hour + 60 * 10**9))
    seen = _coming(Files(project.root), TraceFilter(q="user = u1 or user = u2"))
    assert next(seen).request_id == "req_2", "the other had ended before anybody looked"
    record(project, call(3))
    assert next(seen).request_id == "req_3"
    seen.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.promise("keep-1")
def test_feedback_survives_kill_9_and_tail_a_restart(project: Project) -> None:
    tail = project.spawn("traces", "tail", "--since", "1h", "--json", "--limit", "2")
    secret = project.key("--tenant", "acme")
    told = []
    for number in range(2):
        with project.serving("--workers", str(number)) as server:
            body = {"model": "assistant", "messages": [{"role": "user", "content": f"Hello {number}"}]}
            assert server.send("POST", "/v1/chat/completions", body, secret)[0] == 200
            for rating in range(1, 6):
                said = {"request_id": f"req_{number}", "rating": rating, "by": f"u{rating}"}
                status, answer = server.send("POST", "/v1/feedback", said, secret, content_type="application/json")
                assert status == 200
                told.append(answer["id"])
            server.process.kill()
            server.process.wait()
    record(project, call(0, request_id="req_0"), call(1, request_id="req_1", tenant="globex"))
    found = project.ok("feedback", "list", "--json").json
    assert {one["id"] for one in found} == set(told[:5]), "of the tenant's own call"
    out, _ = tail.communicate(timeout=120)
    assert tail.returncode == 0
    assert len({json.loads(line)["span_id"] for line in out.splitlines()}) == 2
