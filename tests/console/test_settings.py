"""Health, providers, accounts, the audit log."""

from playwright.sync_api import Page, expect

from tests.console.conftest import Visit, axe, screenshot
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
