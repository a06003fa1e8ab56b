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
