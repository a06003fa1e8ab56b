"""Limits are changed by proposals: engineers see what is used and what becomes of the file, and nothing else moves."""

import re
import subprocess

from playwright.sync_api import expect

from tests.bootstrap.projects import environment
from tests.console.conftest import Faults, Visit, axe, screenshot
from tests.console.world import Shown


def _git(shown: Shown, *arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(
        command, cwd=shown.project.root, env=environment(), check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_an_engineer_raises_a_budget(visit: Visit, shown: Shown, faults: Faults) -> None:
    faults.forgive("status of 400")  # what is typed on the way
    rules, status = shown.server.get("/api/v1/limits/rules"), _git(shown, "status", "--porcelain")
    page = visit("engineer")
    page.goto("/spend/limits")
    page.get_by_role("link", name="Edit tenant-month").click()
    expect(page.get_by_role("heading", name="Change tenant-month")).to_be_visible()
    expect(
        page.get_by_text(re.compile(r"The fullest has \$0\.\d+ of \$25\.00 used now \(tenant (acme|globex)"))
    ).to_be_visible()
    expect(page.get_by_text("Nothing is changed yet.")).to_be_visible()
    propose = page.get_by_role("button", name="Propose")
    expect(propose).to_be_disabled()
    amount = page.get_by_label("Amount, in US dollars")
    amount.fill("0.00000001")
    expect(page.get_by_text("The new amount is below that.")).to_be_visible()
    amount.fill("40.00")
    page.get_by_label("Warn from").fill("300")
    expect(page.get_by_role("alert")).to_contain_text("$.rule.warn_at")
    expect(propose).to_be_disabled()
    page.get_by_label("Warn from").fill("")
    changes = page.get_by_role("region", name="What changes")
    expect(changes).to_contain_text('+     money: "40.00"  # each')
    expect(page.get_by_role("alert")).to_have_count(0)
    axe(page)
    screenshot(page, "limit-edit")

    page.get_by_label("Why").fill("The shops sell more in December.")
    propose.click()
    made = page.get_by_role("status", name="Proposed")
    expect(made).to_contain_text("Nothing that is served has changed.")
    axe(page)
    branch = made.get_by_text(re.compile("^git push origin")).inner_text().split()[-1]
    told = _git(shown, "diff", "--unified=0", "--no-color", "HEAD", branch).splitlines()
    assert [line for line in told if line[:1] in "+-" and line[:3] not in ("+++", "---")] == [
        '-    money: "25.00"  # each',
        '+    money: "40.00"  # each',
    ]
    assert _git(shown, "log", "-1", "--format=%ae %s", branch) == "engineer@example.org limits: change tenant-month"
    assert (shown.server.get("/api/v1/limits/rules"), _git(shown, "status", "--porcelain")) == (rules, status)


def test_a_limit_is_written_and_another_removed(visit: Visit, shown: Shown) -> None:
    page = visit("engineer")
    page.goto("/spend/limits")
    page.get_by_role("link", name="New limit").click()
    page.get_by_label("Name").fill("at-once")
    page.get_by_label("It counts").select_option("concurrent")
    expect(page.get_by_label("In each")).to_have_count(0)
    page.get_by_label("Amount").fill("4")
    page.get_by_label("Why").fill("Nobody")
    page.get_by_role("link", name="All limits").click()
    expect(page.get_by_text("built in")).to_be_visible()
    page.get_by_role("link", name="New limit").click()
    expect(page.get_by_label("Why")).to_have_value("Nobody")
    expect(page.get_by_label("Amount")).to_have_value("4")
    page.get_by_role("checkbox", name="user").check()
    changes = page.get_by_role("region", name="What changes")
    expect(changes).to_contain_text("+   - name: at-once")
    axe(page)
    page.get_by_label("Why").fill("Nobody needs more.")
    page.get_by_role("button", name="Propose").click()
    expect(page.get_by_role("status", name="Proposed")).to_be_visible()

    page.get_by_role("link", name="All limits").click()
    page.get_by_role("link", name="New limit").click()
    expect(page.get_by_label("Name")).to_have_value("")
    page.get_by_role("link", name="All limits").click()
    page.get_by_role("link", name="Remove tenant-month").click()
    expect(changes).to_contain_text("−   - name: tenant-month")
    expect(changes).to_contain_text("What the contract with the shops says.")
    page.goto("/spend/limits?act=edit&limit=console-playground")
    page.get_by_label("US dollars that each person may spend").fill("7.50")
    expect(changes).to_contain_text('+   playground: {per_day: "7.50"}')
    axe(page)


def test_others_are_told_who_may(visit: Visit) -> None:
    page = visit("viewer", viewport={"width": 390, "height": 800})
    page.goto("/spend/limits")
    expect(page.get_by_text("Proposing one needs the role engineer.")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("^(Edit|Remove|New limit)"))).to_have_count(0)
    page.goto("/spend/limits?act=edit&limit=tenant-month")
    expect(page.get_by_text("Changing limits needs the role engineer.")).to_be_visible()


def test_the_form_fits_a_phone(visit: Visit) -> None:
    page = visit("engineer", viewport={"width": 390, "height": 800}, color_scheme="dark")
    page.goto("/spend/limits?act=edit&limit=tenant-month")
    page.get_by_label("Amount, in US dollars").fill("40")
    expect(page.get_by_role("region", name="What changes")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    axe(page)
    screenshot(page, "limit-edit-phone")
