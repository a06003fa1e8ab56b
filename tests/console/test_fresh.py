"""A project that nobody has called yet."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.conftest import WAIT_MS, Faults, axe
from tests.console.world import PEOPLE, Shown, join, showing


@pytest.fixture
def fresh(template: Path, tmp_path: Path) -> Iterator[Shown]:
    """A server that has answered no call."""
    shutil.copytree(template, tmp_path / "example")
    with showing(tmp_path / "example") as shown:
        join(shown.server, "viewer", PEOPLE["viewer"])
        yield shown


@pytest.fixture
def page(browser: Browser, fresh: Shown, faults: Faults) -> Iterator[Page]:
    """A page of a viewer of that server."""
    context = browser.new_context(base_url=fresh.url)
    context.set_default_timeout(WAIT_MS)
    person = PEOPLE["viewer"]._asdict()
    assert context.request.post("/api/v1/session", data=person, headers={"origin": fresh.url}).ok
    opened = context.new_page()
    faults.watch(opened, fresh.url)
    yield opened
    context.close()


def test_traces_and_sessions_say_how_a_first_call_is_made_whatever_the_time_shown(page: Page, fresh: Shown) -> None:
    for path in ("/traces", "/traces?window=15m", "/traces?failed=true", "/sessions", "/sessions?tab=users"):
        page.goto(path)
        expect(page.get_by_role("heading", name="No calls yet")).to_be_visible()
        expect(page.get_by_role("main")).to_contain_text(f"curl {fresh.url}/v1/chat/completions")
        axe(page)
    said = {"model": "assistant", "user": "u-17", "messages": [{"role": "user", "content": "Hello"}]}
    assert fresh.server.send("POST", "/v1/chat/completions", said, content_type="application/json")[0] == 200
    # It comes by itself: the list of users was open.
    expect(page.get_by_role("region", name="Users", exact=True)).to_contain_text("u-17")
    page.goto("/sessions")
    expect(page.get_by_role("heading", name="No call named a session yet")).to_be_visible()
