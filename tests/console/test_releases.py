"""What is served, and the way back: two clicks from the list, on a phone too; a canary from its start to its end."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.bootstrap.projects import PROMPT, eventually
from tests.console.conftest import Visit, axe, screenshot
from tests.console.world import NEW, OLD, QUESTIONS, WORSE, Shown


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


@pytest.mark.parametrize("width", [1280, 390])
def test_a_canary_is_watched_arm_by_arm_and_rolled_back(visit: Visit, shown: Shown, width: int) -> None:
    release(shown, WORSE, "staging", {"strategy": "canary", "percent": 50})
    call(shown, 40)
    page = visit("engineer", viewport={"width": width, "height": 800})
    page.goto(f"/releases/served?prompt={PROMPT}&environment=staging")
    arms = page.get_by_role("region", name="Arms", exact=True)
    for arm in (f"canary {WORSE}", f"stable {NEW}"):
        row = arms.get_by_role("row").filter(has_text=arm)
        expect(row).to_contain_text(re.compile(r"0\.0 %\s*0\.0 % to \d+\.\d %"))  # errors
        expect(row).to_contain_text(re.compile(r"ms to \d+ ms"))  # the median
        expect(row).to_contain_text(re.compile(r"or more; too few calls \(\d+ of 72\)"))  # the 95th percentile
        expect(row).to_contain_text(re.compile(r"\$0\.\d+ to \$0\.\d+"))  # the mean cost
    means = page.get_by_role("list", name="What the difference means")
    expect(means).to_contain_text(re.compile(r"p95: .*too few calls to tell"))
    expect(page.get_by_text("a 95th percentile 72")).to_be_visible()
    page.get_by_role("figure", name="Cost per call").get_by_text("Numbers").click()
    expect(page.get_by_role("region", name="Cost per call: numbers")).to_contain_text(
        re.compile(r"\(\$0\.\d+ to \$0\.\d+\)")
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    axe(page)
    screenshot(page, f"canary-{width}")

    page.get_by_role("button", name=f"Roll back {PROMPT} in staging").click()
    asked = page.get_by_role("dialog")
    asked.get_by_label("Reason").fill("more complaints")
    second = asked.get_by_role("button", name=f"Roll back to {NEW} now")
    began = time.monotonic()
    second.click()
    expect(asked.get_by_role("status")).to_contain_text(f"staging serves {NEW} again.")
    took = time.monotonic() - began
    told = asked.get_by_role("status").inner_text().replace("\n", " ")
    print(f"rolled back at {width} px: {took:.3f} s from the second click to the page that says so: {told}")
    (serving,) = shown.server.get(f"/api/v1/serving?prompt={PROMPT}&environment=staging")[1]
    assert (serving["progress"], serving["actor"]) == ("closed", "engineer@example.org")
    asked.get_by_role("button", name="Close").last.click()
    first = page.get_by_role("region", name="History").get_by_role("listitem").first
    expect(first).to_contain_text("more complaints")
    expect(first).to_contain_text("engineer@example.org")


def test_who_approved_and_what_is_missing_stand_beside_a_promotion(page: Page, visit: Visit, shown: Shown) -> None:
    begun = release(shown, WORSE, "staging", {"strategy": "canary", "percent": 10})
    canary = begun["release"]["id"]
    with rules(shown, "    approvals: 2\n"):
        page.goto(f"/releases/served?prompt={PROMPT}&environment=staging")
        standing = page.get_by_role("region", name=f"To promote {WORSE}")
        expect(standing).to_contain_text("0 of 2 approvals")
        expect(page.get_by_role("button", name=f"Promote {WORSE} to everybody", exact=True)).to_be_disabled()
        expect(page.get_by_role("region", name="Rules of staging")).to_contain_text("2, of people other than")

        other = visit("engineer")
        other.goto(f"/releases/{canary}")
        other.get_by_role("button", name="Approve").click()
        asked = other.get_by_role("dialog")
        asked.get_by_label("Environment").select_option("staging")
        asked.get_by_label("Comment").fill("looks good")
        axe(other)
        asked.get_by_role("button", name="Approve").click()
        expect(asked.get_by_role("status")).to_contain_text("engineer@example.org approved it for staging")
        asked.get_by_role("button", name="Close").last.click()
        expect(other.get_by_role("region", name="Where it may go").first).to_contain_text("1 of 2 approvals")
        screenshot(other, "release-approvals")

        expect(standing).to_contain_text("1 of 2 approvals")  # the page follows by itself
        expect(standing.get_by_role("list", name="Approvals for staging")).to_contain_text("“looks good”")
        expect(standing.get_by_role("list", name="What staging is missing")).to_contain_text("requires 2 approvals")
        page.get_by_role("slider").press("ArrowRight")
        expect(page.get_by_role("button", name="Break the glass: set to 11 % …")).to_be_visible()
        axe(page)
        screenshot(page, "rollout-rules")
        page.get_by_role("slider").press("ArrowLeft")
        page.get_by_role("slider").press("ArrowLeft")
        page.get_by_role("button", name="Set to 9 % …").click()  # less of it is always allowed
        page.get_by_role("dialog").get_by_role("button", name="Set to 9 %").click()
        expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text("canary 9 %")
        page.get_by_role("dialog").get_by_role("button", name="Close").last.click()

        page.get_by_role("button", name=f"Break the glass: Promote {WORSE} to everybody …").click()
        decide = page.get_by_role("dialog")
        expect(decide.get_by_role("button", name=f"Promote {WORSE} to everybody")).to_be_disabled()
        decide.get_by_label("Break the glass").check()
        expect(decide.get_by_role("button", name=f"Break the glass: Promote {WORSE} to everybody")).to_be_enabled()
        decide.get_by_role("button", name="Leave it as it is").click()
    status, _ = shown.server.send("POST", "/api/v1/rollbacks", {"prompt": PROMPT, "environment": "staging"}, **JSON)
    assert status in (200, 202)


def test_rules_that_say_no_are_broken_only_with_a_reason(page: Page, shown: Shown) -> None:
    page.goto("/releases")
    page.get_by_role("button", name="Release a version").click()
    asked = page.get_by_role("dialog")
    asked.get_by_label("Prompt").select_option(PROMPT)
    asked.get_by_label("Version").select_option(WORSE)
    asked.get_by_label("Environment").fill("production")
    expect(asked.get_by_role("list", name="What production is missing")).to_contain_text("regressed")
    expect(asked.get_by_role("button", name="Release it")).to_be_disabled()
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


def release(shown: Shown, version: str, environment: str, plan: dict[str, Any] | None = None) -> Any:
    """Serve a version, as it was before a test or by a plan."""
    order = {"prompt": PROMPT, "version": version, "environment": environment}
    status, answer = shown.server.send("POST", "/api/v1/releases", order | {"plan": plan or {}}, **JSON)
    assert status in (201, 202), answer
    return answer


def call(shown: Shown, users: int) -> None:
    """One call to staging by each of so many people, and all of them in the store."""
    number = len(calls_of_staging(shown))
    for user in range(users):
        said = {"id": f"{PROMPT}@staging", "variables": {"question": QUESTIONS[user % len(QUESTIONS)]}}
        body = {"prompt": said, "user": f"person-{user}"}
        status, answer = shown.server.send("POST", "/v1/chat/completions", body, **JSON)
        assert status == 200, answer
    eventually(lambda: len(calls_of_staging(shown)) == number + users)


def calls_of_staging(shown: Shown) -> list[Any]:
    found: list[Any] = shown.server.get("/api/v1/traces?environment=staging&limit=1000")[1]
    return found


@contextmanager
def rules(shown: Shown, text: str) -> Iterator[None]:
    """Rules of staging, for a while."""
    config = shown.project.root / "moat.yaml"
    before = config.read_text("utf-8")
    shown.project.replace("moat.yaml", {"  staging:\n": f"  staging:\n{text}"})
    try:
        yield
    finally:
        config.write_text(before, "utf-8")
