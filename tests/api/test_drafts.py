"""Prompts that are still being written: linted, rendered, asked and scored by a real server."""

import json
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from tests.bootstrap.projects import PROMPT, Project, Server, eventually, slow_down

QUESTION = {"question": "Where is my order?"}
NEW = "1.9.0"


class Desk:
    """A domain expert's desk: a key, and a draft of the newest version."""

    def __init__(self, server: Server, who: str = "grace@example.org") -> None:
        self.server = server
        self.key = server.project.key("--name", who, "--role", "expert", "--user", who)
        status, file = self.send("GET", f"/api/v1/files/prompts/{PROMPT}?version=1.2.0")
        assert status == 200, file
        self.file: dict[str, Any] = file
        self.text: str = file["text"]

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return self.server.send(method, path, body, self.key, content_type="application/json")

    def draft(self, text: str = "", **more: Any) -> dict[str, Any]:
        return {"name": PROMPT, "version": NEW, "text": text or self.text, **more}

    def run(self, **more: Any) -> tuple[int, list[tuple[str, Any]]]:
        """Status, and the events with their names; an error is an event without one."""
        connection = self.server.connection()
        with closing(connection):
            headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
            body = json.dumps(self.draft(**{"variables": QUESTION, **more}))
            connection.request("POST", "/api/v1/drafts/run", body, headers)
            answer = connection.getresponse()
            content = answer.read().decode()
        if answer.status != 200:
            return answer.status, [("", json.loads(content))]
        assert answer.headers["content-type"] == "text/event-stream"
        events = [event.split("\n") for event in content.strip().split("\n\n")]
        return 200, [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in events]

    def used(self) -> int:
        """Picodollars of today's budget."""
        status, found = self.send("GET", "/api/v1/limits?name=console-playground")
        assert status == 200
        assert all(each["held"] == 0 for each in found)
        return sum(each["used"] for each in found)

    def own(self) -> dict[str, Any]:
        """The eval runs that this person has started."""
        status, found = self.send("GET", "/api/v1/drafts/evals")
        assert status == 200, found
        own: dict[str, Any] = found
        return own

    def ended(self, id: str) -> dict[str, Any]:
        """An eval run, once it goes no further."""

        def over() -> dict[str, Any] | None:
            state: dict[str, Any] = self.send("GET", f"/api/v1/drafts/evals/{id}")[1]
            return None if state["status"] == "running" else state

        found: dict[str, Any] = eventually(over)
        return found


def test_a_file_is_shown_as_it_stands(project: Project) -> None:
    path = f"prompts/{PROMPT}/1.2.0.yaml"
    with project.serving() as server:
        desk = Desk(server)
        assert desk.text == (project.root / path).read_text("utf-8")
        assert (desk.file["path"], desk.file["edited"], len(desk.file["commit"])) == (path, False, 40)
        (project.root / path).write_text("messages: [\n", "utf-8")
        status, broken = desk.send("GET", f"/api/v1/files/prompts/{PROMPT}?version=1.2.0")
        assert (status, broken["text"], broken["edited"]) == (200, "messages: [\n", True)
        assert desk.send("GET", f"/api/v1/files/prompts/{PROMPT}?version=9.9.9")[0] == 404
        assert desk.send("GET", "/api/v1/files/prompts/../../moat?version=1.2.0")[0] in (400, 404)


def test_lint_finds_in_a_draft_what_it_finds_in_the_file(project: Project) -> None:
    with project.serving() as server:
        desk = Desk(server)
        before = set(project.root.rglob("*"))
        assert desk.send("POST", "/api/v1/drafts/lint", desk.draft()) == (200, [])
        wrong = desk.text.replace("{{ question", "{{ qestion")
        status, found = desk.send("POST", "/api/v1/drafts/lint", desk.draft(wrong))
        assert status == 200
        assert {problem["rule"] for problem in found} == {"undeclared-variable", "unused-variable"}
        assert {path for path in project.root.rglob("*") if ".moat" not in str(path)} <= before
        broken = desk.send("POST", "/api/v1/drafts/lint", desk.draft("model: [\nmessages"))[1]
        assert [(problem["rule"], problem["line"]) for problem in broken] == [("unreadable", 2)]
    (project.root / f"prompts/{PROMPT}/{NEW}.yaml").write_text(wrong, "utf-8")
    own = project.run("lint", "--json").json
    assert [problem for problem in own if problem["path"].endswith(f"{NEW}.yaml")] == found


TONE = "prompts/_partials/tone.j2"
INCLUDED = '{% include "tone" %}'


def test_a_partial_is_a_part_of_the_draft(project: Project) -> None:
    with project.serving() as server:
        desk = Desk(server)
        status, tone = desk.send("GET", "/api/v1/files/partials/tone")
        assert (status, tone["path"], tone["text"]) == (200, TONE, (project.root / TONE).read_text("utf-8"))
        assert {(use["name"], use["version"], use["published"]) for use in tone["used_by"]} >= {
            (PROMPT, "1.2.0", False)
        }
        assert desk.send("GET", "/api/v1/files/partials/nope")[0] == 404
        assert desk.send("GET", "/api/v1/files/partials/..%2f..%2fmoat")[0] == 400

        drafted = desk.draft(
            partials={"tone": 'Be brief.{% include "more/new" %}', "more/new": " And kind.", "not": "x"}
        )
        status, shown = desk.send("POST", "/api/v1/drafts/preview", drafted | {"variables": QUESTION})
        assert status == 200, shown
        assert "Be brief. And kind." in shown["messages"][0]["content"]
        assert desk.run(partials=drafted["partials"])[1][-1][0] == "finished"
        assert desk.send("POST", "/api/v1/drafts/lint", drafted) == (200, [])
        assert (project.root / TONE).read_text("utf-8") == tone["text"], "nothing is written"

        wrong = desk.send("POST", "/api/v1/drafts/lint", desk.draft(partials={"tone": "\n{{ who }}"}))[1]
        assert [(each["rule"], each["path"], each["line"]) for each in wrong] == [("undeclared-variable", TONE, 2)]
        gone = desk.send("POST", "/api/v1/drafts/lint", desk.draft(partials={"tone": '{% include "nope" %}'}))[1]
        assert [(each["rule"], each["path"]) for each in gone] == [("missing-partial", TONE)]
        for name in ("../tone", "a//b", ""):
            assert desk.send("POST", "/api/v1/drafts/preview", desk.draft(partials={name: "x"}))[0] == 400, name
        assert desk.send("POST", "/api/v1/drafts/lint", desk.draft(partials={"tone": "x" * (2**18 + 1)}))[0] == 400


def test_a_changed_partial_breaks_no_version_unsaid(project: Project) -> None:
    project.release("1.0.0")
    other = project.root / "prompts/other/1.0.0.yaml"
    other.parent.mkdir()
    other.write_text(
        "model: assistant\nvariables: {question: {type: string}}\n"
        "messages: [{role: user, content: \"{{ question }}{% include 'ask' %}\"}]\n"
    )
    (project.root / "prompts/_partials/ask.j2").write_text("{{ question }}")
    with project.serving() as server:
        desk = Desk(server)
        uses = desk.send("GET", "/api/v1/files/partials/tone")[1]["used_by"]
        published = next(use["version"] for use in uses if use["published"])
        assert published == "1.0.0"
        found = desk.send("POST", "/api/v1/drafts/lint", desk.draft(partials={"tone": "Be brief."}))[1]
        path = f"prompts/{PROMPT}/1.0.0.yaml"
        assert [(each["rule"], each["path"]) for each in found] == [("edited-version", path)]
        new = desk.text.replace(INCLUDED, '{% include "tone-2" %}')
        assert desk.send("POST", "/api/v1/drafts/lint", desk.draft(new, partials={"tone-2": "Be brief."})) == (200, [])
        # One that only another prompt finds wrong.
        text = desk.text.replace("{{ question }}", "{% include 'ask' %}")
        assert text != desk.text
        asked = desk.draft(text, partials={"ask": "{{ question }} {{ also }}"})
        assert {each["rule"] for each in desk.send("POST", "/api/v1/drafts/lint", asked)[1]} == {"undeclared-variable"}


def test_a_preview_shows_messages_and_what_they_cost_beside_what_is_served(project: Project) -> None:
    project.release("1.0.0")
    with project.serving() as server:
        desk = Desk(server)
        shown = desk.send("POST", "/api/v1/drafts/preview", desk.draft(variables=QUESTION, environment="staging"))[1]
        assert shown["messages"][-1]["content"] == QUESTION["question"]
        assert (shown["missing"], shown["problem"]) == ([], "")
        assert shown["cost"]["input_tokens"] > shown["served"]["input_tokens"] > 0
        assert shown["cost"]["max_cost"] > shown["cost"]["input_cost"] > 0
        assert shown["served"]["version"] == "1.0.0"
        bare = desk.send("POST", "/api/v1/drafts/preview", desk.draft())[1]
        assert (bare["missing"], bare["messages"][-1]["content"]) == (["question"], "{{ question }}")
        assert bare["served"] is None, "nothing is served in production"
        wrong = desk.send("POST", "/api/v1/drafts/preview", desk.draft(variables={**QUESTION, "nope": 1}))[1]
        assert (wrong["messages"], wrong["where"]) == ([], "variables.nope")


def test_a_try_goes_through_the_pipeline_and_counts_as_the_persons(project: Project) -> None:
    with project.serving() as server:
        desk = Desk(server)
        status, events = desk.run()
        names = [name for name, _ in events]
        assert (status, names[-1], set(names[:-1])) == (200, "finished", {"delta"})
        end = events[-1][1]
        assert json.loads("".join(data["text"] for _, data in events[:-1]))["intent"]
        assert (end["cost"], end["finish_reason"]) == (desk.used(), "stop")
        [call] = eventually(lambda: server.get("/api/v1/traces?feature=playground")[1])
        said = (call["user"], call["environment"], call["prompt"], call["version"], call["cost"])
        assert said == ("grace@example.org", "playground", PROMPT, NEW, end["cost"])
        assert call["trace_id"] == end["trace_id"]
        assert server.get("/api/v1/environments")[1] == [], "nothing is served by it"
        status, [(_, refused)] = desk.run(variables={})
        assert (status, refused["error"]["code"]) == (400, "invalid_prompt")
        assert desk.run(model="nobody")[0] == 404


def test_policies_hold_for_tries_too(project: Project) -> None:
    policy = "name: words\nguards: [{use: banned, on: [input], action: block, with: {words: [unspeakable]}}]\n"
    (project.root / "policies").mkdir()
    (project.root / "policies" / "words.yaml").write_text(policy, "utf-8")
    with project.serving() as server:
        status, [(_, refused)] = Desk(server).run(variables={"question": "Say unspeakable things"})
        assert (status, refused["error"]["code"]) == (400, "content_filter")
        [call] = eventually(lambda: server.get("/api/v1/traces?feature=playground")[1])
        assert (call["request_id"], call["trace_id"]) == (refused["request_id"], refused["trace_id"])


def test_who_hangs_up_ends_the_call(project: Project) -> None:
    slow_down(project, 30_000)
    with project.serving() as server:
        desk = Desk(server)
        connection = server.connection()
        headers = {"authorization": f"Bearer {desk.key}", "content-type": "application/json"}
        connection.request("POST", "/api/v1/drafts/run", json.dumps(desk.draft(variables=QUESTION)), headers)
        limits = "/api/v1/limits?name=console-playground"
        eventually(lambda: any(each["held"] for each in desk.send("GET", limits)[1]))
        connection.close()
        [call] = eventually(lambda: server.get("/api/v1/traces?feature=playground")[1])
        assert call["error"] == "client_closed"
        assert call["duration_ns"] < 30 * 10**9
        assert desk.used() > 0, "what was sent is billed"


@pytest.mark.promise("money-1")
def test_a_persons_day_has_an_exact_end_which_a_restart_does_not_move(project: Project) -> None:
    budget = 12 * 10**9
    with (project.root / "moat.yaml").open("a") as file:
        file.write('\nconsole: {playground: {per_day: "0.012"}}\n')
    with project.serving("--workers", "2") as server:
        desk = Desk(server)
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: desk.run(), range(8)))
        spent = sum(events[-1][1]["cost"] for status, events in answers if status == 200)
        assert 0 < spent == desk.used() <= budget
        refused = next(events[0][1]["error"] for status, events in answers if status != 200)
        assert refused["code"] == "limit_exceeded"
        assert "grace@example.org" in refused["message"]
        other = Desk(server, "linus@example.org")
        assert other.run()[0] == 200, "everybody has a day of their own"
        while desk.run()[0] == 200:
            pass
        used = desk.used()
    with project.serving() as server:
        desk.server = server
        assert desk.used() == used
        assert desk.run()[0] == 429


def test_a_draft_is_scored_by_a_suite_within_the_budget(project: Project) -> None:
    project.release("1.0.0")
    with project.serving() as server:
        desk = Desk(server)
        wish = desk.draft(suite="support", limit=12, budget="0.50", environment="staging")
        status, began = desk.send("POST", "/api/v1/drafts/evals", wish)
        assert (status, began["person"], began["budget"]) == (202, "grace@example.org", 5 * 10**11), began
        state = desk.ended(began["id"])
        assert (state["status"], state["done"], state["total"], state["problem"]) == ("finished", 12, 12, "")
        assert (state["verdict"], state["baseline"]) == ("", ""), "a part of a suite proves nothing"
        assert re.match(r"Only 12 of the suite's \d+ cases: compared with nothing, and no verdict", state["summary"])
        assert all(score["low"] <= score["mean"] <= score["high"] for score in state["scores"] if score["n"])
        assert 0 < state["spent"] == desk.used()
        assert (state["earlier"], state["found"]) == (0, "")
        [run] = server.get(f"/api/v1/runs?prompt={PROMPT}")[1]["runs"]
        assert (run["id"], run["author"], run["commit"]) == (began["id"], "grace@example.org", "draft")
        again = desk.send(
            "POST", "/api/v1/drafts/evals", wish | {"version": "1.9.1", "text": f"# The same.\n{desk.text}"}
        )[1]
        assert (again["id"], again["found"], again["done"]) == (began["id"], NEW, 12), (
            "what is stored is not asked again"
        )
        found = desk.ended(again["id"])
        assert desk.used() == state["spent"]
        assert (found["spent"], found["earlier"], found["done"]) == (0, state["spent"], 12)
        assert desk.own() == {"starting": None, "runs": [found]}
        assert Desk(server, "ada@example.org").own()["runs"] == []
        assert desk.send("POST", "/api/v1/drafts/evals", wish | {"suite": "nope"})[0] == 404
        assert desk.send("POST", "/api/v1/drafts/evals", wish | {"text": "messages: ["})[0] == 400
        assert desk.used() == state["spent"], "what could not begin costs nothing"
    with project.serving() as server:
        desk.server = server
        assert desk.used() == state["spent"], "a restart forgets nothing"
    with closing(sqlite3.connect(project.root / ".moat" / "state.db")) as store:
        assert store.execute("SELECT count(*) FROM judgements").fetchone() == (0,), "a draft proves nothing"


def test_an_eval_of_a_draft_can_be_cancelled_and_one_person_has_one(project: Project) -> None:
    slow_down(project, 2_000)
    with project.serving() as server:
        desk = Desk(server)
        wish = desk.draft(suite="support")
        with ThreadPoolExecutor(1) as somebody:
            starting = somebody.submit(desk.send, "POST", "/api/v1/drafts/evals", wish)
            expected = {"prompt": PROMPT, "version": NEW, "suite": "support"}
            seen = eventually(lambda: (own := desk.own())["starting"] and own)
            assert seen == {"starting": expected, "runs": []}, "who goes away meanwhile is told that it begins"
            began = starting.result()[1]
        own = desk.own()
        assert (own["starting"], [run["id"] for run in own["runs"]]) == (None, [began["id"]])
        status, refused = desk.send("POST", "/api/v1/drafts/evals", wish)
        assert (status, refused["error"]["code"]) == (409, "conflict")
        other = Desk(server, "ada@example.org")
        status, refused = other.send("DELETE", f"/api/v1/drafts/evals/{began['id']}")
        assert (status, "grace@example.org's" in refused["error"]["message"]) == (403, True), refused
        status, over = desk.send("DELETE", f"/api/v1/drafts/evals/{began['id']}")
        assert (status, over["status"]) == (200, "interrupted"), over
        assert over["done"] < over["total"]
        assert desk.used() == over["spent"]
        assert desk.send("POST", "/api/v1/drafts/evals", wish)[0] == 202, "it goes on where it was"


def test_of_two_people_with_one_draft_each_pays_for_what_they_started(project: Project) -> None:
    slow_down(project, 2_000)
    project.replace("evals/support.yaml", {"concurrency: 16": "concurrency: 1"})
    with project.serving() as server:
        ada, grace = Desk(server, "ada@example.org"), Desk(server)
        wish = grace.draft(suite="support")
        began = ada.send("POST", "/api/v1/drafts/evals", wish)[1]
        path = f"/api/v1/drafts/evals/{began['id']}"

        def refused(desk: Desk, whose: str, **more: Any) -> None:
            status, said = desk.send("POST", "/api/v1/drafts/evals", wish | more)
            assert (status, said["error"]["code"], said["error"]["param"]) == (409, "conflict", began["id"])
            assert whose in said["error"]["message"]

        def answered(more: int) -> None:
            eventually(lambda: grace.send("GET", path)[1]["done"] > more)

        refused(grace, "ada@example.org")
        refused(ada, "of yours", limit=3)
        shown = grace.send("GET", path)[1]
        assert (shown["status"], shown["person"]) == ("running", "ada@example.org"), "nothing took its place"
        answered(0)
        status, over = ada.send("DELETE", path)
        assert (status, over["status"], over["person"]) == (200, "interrupted", "ada@example.org")
        assert over["spent"] > 0
        assert {each["used"] for each in project_budgets(server)} == {over["spent"]}

        status, on = grace.send("POST", "/api/v1/drafts/evals", wish)
        assert (status, on["id"], on["person"]) == (202, began["id"], "grace@example.org"), "it goes on where it was"
        answered(over["done"])
        assert on["earlier"] == over["spent"]
        refused(ada, "grace@example.org")
        status, end = grace.send("DELETE", path)
        assert (status, end["status"]) == (200, "interrupted")
        assert sorted(each["used"] for each in project_budgets(server)) == sorted([over["spent"], end["spent"]])
        assert ada.send("POST", "/api/v1/drafts/evals", wish)[0] == 202
    with closing(sqlite3.connect(project.root / ".moat" / "state.db")) as store:
        found = store.execute("SELECT id, status FROM runs").fetchall()
    assert found == [(began["id"], "interrupted")], "a stop of the server reaches it"


def project_budgets(server: Server) -> list[dict[str, Any]]:
    """Of all people who tried something today."""
    found: list[dict[str, Any]] = server.get("/api/v1/limits?name=console-playground")[1]
    assert all(each["held"] == 0 for each in found)
    return [each for each in found if each["used"]]


def test_a_stop_of_the_server_ends_evals_of_drafts(project: Project) -> None:
    slow_down(project, 2_000)
    with project.serving() as server:
        desk = Desk(server)
        began = desk.send("POST", "/api/v1/drafts/evals", desk.draft(suite="support"))[1]
        assert began["status"] == "running"
    with closing(sqlite3.connect(project.root / ".moat" / "state.db")) as store:
        found = store.execute("SELECT status FROM runs WHERE id = ?", (began["id"],)).fetchall()
    assert found in ([], [("interrupted",)])
