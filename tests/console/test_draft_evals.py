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
