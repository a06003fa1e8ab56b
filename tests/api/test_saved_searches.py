"""Searches with a name, in every route that takes an expression."""

import pytest

from moat.domain.searches import SavedSearch
from tests.api.world import Api

ROUTES = ("traces", "usage", "spend", "scores", "sessions", "users", "export", "opinions")


def test_a_name_stands_for_what_was_saved_as_it(api: Api) -> None:
    for name, expression in (("acmes", "tenant = acme"), ("two", "@acmes and request = req_2")):
        api.state.searches.save(SavedSearch(name=name, expression=expression, actor="ada", changed_ns=1))
    assert [span["request_id"] for span in api.get("/api/v1/traces", q="@two")[1]] == ["req_2"]
    assert {span["request_id"] for span in api.get("/api/v1/traces", q="@acmes or request = req_1")[1]} == {
        *("req_1", "req_2", "req_4")
    }
    for route in ROUTES:
        status, answer = api.get(f"/api/v1/{route}", q="@none")
        assert (status, "Saved searches: @acmes, @two." in answer["error"]["message"]) == (400, True), route


@pytest.mark.promise("gate-7")
def test_a_bound_key_is_told_of_no_name(api: Api) -> None:
    api.state.searches.save(SavedSearch(name="globex", expression="tenant = globex", actor="ada", changed_ns=1))
    refused = [api.get("/api/v1/traces", "acme-viewer", q=f"@{name}") for name in ("globex", "unknown")]
    assert [status for status, _ in refused] == [400, 400]
    known, unknown = (answer["error"]["message"] for _, answer in refused)
    assert known == unknown.replace("unknown", "globex")
