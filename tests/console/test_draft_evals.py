"""Evals of drafts: two people who score the same one look at one run."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.bootstrap.projects import Project, Server, slow_down
from tests.console.conftest import WAIT_MS, Faults, axe, screenshot
from tests.console.world import PEOPLE, Role, join


@pytest.fixture
def slow(project: Project) -> Iterator[Server]:
    """A server whose model thinks for a while, so that an eval lasts."""
    slow_down(project, 30_000)
    with project.serving() as server:
        for role in ("engineer", "expert"):
            join(server, role, PEOPLE[role])
        yield server


def at_work(browser: Browser, server: Server, role: Role, faults: Faults) -> Page:
    """The playground of somebody who has changed nothing yet."""
    context = browser.new_context(base_url=server.url)
    context.set_default_timeout(WAIT_MS)
    signed = context.request.post("/api/v1/session", data=PEOPLE[role]._asdict(), headers={"origin": server.url})
    assert signed.ok, signed.text()
    page = context.new_page()
    faults.watch(page, server.url)
    page.goto("/prompts/support/answer?tab=try")
    page.get_by_role("combobox", name="Suite").select_option("support")
    return page


def test_who_scores_what_a_colleague_is_scoring_is_shown_that_run(
    browser: Browser, slow: Server, faults: Faults
) -> None:
    faults.forgive("status of 409")
    first, second = (at_work(browser, slow, role, faults) for role in ("expert", "engineer"))
    run = re.compile("^Run .* against it$")
    first.get_by_role("button", name=run).click()
    expect(first.get_by_text("started by expert@example.org")).to_be_visible()
    second.get_by_role("button", name=run).click()
    expect(second.get_by_role("alert")).to_contain_text("expert@example.org has this draft scored by the suite already")
    expect(second.get_by_text("started by expert@example.org")).to_be_visible()
    expect(second.get_by_text("running", exact=True)).to_be_visible()
    axe(second)
    screenshot(second, "playground-scored-by-another")
    first.get_by_role("button", name="Cancel").click()
    for page in (first, second):
        expect(page.get_by_text("interrupted", exact=True)).to_be_visible()
        page.context.close()


def test_a_run_that_is_left_while_it_starts_is_found_again_in_any_window(
    browser: Browser, slow: Server, faults: Faults
) -> None:
    faults.forgive("status of 404")  # there is no support/farewell
    page = at_work(browser, slow, "expert", faults)
    with page.expect_request(re.compile("/api/v1/drafts/evals$")):
        page.get_by_role("button", name=re.compile("^Run .* against it$")).click()
    page.get_by_role("link", name="Spend", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Spend")
    other = page.context.new_page()
    faults.watch(other, slow.url)
    other.goto("/prompts/support/answer?tab=try")
    expect(other.get_by_text("started by expert@example.org")).to_be_visible()
    assert page.url.endswith("/spend"), "who has gone on is left where they are"
    page.go_back()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    assert page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('moat-eval'))") == []
    page.goto("/prompts/support/farewell?tab=try")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    other.reload()
    expect(other.get_by_text("interrupted", exact=True)).to_be_visible()
    page.context.close()


def test_a_draft_whose_content_was_scored_already_costs_nothing(browser: Browser, project: Project) -> None:
    with project.serving() as server:
        join(server, "expert", PEOPLE["expert"])
        page = at_work(browser, server, "expert", Faults())
        page.get_by_role("spinbutton", name="Cases").fill("5")
        page.get_by_role("button", name=re.compile("^Run .* against it$")).click()
        expect(page.get_by_text("5 of 5 answered")).to_be_visible()
        expect(page.get_by_role("link", name="All cases")).to_be_visible()
        expect(page.get_by_text("Nothing was asked")).to_have_count(0)
        page.get_by_role("button", name=re.compile("^Run .* against it$")).click()
        expect(page.get_by_text("Nothing was asked, and nothing spent")).to_be_visible()
        expect(page.get_by_text(re.compile(r"^5 of 5 answered · \$0(\.0+)? of \$[45]\.[0-9]+ spent"))).to_be_visible()
        axe(page)
        screenshot(page, "playground-scored-before")
        page.context.close()
