"""Conversations, and who had them."""

from playwright.sync_api import Page, expect

from tests.console.conftest import Visit, axe, screenshot


def test_a_conversation_is_told_in_order_from_the_list_of_sessions(visit: Visit) -> None:
    page = visit("viewer")
    page.goto("/sessions")
    table = page.get_by_role("region", name="Sessions", exact=True)
    expect(table.get_by_role("row").nth(1)).to_be_visible()
    axe(page)
    screenshot(page, "sessions")
    table.get_by_role("link", name="ada-0").click()
    page.wait_for_url("**/sessions/ada-0**")
    turns = page.get_by_role("list", name="Calls, oldest first").locator("> li")
    expect(turns.first).to_contain_text("How many days do I have to send back a tent")
    axe(page)
    screenshot(page, "session")
    turns.first.get_by_role("link").first.click()
    page.wait_for_url("**/traces/req_*")


def test_what_one_user_did_and_thought(page: Page) -> None:
    page.goto("/sessions")
    page.get_by_role("navigation", name="Sessions and users").get_by_role("link", name="Users").click()
    page.wait_for_url("**tab=users**")
    page.get_by_role("region", name="Users", exact=True).get_by_role("link", name="ada", exact=True).click()
    page.wait_for_url("**/users/ada**")
    expect(page.get_by_role("heading", name="User ada")).to_be_visible()
    expect(page.get_by_role("region", name="Sessions", exact=True).get_by_role("row").nth(1)).to_be_visible()
    axe(page)
    screenshot(page, "user")
    page.get_by_role("link", name="All calls").click()
    page.wait_for_url("**/traces?**")
    expect(page.get_by_role("region", name="Calls", exact=True).locator("tbody tr[data-index]").first).to_contain_text(
        "ada"
    )


def test_a_session_that_is_none_says_so(page: Page) -> None:
    page.goto("/sessions/never")
    expect(page.get_by_role("heading", name="No such session")).to_be_visible()
