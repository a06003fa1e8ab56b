"""The server stops, or is upgraded, while pages of its console are open."""

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.bootstrap.projects import PROMPT
from tests.console.conftest import WAIT_MS, Faults, Visit, axe, screenshot
from tests.console.world import NEW, OLD, PEOPLE, Shown, make_shown, showing
from tests.shared import made_once

AWAY = r"net::ERR_|Couldn't load preload assets|MissingPart"
"""What a browser says of a server that is not there."""
GONE = r"status of 404|Failed to fetch dynamically imported module|MissingPart"
"""What it says of a file that is not."""


@pytest.fixture
def root(template: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str, tmp_path: Path) -> Path:
    """A project of this test's own, which can be stopped."""
    made = made_once(tmp_path_factory, worker_id, "shown", lambda folder: make_shown(template, folder))
    shutil.copytree(made / "example", tmp_path / "example", symlinks=True)
    return tmp_path / "example"


@contextmanager
def opened(browser: Browser, at: Shown, faults: Faults) -> Iterator[Page]:
    """A page of a viewer of that server."""
    context = browser.new_context(base_url=at.url)
    context.set_default_timeout(WAIT_MS)
    answer = context.request.post("/api/v1/session", data=PEOPLE["viewer"]._asdict(), headers={"origin": at.url})
    assert answer.ok, answer.text()
    page = context.new_page()
    faults.watch(page, at.url)
    try:
        yield page
    finally:
        context.close()


def history(page: Page) -> Locator:
    """The link to a page that was not opened before."""
    return page.get_by_role("link", name=f"History of {PROMPT} in production")


def test_a_page_opens_by_itself_when_the_server_is_back(root: Path, browser: Browser, faults: Faults) -> None:
    faults.forgive(AWAY)
    with ExitStack() as kept:
        with showing(root) as first:
            page = kept.enter_context(opened(browser, first, faults))
            page.goto("/releases")
            expect(history(page)).to_be_visible()
        expect(page.get_by_role("status").filter(has_text="No live updates")).to_be_visible()
        history(page).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("This page did not come")
        told = page.get_by_role("main").get_by_role("alert")
        expect(told).to_contain_text("The server does not answer")
        axe(page)
        screenshot(page, "server-away")
        told.get_by_role("button", name="Try again").click()
        expect(told).to_contain_text("The server does not answer")
        with showing(root, "--port", str(urlsplit(first.url).port)):
            expect(page.get_by_role("heading", level=1)).to_have_text(f"{PROMPT} in production")
            expect(page).to_have_url(re.compile(r"/releases/served\?prompt=support%2Fanswer&environment=production$"))
            expect(page.get_by_role("status").filter(has_text="No live updates")).to_have_count(0)


def test_what_changed_while_there_was_no_line_is_shown(root: Path, browser: Browser, faults: Faults) -> None:
    faults.forgive(AWAY)
    with ExitStack() as kept:
        with showing(root) as first:
            page = kept.enter_context(opened(browser, first, faults))
            page.goto("/releases")
            card = page.get_by_role("article", name=f"{PROMPT} in staging")
            expect(card.get_by_role("link", name=NEW)).to_be_visible()
        expect(page.get_by_role("status").filter(has_text="No live updates")).to_be_visible()
        first.project.process("release", "create", f"{PROMPT}@{OLD}", "--to", "staging")
        with showing(root, "--port", str(urlsplit(first.url).port)):
            expect(card.get_by_role("link", name=OLD)).to_be_visible()


def documents(page: Page) -> list[str]:
    """Addresses that the page was loaded from, as it goes on."""
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url) if request.is_navigation_request() else None)
    return loaded


def test_a_part_that_an_upgraded_server_has_no_more_is_found_by_one_reload(visit: Visit, faults: Faults) -> None:
    part = "**/assets/Served-*.js"
    faults.forgive(GONE)
    page = visit("viewer")
    page.goto("/releases")
    loaded = documents(page)
    page.route(part, lambda route: route.fulfill(status=404) if not loaded else route.continue_())
    history(page).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{PROMPT} in production")
    assert len(loaded) == 1


def test_a_part_that_is_never_there_is_asked_for_again_only_by_the_reader(visit: Visit, faults: Faults) -> None:
    faults.forgive(GONE)
    page = visit("viewer")
    page.goto("/releases")
    loaded = documents(page)
    page.route("**/assets/Served-*.js", lambda route: route.fulfill(status=404))
    history(page).click()
    told = page.get_by_role("main").get_by_role("alert")
    expect(told).to_contain_text("even when it is opened anew")
    page.wait_for_timeout(5_000)  # two times in which it would look again
    assert len(loaded) == 1
    with page.expect_navigation():
        told.get_by_role("button", name="Try again").click()
    expect(told).to_contain_text("even when it is opened anew")
    assert len(loaded) == 2
    page.unroute("**/assets/Served-*.js")
    told.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{PROMPT} in production")
