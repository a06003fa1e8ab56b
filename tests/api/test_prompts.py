"""Prompts over the API: which arm, how it is described, and what is refused."""

import json
from collections import Counter

import pytest

from moat.domain.releases import Arm, choose
from tests.api.world import Api
from tests.bootstrap.projects import PROMPT

STAGING = f"/api/v1/prompts/{PROMPT}"


def test_a_split_holds_all_that_a_client_needs_to_choose(api: Api) -> None:
    split = api.get(STAGING, "app", environment="staging")[1]["split"]
    arms = tuple(Arm(arm["release"], arm["weight"], arm["name"]) for arm in split["arms"])
    assert split["experiment"] == "staging/1"
    chosen = Counter()  # type: ignore[var-annotated]
    for number in range(40):
        user = f"u{number}"
        served = api.get(STAGING, "app", environment="staging", user=user)[1]
        index = choose(arms, split["salt"], user)
        chosen[index] += 1
        assert (served["arm"], served["release"]) == (arms[index].name, arms[index].release), user
        assert served["prompt"] == split["arms"][index]["prompt"]
        assert served["digest"] == split["arms"][index]["digest"]
        assert served["experiment"] == "staging/1"
    assert set(chosen) == {0, 1}


def test_without_a_split_there_is_none(api: Api) -> None:
    served = api.get(STAGING, "app", environment="production")[1]
    assert (served["split"], served["arm"], served["experiment"]) == (None, "", "")
    assert api.get(STAGING, "app", version="1.2.0")[1]["split"] is None


def test_the_tag_is_of_the_split_and_the_user(api: Api) -> None:
    def tag(query: str) -> str:
        return api.raw("GET", f"{STAGING}?{query}", Authorization="Bearer mk-app")[1]["etag"]

    assert len({tag("environment=staging") for _ in range(20)}) == 1, "whatever arm was drawn"
    tags = {tag(f"environment=staging{user}") for user in ("", "&user=a", "&user=b")}
    assert len({*tags, tag("environment=production"), tag("version=1.0.0")}) == 5
    status, _, body = api.raw(
        "GET", f"{STAGING}?environment=staging", Authorization="Bearer mk-app", If_None_Match=tag("environment=staging")
    )
    assert (status, body) == (304, b"")


def test_rendering_follows_the_user(api: Api) -> None:
    for user in ("u1", "u2", "u3", "u4"):
        served = api.get(STAGING, "app", environment="staging", user=user)[1]
        asked = {"environment": "staging", "user": user, "variables": {"question": "Where is it?"}}
        status, rendered = api.post(f"/api/v1/render/{PROMPT}", asked, "app")
        assert status == 200, rendered
        assert (rendered["release"], rendered["arm"]) == (served["release"], served["arm"])
        assert rendered["messages"][-1]["role"] == "user"
        assert (rendered["model"], rendered["digest"]) == ("assistant", served["digest"])


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"variables": {"question": "?"}}, 400, "give one of"),
        ({"version": "1.0.0", "environment": "staging"}, 400, "give one of"),
        ({"version": "1.0.0"}, 400, "question"),
        ({"version": "1.0.0", "variables": {"question": 1}}, 400, "string"),
        ({"version": "1.0.0", "variables": {"question": "?", "nope": 1}}, 400, "nope"),
        ({"version": "latest", "variables": {"question": "?"}}, 404, "1.0.0, 1.1.0, 1.2.0"),
        ({"environment": "nowhere", "variables": {"question": "?"}}, 404, "production, staging"),
    ],
)
def test_a_rendering_asked_for_in_vain(api: Api, body: dict[str, object], status: int, said: str) -> None:
    found, answer = api.post(f"/api/v1/render/{PROMPT}", body, "app")
    assert (found, said in answer["error"]["message"]) == (status, True), answer


def test_the_list_says_what_there_is_and_where_it_is_served(api: Api) -> None:
    (listed,) = api.get("/api/v1/prompts", "viewer")[1]
    assert [version["version"] for version in listed["versions"]] == ["1.0.0", "1.1.0", "1.2.0"]
    assert [(place["environment"], place["version"], place["arm"], place["weight"]) for place in listed["served"]] == [
        ("production", "1.0.0", "", 1.0),
        ("staging", "1.2.0", "canary", 50.0),
        ("staging", "1.1.0", "stable", 50.0),
    ]


def test_versions_and_their_differences(api: Api) -> None:
    rows = api.get(f"/api/v1/versions/{PROMPT}", "viewer")[1]
    assert [row["content"]["version"] for row in rows] == ["1.0.0", "1.1.0", "1.2.0"]
    assert {(row["author"], row["source"]) for row in rows} == {("Ada", "git")}
    changes = api.get(f"/api/v1/diff/{PROMPT}", "viewer", **{"from": "1.0.0", "to": "1.2.0"})[1]
    assert (changes["before_digest"], changes["after_digest"]) == (rows[0]["digest"], rows[2]["digest"])
    same = api.get(f"/api/v1/diff/{PROMPT}", "viewer", **{"from": "1.0.0", "to": "1.0.0"})[1]
    assert (same["texts"], same["fields"]) == ([], [])


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("versions/no/such", 404, "no/such"),
        ("lineage/no/such", 404, "no/such"),
        (f"lineage/{PROMPT}?version=9.9.9", 404, "1.0.0"),
        (f"diff/{PROMPT}?from=1.0.0", 400, "to"),
        (f"diff/{PROMPT}?to=1.0.0", 400, "from"),
        (f"diff/{PROMPT}?from=1.0.0&to=latest", 404, "1.0.0, 1.1.0, 1.2.0"),
        (f"diff/{PROMPT}?from=9.9.9&to=1.0.0", 404, "1.0.0"),
        ("releases/rel_0", 404, "rel_0"),
        (f"history?prompt={PROMPT}", 400, "environment"),
        ("history?environment=staging", 400, "prompt"),
    ],
)
def test_looking_in_vain(api: Api, path: str, status: int, said: str) -> None:
    found, _, body = api.raw("GET", f"/api/v1/{path}", Authorization="Bearer mk-viewer")
    assert (found, said in str(json.loads(body))) == (status, True), body


def test_a_key_of_a_person_falls_on_that_persons_arm(api: Api) -> None:
    mine = {api.get(STAGING, "admin", environment="staging", user=user)[1]["arm"] for user in ("a", "b", "c", "d", "e")}
    assert mine == {api.get(STAGING, "app", environment="staging", user="grace")[1]["arm"]}
