"""The console opens in a real browser: for whoever comes by, and for everybody with an account."""

import pytest
from playwright.sync_api import expect

from tests.console.conftest import Faults, Visit, axe, screenshot
from tests.console.world import ROLES, Role


def test_a_visitor_is_asked_to_sign_in_and_nothing_goes_wrong(visit: Visit, faults: Faults) -> None:
    faults.forgive(r"status of 401 .*")  # nobody is signed in: the page asks, and is told so
    page = visit()
    answer = page.goto("/")
    assert answer is not None
    assert answer.status == 200
    expect(page.get_by_label("Password")).to_be_visible()
    axe(page)
    screenshot(page, "sign-in")


@pytest.mark.parametrize("role", ROLES)
def test_whoever_has_an_account_gets_in(visit: Visit, role: Role) -> None:
    page = visit(role)
    page.goto("/")
    expect(page.get_by_label("Password")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_visible()


FILES = """
performance.getEntriesByType('resource').filter(one => new URL(one.name).pathname.startsWith('/assets/'))
  .map(one => one.encodedBodySize)
"""


def test_a_page_is_made_of_few_files(visit: Visit) -> None:
    page = visit("viewer")
    page.goto("/")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    expect(page.locator("[data-loading]")).to_have_count(0)
    sizes = page.evaluate(FILES)
    assert 0 < len(sizes) <= 12
    assert 0 < sum(sizes) < 400 * 1024


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_something_is_painted_before_any_script_has_come(visit: Visit, faults: Faults, colours: str) -> None:
    faults.forgive("net::ERR_FAILED")
    page = visit(color_scheme=colours)
    page.route("**/*.js", lambda route: route.abort())
    page.goto("/traces")
    expect(page.get_by_text("Moat", exact=True)).to_be_visible()
    (ground,) = page.evaluate("[getComputedStyle(document.body).backgroundColor]")
    assert ground == {"light": "rgb(247, 248, 248)", "dark": "rgb(16, 23, 28)"}[colours]
