"""What guards found, the policies, and what these would make of a text."""

from playwright.sync_api import Page, expect

from tests.console.conftest import Visit, axe, screenshot


def test_findings_lead_to_a_call_that_has_one(page: Page) -> None:
    page.goto("/guards")
    row = page.get_by_role("row").filter(has_text="api_key")
    expect(row).to_contain_text("block")
    axe(page)
    screenshot(page, "guards")
    row.get_by_role("link").last.click()
    page.wait_for_url("**/traces/req_*")


def test_one_guard_by_what_it_found(page: Page) -> None:
    page.goto("/guards")
    page.get_by_role("link", name="pii").first.click()
    expect(page.get_by_role("heading", name="Calls with findings of pii")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="api_key")).to_have_count(0)
    page.get_by_role("link", name="All guards").click()
    expect(page.get_by_role("row").filter(has_text="api_key")).to_have_count(1)


def test_policies_say_what_they_do_and_where_they_stand(visit: Visit) -> None:
    page = visit("viewer")
    page.goto("/guards/policies")
    expect(page.get_by_role("row").filter(has_text="secrets").first).to_contain_text("policies/")
    axe(page)
    screenshot(page, "guards-policies")


def test_a_text_is_tried_and_marked(visit: Visit) -> None:
    page = visit("expert")
    page.goto("/guards/try")
    text = "Hello 😀, please write to ada@example.org soon."
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Try").click()
    outcome = page.get_by_role("region", name="What would be done")
    expect(outcome.locator("mark")).to_contain_text("ada@example.org")
    expect(outcome).to_contain_text("redact")
    expect(page.get_by_label("Text")).to_have_value(text)
    axe(page)
    screenshot(page, "guards-try")


def test_a_viewer_is_told_what_trying_needs(visit: Visit) -> None:
    page = visit("viewer")
    page.goto("/guards/try")
    expect(page.get_by_role("heading", name="Trying a text needs the role expert")).to_be_visible()
