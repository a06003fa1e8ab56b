"""From a page to what it speaks of: no dead ends, nothing offered that would be refused."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.bootstrap.projects import PROMPT, eventually
from tests.console.conftest import Faults, Visit, axe, screenshot
from tests.console.world import NEW, Shown

PROPOSED = "9.0.0"


def test_what_is_only_proposed_is_not_offered_for_release(page: Page, shown: Shown) -> None:
    file = shown.server.get(f"/api/v1/files/prompts/{PROMPT}?version={NEW}")[1]
    wish = {"name": PROMPT, "version": PROPOSED, "text": file["text"], "message": "To see it wait."}
    csrf = page.request.get("/api/v1/session").json()["csrf"]
    made = page.request.post("/api/v1/proposals", data=wish, headers={"origin": shown.url, "x-moat-csrf": csrf})
    assert made.ok, made.text()
    eventually(lambda: PROPOSED in str(shown.server.get("/api/v1/prompts")[1]))
    page.goto("/prompts")
    line = page.get_by_role("listitem").filter(has=page.get_by_role("link", name=PROMPT, exact=True)).last
    expect(line).to_contain_text(f"newest {NEW}")
    expect(line).to_contain_text(f"{PROPOSED} proposed, not merged")
    page.goto("/releases")
    page.get_by_role("button", name="Release a version").click()
    asked = page.get_by_role("dialog")
    asked.get_by_label("Prompt").select_option(PROMPT)
    expect(asked).to_contain_text(f"{PROPOSED} proposed, not merged")
    versions = asked.get_by_label("Version").get_by_role("option")
    expect(versions.nth(1)).to_have_text(NEW)
    axe(page)
    screenshot(page, "release-proposed")


def test_an_alert_leads_to_its_calls(page: Page, shown: Shown) -> None:
    found = eventually(lambda: shown.server.get("/api/v1/overview?window=24h")[1]["alerts"])
    page.goto("/")
    alerts = page.get_by_role("region", name="Alerts")
    expect(alerts.get_by_role("listitem")).to_have_count(len(found))
    alert = next(one for one in found if one["rule"] in ("failed-calls", "error-rate"))
    expect(alerts).to_contain_text(alert["meaning"])
    axe(page)
    screenshot(page, "overview-alerts")
    alerts.get_by_role("link", name=f"Show the calls of {alert['rule']}").first.click()
    expect(page.get_by_role("definition").filter(has_text="(100.0 %)")).to_be_visible()
    expect(page.get_by_text("p95").locator("xpath=..")).to_contain_text("–")


def test_a_trace_leads_to_its_version_and_release(page: Page, shown: Shown) -> None:
    (call,) = shown.server.get(f"/api/v1/calls?q=version%20%3D%20{NEW}&environment=production&limit=1")[1]["calls"]
    page.goto(f"/traces/{call['request_id']}")
    page.get_by_role("link", name=re.compile("^rel_")).click()
    page.wait_for_url("**/releases/rel_*")
    page.go_back()
    page.get_by_role("link", name=f"{PROMPT}@{NEW}").click()
    page.wait_for_url(f"**/prompts/{PROMPT}?version={NEW}")


def test_a_release_on_the_overview_leads_to_its_place(page: Page) -> None:
    page.goto("/")
    page.get_by_role("region", name="Releases").get_by_role("link", name=f"{PROMPT}@{NEW}").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(f"{PROMPT} in (staging|production)"))


@pytest.mark.parametrize("where", ["/traces", "/guards"])
def test_evaluations_are_left_out_until_they_are_asked_for(page: Page, where: str) -> None:
    page.goto(where)
    expect(page.get_by_label("Environment")).to_have_value(" traffic")
    page.wait_for_url(f"**{where}?*calls=traffic*")
    expect(page.get_by_text("Without the calls of evaluations and the playground.")).to_be_visible()
    axe(page)
    page.get_by_role("button", name="Show all").click()
    page.wait_for_url(f"**{where}?*calls=all*")
    expect(page.get_by_role("button", name="Show all")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Environment")).to_have_value("")


def test_what_is_left_out_is_what_evaluations_asked(page: Page, shown: Shown, faults: Faults) -> None:
    faults.forgive("status of 400")  # an expression that is none

    def calls(query: str) -> str:
        return f"{shown.server.get(f'/api/v1/calls/count?{query}')[1]['calls']:,}"

    page.goto("/traces?calls=traffic&window=all")
    told = page.get_by_label("Totals").get_by_role("definition").first
    expect(told).to_have_text(calls("q=not%20environment%20in%20(eval%2C%20playground)"))
    page.get_by_role("button", name="Show all").click()
    expect(told).to_have_text(calls(""))
    page.goto("/traces?calls=traffic&q=cost%20%3E%20many")
    expect(page.get_by_role("alert")).to_contain_text("cost > many")
    expect(page.get_by_role("alert")).not_to_contain_text("playground")


def test_the_palette_looks_for_the_text_to_the_letter(visit: Visit) -> None:
    page = visit("viewer")
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    for text in ('"quote and (paren', "not working"):
        page.keyboard.press("Control+k")
        page.get_by_role("dialog").get_by_role("combobox").fill(text)
        page.get_by_role("option", name=f"Search traces: {text}").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Traces")
        expect(page.get_by_role("heading", name="No call matches")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)
