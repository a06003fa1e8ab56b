"""Nobody is offered what the API would refuse, and what is offered is not refused."""

import re
from typing import NamedTuple

import pytest
from playwright.sync_api import expect

from tests.api.test_bodies import GOOD
from tests.console.conftest import Visit
from tests.console.world import PEOPLE, Role, Shown

LADDER: tuple[Role, ...] = ("viewer", "expert", "engineer", "admin")


class Act(NamedTuple):
    """Something that changes things: where it is offered, and what it asks of the API."""

    page: str
    name: str
    """Of the button or link, as a pattern."""
    needs: Role
    path: str
    """Of the route that is asked with POST."""


ACTS = (
    Act("/traces/REQUEST", "^Replay with", "expert", "/api/v1/replays"),
    Act("/traces/REQUEST", "Bad$", "expert", "/api/v1/opinions"),
    Act("/prompts/support/answer", "^Edit$", "expert", "/api/v1/drafts/lint"),
    Act("/prompts/support/answer", "^Playground$", "expert", "/api/v1/drafts/run"),
    Act("/prompts/support/answer", "^Propose$", "expert", "/api/v1/proposals"),
    Act("/guards/try", "^Try$", "expert", "/api/v1/guards/try"),
    Act("/releases", "^Release a version", "engineer", "/api/v1/releases"),
    Act("/releases", "^Roll back", "engineer", "/api/v1/rollbacks"),
    Act("/spend/limits", "^New limit", "engineer", "/api/v1/limits/drafts"),
    Act("/spend/limits", "^Edit ", "engineer", "/api/v1/limits/drafts"),
    Act("/spend/keys", "^Make a key", "admin", "/api/v1/keys"),
    Act("/spend/keys", "^Rotate", "admin", "/api/v1/keys/{id}/rotate"),
    Act("/settings/accounts", "^Add$", "admin", "/api/v1/accounts"),
    Act("/settings/accounts", "^Disable$", "admin", "/api/v1/accounts"),
)


@pytest.mark.parametrize("role", LADDER)
def test_each_role_is_offered_what_it_may(visit: Visit, shown: Shown, role: Role) -> None:
    page = visit(role)
    request = next(span["request_id"] for span in shown.server.get("/api/v1/traces?limit=50")[1] if span["request_id"])
    for act in ACTS:
        if act.page == "/settings/accounts" and role != "admin":
            continue  # it is in no list of theirs: see below
        page.goto(act.page.replace("REQUEST", request))
        expect(page.locator("h1").first).to_be_visible()
        expect(page.locator("[data-loading]")).to_have_count(0)
        pattern = re.compile(act.name)
        offered = page.locator("main").get_by_role("button", name=pattern, disabled=False)
        offered = offered.or_(page.locator("main").get_by_role("link", name=pattern))
        if LADDER.index(role) >= LADDER.index(act.needs):
            expect(offered.first).to_be_visible()
        else:
            expect(offered).to_have_count(0)


@pytest.mark.parametrize("role", LADDER)
def test_the_api_refuses_the_same_by_itself(visit: Visit, shown: Shown, role: Role) -> None:
    context = visit(role).context
    session = context.request.get("/api/v1/session").json()
    assert session["actor"] == PEOPLE[role].email
    headers = {"x-moat-csrf": session["csrf"], "origin": shown.url}
    for act in ACTS:
        body = {} if act.path == "/api/v1/accounts" else GOOD[act.path]  # an empty one makes none
        if act.path == "/api/v1/keys":
            body = {}
        answer = context.request.post(act.path.replace("{id}", "key_0"), data=body, headers=headers)
        may = LADDER.index(role) >= LADDER.index(act.needs)
        assert answer.status in ((200, 400, 404) if may else (403,)), (act.path, answer.text())


@pytest.mark.parametrize("role", LADDER)
def test_no_link_leads_to_a_page_that_is_refused(visit: Visit, role: Role) -> None:
    page = visit(role)  # a refusal is an error in the browser's console, which fails the test
    page.goto("/")
    places = page.get_by_role("navigation", name="Pages").get_by_role("link")
    expect(places).to_have_count(9)
    for address in places.evaluate_all("links => links.map(link => link.pathname)"):
        page.goto(address)
        expect(page.locator("h1").first).to_be_visible()
        tabs = page.locator("main nav").get_by_role("link")
        for tab in tabs.evaluate_all("links => links.map(link => link.pathname + link.search)"):
            page.goto(tab)
            expect(page.locator("h1").first).to_be_visible()
            expect(page.locator("[data-loading]")).to_have_count(0)
            expect(page.get_by_role("alert")).to_have_count(0)
