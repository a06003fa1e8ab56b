"""Health, providers, accounts, the audit log."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import Faults, Visit, axe, screenshot
from tests.console.world import PASSWORD, Shown


def test_health_says_what_is_served_and_how_deployments_stand(page: Page, shown: Shown) -> None:
    page.goto("/settings")
    expect(page.get_by_role("definition").filter(has_text="support/answer@production")).to_be_visible()
    axe(page)
    screenshot(page, "settings-health")
    page.get_by_role("link", name="Providers").click()
    expect(page.get_by_role("region", name="Providers")).to_contain_text("flaky")
    axe(page)
    screenshot(page, "settings-providers")


def test_the_doctor_says_what_to_do_and_asks_providers_on_request(visit: Visit, shown: Shown) -> None:
    page = visit("engineer")
    page.goto("/settings")
    page.get_by_role("link", name="Doctor").click()
    stores = page.get_by_role("region", name="Stores")
    backup = stores.get_by_role("listitem").filter(has_text="no backup was made")
    expect(backup).to_contain_text("warning")
    expect(backup.get_by_text("moat backup FOLDER", exact=True)).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="a git repository")).to_have_count(0)
    axe(page)
    screenshot(page, "settings-doctor")
    page.get_by_label("Show what is well too").check()
    expect(page.get_by_role("listitem").filter(has_text=f"this server listens on {shown.url}")).to_be_visible()
    page.get_by_role("button", name="Ask providers too").click()
    expect(page.get_by_text("no provider is on a network", exact=False)).to_be_visible()
    page.wait_for_url(lambda address: "providers=true" in address and "all=true" in address)
    small = visit("admin", viewport={"width": 390, "height": 844})
    small.goto("/settings/doctor?all=true")
    expect(small.get_by_role("listitem").first).to_be_visible()
    assert small.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_doctor_is_not_for_viewers(visit: Visit) -> None:
    page = visit("viewer")
    page.goto("/settings/doctor")
    expect(page.get_by_role("heading", name="The doctor is for engineers")).to_be_visible()
    expect(page.get_by_role("link", name="Doctor")).to_have_count(0)


def test_somebody_is_invited_and_chooses_a_password(page: Page, visit: Visit) -> None:
    email = "grace@example.org"
    page.goto("/settings/accounts")
    page.get_by_label("E-mail").fill(email)
    page.locator("form").get_by_role("combobox").select_option("engineer")
    page.get_by_role("button", name="Add").click()
    link = page.get_by_role("status").locator("code").inner_text()
    axe(page)
    screenshot(page, "settings-accounts")

    theirs = visit()
    theirs.goto(link)
    expect(theirs.get_by_text(f"For {email}.")).to_be_visible()
    theirs.get_by_label("Name").fill("Grace")
    theirs.get_by_label("Password", exact=True).fill(PASSWORD)
    theirs.get_by_label("Password again").fill(PASSWORD)
    theirs.get_by_role("button", name="Start").click()
    expect(theirs.get_by_role("heading", level=1)).to_have_text("Overview")
    theirs.goto("/settings")
    expect(theirs.get_by_role("link", name="Health")).to_be_visible()
    expect(theirs.get_by_role("link", name="Accounts")).to_have_count(0)

    page.reload()
    row = page.get_by_role("row").filter(has_text=email)
    expect(row).to_contain_text("password")
    row.get_by_role("button", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable it").click()
    expect(row).to_contain_text("disabled")


def test_the_audit_log_tells_who_did_it_and_that_it_is_whole(page: Page) -> None:
    page.goto("/settings/audit")
    page.get_by_label("Did (key, key.create)").fill("release")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/settings/audit?action=release")
    expect(page.get_by_role("row").filter(has_text="release.assign").first).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="account.create")).to_have_count(0)
    page.get_by_role("button", name="Verify the whole log").click()
    expect(page.get_by_role("status").filter(has_text="whole")).to_be_visible()
    axe(page)
    screenshot(page, "settings-audit")
    page.get_by_role("button", name=re.compile("^Show entry")).first.click()
    asked = page.get_by_role("dialog", name=re.compile("^Entry "))
    expect(asked.get_by_text("release.assign")).to_be_visible()
    axe(page)


def test_the_filter_of_the_audit_log_is_what_it_was_after_back(page: Page) -> None:
    page.goto("/settings/audit?action=release")
    field = page.get_by_label("Did (key, key.create)")
    expect(field).to_have_value("release")
    field.fill("account")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row").filter(has_text="account.create").first).to_be_visible()
    page.go_back()
    expect(page.get_by_role("row").filter(has_text="release.assign").first).to_be_visible()
    expect(field).to_have_value("release")


def test_the_audit_log_names_accounts_that_are_still_there(page: Page) -> None:
    page.goto("/settings/audit?action=account.create")
    row = page.get_by_role("row").filter(has_text="viewer@example.org")
    expect(row.first).to_contain_text("usr_")


def test_problems_of_the_audit_log_are_said_in_words(page: Page) -> None:
    problem = {"sequence": 7, "kind": "edited", "what": "its digest is another one"}
    found = {"entries": 9, "first": 1, "last": 9, "digest": "", "erased": 0, "anchors": 0, "count": 1}
    page.route("**/api/v1/audit/verification", lambda route: route.fulfill(json=found | {"problems": [problem]}))
    page.goto("/settings/audit")
    page.get_by_role("button", name="Verify the whole log").click()
    expect(page.get_by_text("Entry 7 is not what was written: its digest is another one")).to_be_visible()


@pytest.mark.parametrize("address", ["/settings/accounts", "/settings/audit"])
def test_pages_of_administrators_say_so_to_others(visit: Visit, address: str) -> None:
    page = visit("expert")  # a refusal would be an error in the browser's console
    page.goto(address)
    expect(page.get_by_text("shown to the role admin")).to_be_visible()
    expect(page.locator("main form")).to_have_count(0)
    expect(page.locator("main").get_by_role("button")).to_have_count(0)
    axe(page)


def test_a_used_link_says_so_and_leads_to_signing_in(visit: Visit, faults: Faults) -> None:
    faults.forgive(r"status of 404 .*")
    page = visit()
    page.goto("/welcome#no-such-link")
    expect(page.get_by_role("heading", level=1)).to_have_text("This link is used, or too old")
    expect(page.get_by_label("Name")).to_have_count(0)
    axe(page)
    page.get_by_role("link", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to Moat")
