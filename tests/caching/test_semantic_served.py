"""The semantic cache of a real server: measured, proven, served, told, and kept over a restart."""

import json
from typing import Any

import pytest

from tests.bootstrap.projects import PROMPT, Project, Server, eventually

QUESTIONS = [
    "How long can I return things?",
    "How long can I return things??",
    "How long can I return things, please?",
    "How  long can i RETURN things?",
    "So how long can I return things?",
]
"""All alike, and the simulated model says the same to each."""


def configured(project: Project, **semantic: Any) -> None:
    block = json.dumps({"ttl": 600, "semantic": {"threshold": 0.8, "sample": 0, **semantic}})
    project.replace("moat.yaml", {"  assistant:\n": f"  assistant:\n    cache: {block}\n"})


def ask(server: Server, question: str) -> Any:
    """What the cache did, and the notices."""
    connection = server.connection()
    body = {"prompt": {"id": f"{PROMPT}@staging", "variables": {"question": question}}}
    given = {"authorization": f"Bearer {server.token}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), given)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    assert response.status == 200, answer
    return response.headers["x-moat-cache"]


def state(server: Server) -> Any:
    status, found = server.get("/api/v1/cache?alias=assistant")
    assert status == 200
    return found[0]


def compared(server: Server, count: int) -> Any:
    """The evidence, when so much was compared: that is done beside the answers."""

    def found() -> Any:
        measured = state(server)["measured"]
        return measured[0] if measured and measured[0]["compared"] >= count else None

    return eventually(found)


@pytest.mark.promise("gate-7")
def test_a_release_is_served_by_similarity_once_it_is_proven(project: Project) -> None:
    configured(project, mode="serve", min_compared=3, max_false_hits=0.6)
    release = project.release("1.0.0")
    with project.serving() as server:
        for asked, question in enumerate(QUESTIONS[:4]):
            assert ask(server, question) == "miss"
            if asked:
                compared(server, asked)
        assert ask(server, QUESTIONS[4]) == "similar"
        told = state(server)
        assert (told["hits"], told["misses"], told["similar"]) == (0, 4, 1)
        assert told["saved"] > 0
        (measured,) = told["measured"]
        assert (measured["state"], measured["compared"], measured["false"]) == ("serving", 3, 0)
        assert (measured["release"], measured["embedder"], measured["low"]) == (release, "lexical", 0)
        assert 0.5 < measured["high"] < 0.6
        page = metrics(server)
        for line in (
            'moat_cache_similar_total{alias="assistant"} 1.0',
            'moat_cache_misses_total{alias="assistant"} 4.0',
            'moat_cache_hits_total{alias="assistant"} 0.0',
            'moat_cache_entries{alias="assistant"} 4.0',
            'moat_cache_semantic_serving{alias="assistant"} 1.0',
        ):
            assert line in page
        assert "serving" in project.ok("cache", "stats").out
        project.release("1.2.0")
        assert ask(server, QUESTIONS[0]) == "miss"
        assert ask(server, QUESTIONS[1]) == "miss", "a new release starts anew"
    done = project.ok("cache", "stats", "assistant", "--json")
    assert "No server runs" in done.err
    known = {one["release"]: (one["compared"], one["state"]) for one in done.json[0]["measured"]}
    assert known[release] == (3, "serving"), "what was measured is kept"
    calls = project.ok("traces", "--json", "--limit", "100").json
    assert [call["saved"] > 0 for call in calls if call.get("cache") == "similar"] == [True]
    with project.serving() as server:
        project.ok("rollback", PROMPT, "--env", "staging")
        assert [ask(server, question) for question in QUESTIONS[:2]] == ["miss", "similar"]


def metrics(server: Server) -> str:
    connection = server.connection()
    connection.request("GET", "/metrics", headers={"authorization": f"Bearer {server.token}"})
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def test_shadow_with_a_models_vectors_tells_false_hits_with_examples(project: Project) -> None:
    configured(project, embedder="vectors", threshold=0.3, agreement=1)
    project.replace("moat.yaml", {"models:\n": "models:\n  vectors: {use: [simulated/embed-small]}\n"})
    project.release("1.0.0")
    with project.serving() as server:
        assert ask(server, "Can I return a tent that I bought?") == "miss"
        eventually(lambda: vectors(project) == 1)
        assert ask(server, "Can I pay for a tent with PayPal?") == "miss"
        measured = compared(server, 1)
        assert (measured["embedder"], measured["state"]) == ("vectors (simulated/embed-small)", "shadow")
        assert (measured["compared"], measured["false"], measured["rate"]) == (1, 1, 1)
        assert measured["examples"][0]["similar"] == "Can I return a tent that I bought?"
        done = project.ok("cache", "stats", "--examples")
        assert "Can I pay for a tent with PayPal?" in done.out
        assert "100.0%" in done.out


def vectors(project: Project) -> int:
    calls = project.ok("traces", "--json", "--limit", "100").json
    return sum(call.get("alias") == "vectors" for call in calls)


def test_an_alias_without_a_cache_has_no_stats(project: Project) -> None:
    assert "Nothing is cached" in project.ok("cache", "stats").out
    done = project.run("cache", "stats", "assistant")
    assert (done.code, "no cache" in done.err) == (66, True)


@pytest.mark.parametrize(
    ("semantic", "words"),
    [
        ({"embedder": "nobody"}, "no other model"),
        ({"embedder": "assistant"}, "no other model"),
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": 0}, "threshold"),
        ({"mode": "always"}, "mode"),
        ({"sample": -1}, "sample"),
        ({"min_compared": 0}, "min_compared"),
        ({"max_false_hits": 0}, "max_false_hits"),
        ({"embeder": "lexical"}, "embeder"),
    ],
)
def test_what_makes_no_sense_is_refused(project: Project, semantic: dict[str, Any], words: str) -> None:
    configured(project, **semantic)
    done = project.run("config", "check")
    assert (done.code, words in done.err, "moat.yaml" in done.err) == (78, True, True), done
