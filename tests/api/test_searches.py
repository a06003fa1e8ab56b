"""Searches with a name, and opinions of people, over the management API."""

import json

import pytest

from tests.api.world import Api


def test_a_saved_search_is_found_by_its_name_until_it_is_forgotten(api: Api) -> None:
    status, saved = api.post("/api/v1/searches", {"name": "slow", "expression": " latency > 5s "})
    assert (status, [(one["name"], one["expression"]) for one in saved]) == (200, [("slow", "latency > 5s")])
    assert saved[0]["actor"] == "grace@example.org"
    assert api.get("/api/v1/calls?q=@slow")[0] == 200
    _, saved = api.post("/api/v1/searches", {"name": "slow", "expression": "latency > 9s"})
    assert [one["expression"] for one in saved] == ["latency > 9s"]
    assert api.get("/api/v1/searches", "viewer") == (200, saved)
    content = api.raw("DELETE", "/api/v1/searches/slow", b"", Authorization="Bearer mk-admin")
    assert (content[0], json.loads(content[2])) == (200, [])
    assert api.get("/api/v1/calls?q=@slow")[0] == 400


@pytest.mark.parametrize(
    ("order", "named"),
    [
        ({"name": "9", "expression": "error"}, "name"),
        ({"name": "slow", "expression": "   "}, "expression"),
        ({"name": "slow", "expression": "latncy > 2s"}, "latency"),
        ({"name": "slow", "expression": "error or @slow"}, "means itself"),
        ({"name": "slow", "expression": "@fast"}, "fast"),
    ],
)
def test_what_is_no_search_is_refused_and_nothing_is_kept(api: Api, order: dict[str, str], named: str) -> None:
    status, answer = api.post("/api/v1/searches", order)
    assert (status, named in answer["error"]["message"]) == (400, True), answer
    assert api.get("/api/v1/searches")[1] == []


def test_a_person_says_what_an_answer_is_worth_and_it_counts_as_a_persons(api: Api) -> None:
    said = {"request_id": "req_0", "thumbs": "down", "comment": "Wrong.", "correction": "30 days", "by": "mallory"}
    status, kept = api.post("/api/v1/opinions", said)
    assert (status, kept["value"], kept["by"]) == (200, 0.0, "grace@example.org")
    assert kept.get("source", "person") == "person"
    assert api.post("/api/v1/opinions", said, "viewer")[0] == 403
    assert api.post("/api/v1/opinions", {"request_id": "req_0"})[0] == 400
