"""The cache of a real server: on by moat.yaml, parted by releases, kept over reloads."""

import json
from typing import Any

import pytest

from tests.bootstrap.projects import PROMPT, Project, Server, eventually


def ask(server: Server, question: str = "How long can I return things?", *, at: str = "staging", **headers: str) -> Any:
    """What the cache did, and the text."""
    connection = server.connection()
    body = {"prompt": {"id": f"{PROMPT}@{at}", "variables": {"question": question}}}
    given = {"authorization": f"Bearer {server.token}", "content-type": "application/json", **headers}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), given)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    assert response.status == 200, answer
    return response.headers["x-moat-cache"], answer["choices"][0]["message"]["content"]


def cached(project: Project) -> None:
    project.replace("moat.yaml", {"  assistant:\n": "  assistant:\n    cache: {ttl: 600}\n"})


@pytest.mark.promise("gate-7")
def test_answers_are_given_again_within_their_release(project: Project) -> None:
    cached(project)
    project.release("1.0.0")
    with project.serving() as server:
        first = ask(server)
        assert (first[0], ask(server)) == ("miss", ("hit", first[1]))
        assert ask(server, "And abroad?")[0] == "miss"
        project.release("1.2.0")
        assert ask(server)[0] == "miss", "another release is another question"
        project.ok("rollback", PROMPT, "--env", "staging")
        assert ask(server) == ("hit", first[1]), "and the one before has its answers still"
        project.replace("moat.yaml", {"project: support-assistant": "project: renamed"})
        assert server.send("POST", "/api/v1/refresh", {}, content_type="application/json")[0] == 200
        assert ask(server)[0] == "hit", "a reload keeps them"
        project.replace("moat.yaml", {"    cache: {ttl: 600}\n": ""})
        eventually(lambda: ask(server)[0] is None)
    calls = project.ok("traces", "--json", "--limit", "100").json
    hits = [call for call in calls if call.get("cache") == "hit"]
    assert len(hits) >= 3
    assert all(call["saved"] > 0 and not call["cost"] for call in hits)


def test_without_a_word_in_moat_yaml_nothing_is_cached(project: Project) -> None:
    project.release("1.0.0")
    with project.serving() as server:
        assert [ask(server)[0] for _ in range(2)] == [None, None]


def test_a_time_beyond_a_month_is_refused(project: Project) -> None:
    project.replace("moat.yaml", {"models:\n": "models:\n  long: {use: [simulated/a], cache: {ttl: 2592001}}\n"})
    done = project.run("config", "check")
    assert (done.code, "ttl" in done.err) == (78, True)
