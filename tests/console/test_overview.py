"""Is it fast, cheap, reliable, good? The first page says so, and what is sent to a colleague opens as it was."""

import re

from playwright.sync_api import Page, expect

from tests.console.conftest import Faults, Visit, axe, screenshot
from tests.console.world import CALLS, NEW, PEOPLE, Shown


def test_the_first_page_says_how_things_stand(page: Page, shown: Shown) -> None:
    page.goto("/")
    tiles = page.get_by_role("list", name="How it is").get_by_role("listitem")
    told = shown.server.get("/api/v1/overview?window=24h")[1]
    assert told["now"]["calls"] >= CALLS
    expect(tiles.filter(has_text="Calls")).to_contain_text(str(told["now"]["calls"]))
    share = f"{told['now']['errors'] / told['now']['calls'] * 100:.2f} %"
    expect(tiles.filter(has_text="Failed")).to_contain_text(share)
    expect(page.get_by_role("region", name="Releases")).to_contain_text(f"support/answer@{NEW}")
    page.get_by_text("Numbers").first.click()
    expect(page.get_by_role("region", name="Calls: numbers")).to_contain_text("support/answer")
    axe(page)
    screenshot(page, "overview")


def test_its_state_is_in_the_address(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Time", exact=True).select_option("7d")
    page.get_by_label("Environment").select_option("staging")
    expect(page.get_by_role("heading", name="No calls in this time")).to_be_visible()
    address = page.url
    assert "window=7d" in address
    page.goto("/settings")
    page.goto(address)
    expect(page.get_by_label("Environment")).to_have_value("staging")
    expect(page.get_by_label("Time", exact=True)).to_have_value("7d")


def test_failed_calls_are_one_click_away(page: Page) -> None:
    page.goto("/?window=7d&environment=production")
    page.get_by_role("link", name="Show them (failed)").click()
    page.wait_for_url("**/traces?*q=error*")
    expect(page).to_have_url(re.compile("window=7d"))
    expect(page).to_have_url(re.compile("environment=production"))


def test_everything_can_be_reached_by_the_keyboard(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.keyboard.press("Control+k")
    page.get_by_role("dialog").get_by_role("combobox").fill("guard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Guards")
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()
    axe(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_dark_is_as_good_as_light(visit: Visit) -> None:
    page = visit("viewer", color_scheme="dark")
    page.goto("/")
    expect(page.get_by_role("heading", name="Latency")).to_be_visible()
    axe(page)
    screenshot(page, "overview-dark")
    page.get_by_role("button", name="Use light colours").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_it_fits_a_phone(visit: Visit) -> None:
    page = visit("viewer", viewport={"width": 390, "height": 800})
    page.goto("/")
    expect(page.get_by_role("heading", name="Latency")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(page, "overview-phone")


def test_a_person_signs_in_and_out(visit: Visit, faults: Faults) -> None:
    faults.forgive(r"status of 401 .*")  # nobody is signed in; then the password is wrong
    page = visit()
    page.goto("/spend")
    page.get_by_label("E-mail").fill(PEOPLE["viewer"].email)
    page.get_by_label("Password").fill("not the one that it is")
    axe(page)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value(PEOPLE["viewer"].email)
    page.get_by_label("Password").fill(PEOPLE["viewer"].password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Spend")
    page.get_by_text("Viewer", exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.goto("/spend")
    expect(page.get_by_role("heading", name="Sign in to Moat")).to_be_visible()


def test_no_address_leads_to_another_site(visit: Visit, faults: Faults, shown: Shown) -> None:
    faults.forgive(r"status of 401 .*")
    for elsewhere in ("//evil.example/", "https://evil.example/", "/\\evil.example/", "javascript:alert(1)"):
        page = visit()
        page.goto(f"/sign-in?to={elsewhere}")
        page.get_by_label("E-mail").fill(PEOPLE["viewer"].email)
        page.get_by_label("Password").fill(PEOPLE["viewer"].password)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        assert page.url == f"{shown.url}/"
