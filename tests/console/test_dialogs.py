"""Windows over a page, and the keyboard: what has the focus, what is lost, which keys mean something."""

import pytest
from playwright.sync_api import Page, expect

from tests.bootstrap.projects import PROMPT
from tests.console.conftest import Visit, axe, screenshot
from tests.console.test_releases import release
from tests.console.world import NEW, OLD, Shown


def test_two_keys_roll_back_and_the_focus_returns(visit: Visit, shown: Shown) -> None:
    page = visit("engineer")
    page.goto("/releases")
    opener = page.get_by_role("button", name=f"Roll back {PROMPT} in staging")
    opener.focus()
    page.keyboard.press("Enter")
    asked = page.get_by_role("dialog")
    expect(asked.get_by_role("button", name=f"Roll back to {OLD} now")).to_be_focused()
    page.keyboard.press("Escape")
    expect(asked).to_have_count(0)
    expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    expect(asked.get_by_role("button", name=f"Roll back to {OLD} now")).to_be_focused()
    page.keyboard.press("Enter")
    expect(asked.get_by_role("status")).to_contain_text(f"staging serves {OLD} again.")
    release(shown, NEW, "staging")


def test_what_is_typed_is_not_lost_by_a_click_beside_the_window(visit: Visit) -> None:
    page = visit("engineer")
    page.goto("/releases")
    opener = page.get_by_role("button", name="Release a version")
    opener.click()
    asked = page.get_by_role("dialog")
    expect(asked.get_by_label("Prompt")).to_be_focused()
    asked.get_by_label("Reason").fill("because of the fair")
    page.mouse.click(5, 5)
    page.keyboard.press("Escape")
    expect(asked.get_by_role("status")).to_contain_text("what you typed would be lost")
    expect(asked.get_by_label("Reason")).to_have_value("because of the fair")
    axe(page)
    asked.get_by_role("button", name="Close").click()
    expect(asked).to_have_count(0)
    expect(opener).to_be_focused()
    opener.click()
    expect(asked).to_be_visible()
    page.mouse.click(5, 5)
    expect(asked).to_have_count(0)


def test_a_secret_that_is_shown_once_stays_and_is_copied_without_a_clipboard(page: Page) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")  # as over plain http
    page.goto("/spend/keys")
    page.get_by_role("button", name="Make a key").click()
    asked = page.get_by_role("dialog")
    expect(asked.get_by_label("Name: what it is for")).to_be_focused()
    asked.get_by_label("Name: what it is for").fill("a shop")
    asked.get_by_role("button", name="Make it").click()
    secret = asked.locator("code").inner_text()
    page.mouse.click(5, 5)
    page.keyboard.press("Escape")
    expect(asked.get_by_text("It stays open: the secret is shown this once.")).to_be_visible()
    asked.get_by_role("button", name=f"Copy: {secret}").click()
    expect(asked.get_by_text("Press Ctrl C")).to_be_visible()
    assert page.evaluate("getSelection().toString()") == secret
    asked.get_by_role("button", name="I have copied it").click()
    expect(asked).to_have_count(0)


def test_a_role_is_chosen_with_the_arrows_and_given_by_a_button(page: Page, shown: Shown) -> None:
    status, made = shown.server.send(
        "POST", "/api/v1/accounts", {"email": "mary@example.org", "role": "viewer"}, content_type="application/json"
    )
    assert status == 201, made
    page.goto("/settings/accounts")
    row = page.get_by_role("row").filter(has_text="mary@example.org")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    roles = row.get_by_label("Role of mary@example.org")
    roles.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(roles).to_have_value("engineer")
    assert "PATCH" not in asked
    row.get_by_role("button", name="Make engineer").click()
    expect(row.get_by_role("button", name="Make engineer")).to_have_count(0)
    expect(roles).to_be_focused()
    axe(page)
    row.get_by_role("button", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave it as it is").click()
    row.get_by_role("button", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable it").click()
    expect(row).to_contain_text("disabled")
    (mary,) = [one for one in shown.server.get("/api/v1/accounts")[1] if one["email"] == "mary@example.org"]
    assert mary["role"] == "engineer"
    assert mary["disabled_ns"]


def test_single_keys_can_be_turned_off_and_do_nothing_in_a_window(page: Page) -> None:
    page.goto("/releases")
    expect(page.get_by_role("heading", level=1)).to_have_text("Releases")
    page.keyboard.press("?")
    asked = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(asked.get_by_label("Single-key shortcuts")).to_be_focused()
    axe(page)
    screenshot(page, "shortcuts")
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(asked).to_be_visible()
    asked.get_by_label("Single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    expect(asked).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.keyboard.press("?")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Go to")).to_be_visible()
    expect(page.get_by_role("heading", level=1, include_hidden=True)).to_have_text("Releases")
    page.keyboard.type("shortcuts")
    page.keyboard.press("Enter")
    asked.get_by_label("Single-key shortcuts").check()
    page.keyboard.press("Escape")
    expect(asked).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.get_by_role("heading", level=1)).to_have_text("Traces")


@pytest.mark.parametrize("way", ["link", "palette", "keys"])
def test_a_new_page_has_the_focus_on_its_heading_and_its_name_on_the_window(page: Page, way: str) -> None:
    page.goto("/releases")
    expect(page.get_by_role("heading", level=1)).to_have_text("Releases")
    expect(page.get_by_role("heading", level=1)).not_to_be_focused()
    if way == "link":
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Spend").click()
    elif way == "palette":
        page.keyboard.press("Control+k")
        page.keyboard.type("spend")
        page.keyboard.press("Enter")
    else:
        page.keyboard.press("g")
        page.keyboard.press("s")
    heading = page.get_by_role("heading", level=1, name="Spend")
    expect(heading).to_be_focused()
    expect(page).to_have_title("Spend · Moat")
    if way == "link":  # no ring for those who point
        assert not heading.evaluate("heading => heading.matches(':focus-visible')")


def test_a_browser_that_stores_nothing_shows_the_console(visit: Visit) -> None:
    page = visit("viewer")
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})"
    )
    page.goto("/releases")
    expect(page.get_by_role("heading", level=1)).to_have_text("Releases")
    page.get_by_role("button", name="Use dark colours").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
