"""Who spends most, on what; what is left of budgets; the keys that all of it is counted by."""

import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from tests.console.conftest import Visit, axe, screenshot
from tests.console.world import Shown


def test_clicking_narrows_to_who_spends_most(page: Page, shown: Shown) -> None:
    page.goto("/spend")
    page.get_by_label("By").select_option("tenant")
    table = page.get_by_role("region", name="Cost by tenant")
    _, sums = shown.server.get("/api/v1/spend?by=tenant")
    assert {one["group"][0] for one in sums} >= {"acme", "globex"}
    expect(table.get_by_role("row")).to_have_count(len(sums) + 1)
    axe(page)
    screenshot(page, "spend")
    table.get_by_role("button", name="acme").click()
    expect(page.get_by_role("heading", name="By feature")).to_be_visible()
    page.get_by_role("region", name="Cost by feature").get_by_role("button", name="chat").click()
    expect(page).to_have_url(re.compile("tenant=acme"))
    expect(page).to_have_url(re.compile("feature=chat"))
    users = page.get_by_role("region", name="Cost by user")
    expect(users).to_contain_text("ada")
    expect(users).not_to_contain_text("dana")
    page.reload()
    expect(users).to_contain_text("ben")
    page.get_by_role("button", name="Any tenant").click()
    expect(users).to_contain_text("dana")


def test_the_calls_behind_an_amount_are_one_click_away_with_every_filter(page: Page, shown: Shown) -> None:
    page.goto("/spend?tenant=acme&user=ada&by=feature")
    costs = page.get_by_role("region", name="Cost by feature")
    expect(costs.get_by_role("row").nth(1)).to_be_visible()
    shown_costs = costs.locator("tbody tr td:nth-child(2)").all_inner_texts()
    assert len({len(cost.partition(".")[2]) for cost in shown_costs}) == 1, "digit stands below digit"
    page.get_by_role("link", name="Show these calls").click()
    page.wait_for_url("**/traces?**")
    asked = parse_qs(urlsplit(page.url).query)
    assert "user" in asked["q"][0]
    assert '"ada"' in asked["q"][0]
    assert 'tenant = "acme"' in asked["q"][0]
    # From the same moment on as the money was counted from.
    assert int(asked["from"][0]) > 0
    since = int(asked["from"][0]) * 10**6
    calls = page.get_by_role("region", name="Calls", exact=True).locator("tbody tr[data-index]")
    expect(calls.first).to_contain_text("ada")
    found = shown.server.get(f"/api/v1/calls/count?tenant=acme&user=ada&since_ns={since}")[1]
    expect(page.get_by_text(f"All {found['calls']} are listed")).to_be_visible()


def test_limits_are_shown_with_their_place(page: Page) -> None:
    page.goto("/spend/limits")
    expect(page.get_by_role("heading", name="Where they stand")).to_be_visible()
    expect(page.get_by_role("region", name="Limits as they are stated")).to_contain_text("moat.yaml:")
    axe(page)
    screenshot(page, "limits")


def test_a_key_is_made_used_changed_and_revoked(page: Page, shown: Shown) -> None:
    page.goto("/spend/keys")
    page.get_by_role("button", name="Make a key").click()
    asked = page.get_by_role("dialog")
    asked.get_by_label("Name").fill("shop of the north")
    asked.get_by_label("Only this tenant").fill("north")
    axe(page)
    asked.get_by_role("button", name="Make it").click()
    expect(asked.get_by_role("status")).to_contain_text("shown this once")
    first = asked.get_by_text(re.compile("^mk-")).inner_text()
    assert shown.server.get("/v1/models", first)[0] == 200
    asked.get_by_role("button", name="I have copied it").click()
    row = page.get_by_role("row").filter(has_text="shop of the north")
    expect(row).to_contain_text("tenant north")
    expect(page.get_by_text(first)).to_have_count(0)
    axe(page)
    screenshot(page, "keys")

    row.get_by_role("button", name=re.compile("Rotate")).click()
    asked.get_by_label("The old secret works for").select_option("0")
    asked.get_by_role("button", name="Make a new secret").click()
    second = asked.get_by_text(re.compile("^mk-")).inner_text()
    assert shown.server.get("/v1/models", first)[0] == 401
    assert shown.server.get("/v1/models", second)[0] == 200
    asked.get_by_role("button", name="I have copied it").click()

    row.get_by_role("button", name=re.compile("Revoke")).click()
    expect(asked).to_contain_text("Nobody has called with it.")
    asked.get_by_role("button", name="Revoke it").click()
    expect(asked.get_by_role("status")).to_contain_text("is revoked")
    assert shown.server.get("/v1/models", second)[0] == 401
    asked.get_by_role("button", name="Close").last.click()
    expect(row).to_have_count(0)
    page.get_by_label("Revoked and expired too").check()
    expect(row).to_contain_text("revoked")


def test_keys_are_for_admins(visit: Visit) -> None:
    page = visit("engineer")
    page.goto("/spend")
    expect(page.get_by_role("link", name="Budgets and limits")).to_be_visible()
    expect(page.get_by_role("link", name="Keys", exact=True)).to_have_count(0)
    page.goto("/spend/keys")
    expect(page.get_by_text("Keys are shown to the role admin.")).to_be_visible()


def test_spending_fits_a_phone(visit: Visit) -> None:
    page = visit("viewer", viewport={"width": 390, "height": 800})
    for path, heading in (("/spend", "By feature"), ("/spend/limits", "Where they stand")):
        page.goto(path)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        screenshot(page, f"{path.strip('/').replace('/', '-')}-phone")
