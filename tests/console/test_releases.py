"""What is served, and the way back: two clicks from the list, on a phone too; a canary from its start to its end."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.bootstrap.projects import PROMPT
from tests.console.conftest import Faults, Visit, axe, screenshot
from tests.console.world import NEW, OLD, WORSE, Shown


def test_the_list_says_what_each_environment_serves(page: Page) -> None:
    page.goto("/releases")
    card = page.get_by_role("article", name=f"{PROMPT} in production")
    expect(card.get_by_role("link", name=NEW)).to_be_visible()
    expect(card).to_contain_text("support pass")
    axe(page)
    screenshot(page, "releases")
    page.get_by_label("Find a prompt").fill("nowhere")
    expect(page.get_by_text("No prompt with “nowhere” in its name is released.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Find a prompt")).to_have_value("nowhere")


def test_two_clicks_on_a_phone_roll_back(visit: Visit, shown: Shown) -> None:
    page = visit("engineer", viewport={"width": 390, "height": 800})
    page.goto("/releases")
    page.get_by_role("button", name=f"Roll back {PROMPT} in staging").click()
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text(f"Everybody in staging gets {OLD} again, in place of {NEW}.")
    expect(asked).to_contain_text(f"From {NEW} to {OLD}: 2 texts")
    axe(page)
    screenshot(page, "rollback-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    asked.get_by_role("button", name=f"Roll back to {OLD} now").click()
    expect(asked.get_by_role("status")).to_contain_text(f"staging serves {OLD} again.")
    expect(asked.get_by_role("status")).to_contain_text(re.compile(r"that took \d+\.\d\d s"))
    _, history = shown.server.get(f"/api/v1/history?prompt={PROMPT}&environment=staging")
    assert history[0]["returns_to"] == 1
    assert history[0]["actor"] == "engineer@example.org"
    asked.get_by_role("button", name="Close").last.click()
    card = page.get_by_role("article", name=f"{PROMPT} in staging")
    expect(card.get_by_role("link", name=OLD)).to_be_visible()
    release(shown, NEW, "staging")


@pytest.mark.parametrize("role", ["viewer", "expert"])
def test_who_may_not_change_what_is_served_is_not_asked_to(visit: Visit, role: str) -> None:
    page = visit(role)
    page.goto("/releases")
    expect(page.get_by_role("article", name=f"{PROMPT} in production")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Roll back"))).to_have_count(0)
    expect(page.get_by_role("button", name="Release a version")).to_have_count(0)


def test_a_canary_is_begun_grown_held_and_ended(page: Page, shown: Shown) -> None:
    page.goto("/releases")
    page.get_by_role("button", name="Release a version").click()
    asked = page.get_by_role("dialog")
    asked.get_by_label("Prompt").select_option(PROMPT)
    asked.get_by_label("Version").select_option(WORSE)
    asked.get_by_label("Environment").fill("staging")
    asked.get_by_label("How").select_option("canary")
    axe(page)
    asked.get_by_label("Reason").fill("a tenth, to see")
    asked.get_by_role("button", name="Release it").click()
    expect(asked.get_by_role("status")).to_contain_text(f"staging serves canary 10 % {WORSE}, stable 90 % {NEW}.")
    asked.get_by_role("button", name="Close").last.click()

    page.get_by_role("link", name=f"Rollout of {PROMPT} in staging").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{PROMPT} in staging")
    page.get_by_role("slider").press("ArrowRight")
    page.get_by_role("button", name="Set to 11 % …").click()
    expect(asked).to_contain_text("10 % of the users get the new version now, 11 % will.")
    asked.get_by_role("button", name="Set to 11 %").click()
    expect(asked.get_by_role("status")).to_contain_text("canary 11 %")
    asked.get_by_role("button", name="Close").last.click()

    page.get_by_role("button", name="Pause").click()
    asked.get_by_role("button", name="Pause").click()
    expect(asked.get_by_role("status")).to_contain_text("(paused)")
    asked.get_by_role("button", name="Close").last.click()
    axe(page)
    screenshot(page, "rollout")

    page.get_by_role("button", name="Abort").click()
    asked.get_by_label("Reason").fill("not better")
    asked.get_by_role("button", name="Abort").click()
    expect(asked.get_by_role("status")).to_contain_text(f"staging serves {NEW}.")
    asked.get_by_role("button", name="Close").last.click()
    history = page.get_by_role("region", name="History")
    expect(history.get_by_role("listitem").first).to_contain_text("not better")
    expect(history.get_by_role("listitem").nth(1)).to_contain_text("canary paused")


def test_rules_that_say_no_are_broken_only_with_a_reason(page: Page, faults: Faults, shown: Shown) -> None:
    faults.forgive("status of 409")
    page.goto("/releases")
    page.get_by_role("button", name="Release a version").click()
    asked = page.get_by_role("dialog")
    asked.get_by_label("Prompt").select_option(PROMPT)
    asked.get_by_label("Version").select_option(WORSE)
    asked.get_by_label("Environment").fill("production")
    asked.get_by_role("button", name="Release it").click()
    expect(asked.get_by_role("alert")).to_contain_text("regressed")
    expect(asked.get_by_label("Version")).to_have_value(WORSE)
    asked.get_by_label("Break the glass").check()
    axe(page)
    asked.get_by_role("button", name="Break the glass: Release it").click()
    expect(asked.get_by_role("status")).to_have_count(0)  # a reason is missing
    asked.get_by_label("Reason").fill("incident 42")
    asked.get_by_role("button", name="Break the glass: Release it").click()
    expect(asked.get_by_role("status")).to_contain_text("Rules that were broken")
    asked.get_by_role("button", name="Close").last.click()
    card = page.get_by_role("article", name=f"{PROMPT} in production")
    expect(card).to_contain_text("glass broken")
    status, _ = shown.server.send("POST", "/api/v1/rollbacks", {"prompt": PROMPT, "environment": "production"}, **JSON)
    assert status in (200, 202)
    expect(card).not_to_contain_text("glass broken")  # the page follows by itself


def test_one_release_tells_where_it_comes_from(page: Page, shown: Shown) -> None:
    _, releases = shown.server.get(f"/api/v1/releases?prompt={PROMPT}")
    one = next(release for release in releases if release["content"]["version"] == NEW)
    page.goto(f"/releases/{one['id']}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{PROMPT}@{NEW}")
    expect(page.get_by_role("region", name="Evidence").first).to_contain_text("support pass")
    expect(page.get_by_role("heading", name=f"Changed from {OLD}, which it replaced")).to_be_visible()
    expect(page.get_by_role("region", name="Where it was served").first).to_contain_text("production")
    axe(page)
    screenshot(page, "release")


JSON = {"content_type": "application/json"}


def release(shown: Shown, version: str, environment: str) -> None:
    """Serve a version as it was before a test."""
    order = {"prompt": PROMPT, "version": version, "environment": environment}
    status, answer = shown.server.send("POST", "/api/v1/releases", order, **JSON)
    assert status in (201, 202), answer
