"""Ctrl K: pages, what is found by name, the way to a rollback; for each role what it may see."""

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.bootstrap.projects import PROMPT
from tests.console.conftest import Faults, Visit, axe, screenshot
from tests.console.world import NEW, OLD, Shown


def opened(page: Page) -> Locator:
    """The palette over the list of releases."""
    page.goto("/releases")
    expect(page.get_by_role("heading", level=1)).to_have_text("Releases")
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Go to")
    expect(palette.get_by_role("combobox", name="Where to?")).to_be_focused()
    return palette


def entry(palette: Locator, name: str) -> Locator:
    """One line of it, by how it begins."""
    return palette.get_by_role("option", name=re.compile("^" + re.escape(name).replace("/", r"\/")))


def ask(palette: Locator, text: str) -> None:
    """Type anew."""
    palette.get_by_role("combobox").fill(text)


def test_pages_below_others_are_found_and_the_heading_has_the_focus(page: Page) -> None:
    palette = opened(page)
    ask(palette, "audit")
    expect(palette.get_by_role("option").first).to_contain_text("Audit log")
    expect(palette.get_by_role("option").last).to_have_text("Search traces: audit")
    axe(page)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/settings/audit$"))
    expect(page.get_by_role("heading", level=1, name="Settings")).to_be_focused()


@pytest.mark.parametrize(("role", "seen"), [("viewer", 0), ("engineer", 0), ("admin", 1)])
def test_a_role_finds_the_pages_that_it_sees(visit: Visit, role: str, seen: int) -> None:
    palette = opened(visit(role))
    ask(palette, "s")
    expect(entry(palette, "Providers")).to_be_visible()
    for name in ("Keys Spend", "Accounts", "Audit log"):
        expect(entry(palette, name)).to_have_count(seen)
    expect(entry(palette, "Doctor")).to_have_count(0 if role == "viewer" else 1)


def test_prompts_users_and_releases_are_found_by_name(page: Page) -> None:
    palette = opened(page)
    ask(palette, "ada")
    expect(entry(palette, "ada User of").first).to_be_visible()
    ask(palette, f"{PROMPT}@{NEW}")
    expect(entry(palette, f"{PROMPT}@{NEW} Release rel_")).to_be_visible()
    ask(palette, "answ")
    expect(entry(palette, f"{PROMPT} Prompt, newest version")).to_be_visible()
    expect(entry(palette, f"{PROMPT} in production")).to_be_visible()
    axe(page)
    screenshot(page, "palette")
    entry(palette, f"{PROMPT} Prompt, newest version").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(PROMPT)


def test_roll_back_leads_to_the_window_that_asks(visit: Visit) -> None:
    page = visit("engineer")
    palette = opened(page)
    ask(palette, "rollback production")
    expect(entry(palette, f"Roll back {PROMPT} in production")).to_be_visible()
    expect(palette.get_by_role("option").first).to_contain_text(f"Roll back {PROMPT} in production")
    page.keyboard.press("Enter")
    asked = page.get_by_role("dialog", name=f"Roll back {PROMPT} in production")
    expect(asked.get_by_role("button", name=f"Roll back to {OLD} now")).to_be_focused()
    page.keyboard.press("Escape")
    expect(asked).to_have_count(0)
    expect(page).to_have_url(re.compile("environment=production$"))
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{PROMPT} in production")


def test_who_may_not_roll_back_is_not_offered_it(visit: Visit) -> None:
    palette = opened(visit("expert"))
    ask(palette, "production")
    expect(entry(palette, f"{PROMPT} in production")).to_be_visible()
    expect(entry(palette, "Roll back")).to_have_count(0)


def test_what_cannot_be_found_out_is_left_out_quietly(visit: Visit, shown: Shown, faults: Faults) -> None:
    faults.forgive(r"status of 503 .*")
    page = visit("viewer")

    def refuse(route: Route) -> None:
        route.fulfill(status=503, json={"error": {"message": "busy", "code": "unavailable"}})

    page.route("**/api/v1/users?*", refuse)
    page.route("**/api/v1/prompts", refuse)
    palette = opened(page)
    with page.expect_response("**/api/v1/users?*"):
        ask(palette, "production")
    expect(entry(palette, f"{PROMPT} in production")).to_be_visible()
    expect(palette.get_by_role("alert")).to_have_count(0)
    expect(palette.get_by_role("option").last).to_have_text("Search traces: production")
