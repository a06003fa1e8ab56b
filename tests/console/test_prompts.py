"""Prompts: look at versions, write the next one, try it, and propose it without touching what is served."""

import re

from playwright.sync_api import Page, expect

from tests.console.conftest import WAIT_MS, Faults, Visit, axe, screenshot
from tests.console.world import Shown

PROMPT = "/prompts/support/answer"


def test_a_prompt_is_found_and_its_versions_are_compared(visit: Visit) -> None:
    page = visit("viewer")
    page.goto("/prompts")
    page.get_by_label("Search prompts").fill("answer")
    axe(page)
    screenshot(page, "prompts")
    page.get_by_role("link", name="support/answer").click()
    expect(page.get_by_role("article", name="user message")).to_contain_text("{{ question }}")
    axe(page)
    screenshot(page, "prompt")
    page.get_by_role("link", name="Differences").click()
    page.get_by_label("From").select_option("1.0.0")
    expect(page).to_have_url(re.compile("from=1.0.0"))
    expect(page.locator("ins").first).to_be_visible()
    axe(page)
    screenshot(page, "prompt-differences")
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)


def test_lineage_is_also_a_list(page: Page) -> None:
    page.goto(f"{PROMPT}?tab=lineage")
    version = page.get_by_role("region", name="Version 1.2.0")
    expect(version).to_contain_text("production")
    expect(version).to_contain_text("rel_")
    axe(page)
    screenshot(page, "prompt-lineage")


def test_an_expert_writes_tries_and_proposes_a_version(visit: Visit, shown: Shown, faults: Faults) -> None:
    faults.forgive("status of 400")  # what cannot be read has no preview
    page = visit("expert")
    page.goto(f"{PROMPT}?tab=edit")
    file = page.get_by_role("textbox", name="File of support/answer")
    file.click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("modle: x\n")
    finding = page.get_by_role("button", name="modle")
    expect(finding).to_contain_text("line 1")
    axe(page)
    for _ in range(len("modle: x\n")):
        page.keyboard.press("Backspace")
    page.keyboard.type("# Asked for by customers.\n")
    expect(page.get_by_text("nothing found")).to_be_visible()
    question = "How many days do I have to <script>alert(1)</script> send back a tent?"
    page.get_by_label("question").fill(question)
    expect(page.get_by_role("region", name="Rendered user message")).to_have_text(question)
    screenshot(page, "prompt-edit")

    page.reload()
    expect(file).to_contain_text("# Asked for by customers.")
    page.get_by_role("link", name="Playground").click()
    page.get_by_role("button", name="Ask").click()
    answer = page.get_by_role("article", name="Draft")
    expect(answer).to_contain_text("finished")
    expect(answer.get_by_role("link", name="Trace")).to_be_visible()
    axe(page)
    screenshot(page, "prompt-playground")

    served = shown.server.get("/api/v1/environments")[1]
    page.get_by_role("link", name="Propose", exact=True).click()
    expect(page.get_by_role("region", name="What changes")).to_contain_text("# Asked for by customers.")
    page.get_by_label("What is better").fill("Customers asked for it.")
    page.get_by_role("button", name="Propose", exact=True).click()
    expect(page.get_by_text("Nothing that is served has changed.")).to_be_visible()
    axe(page)
    page.get_by_role("link", name="All proposals").click()
    proposal = page.get_by_role("article", name="propose/support-answer")
    expect(proposal).to_contain_text("expert@example.org", timeout=WAIT_MS)
    screenshot(page, "proposals")
    assert shown.server.get("/api/v1/environments")[1] == served


def _write(page: Page, prompt: str, text: str) -> None:
    page.goto(f"/prompts/{prompt}?tab=edit")
    page.get_by_role("textbox", name=f"File of {prompt}").click()
    page.keyboard.press("Control+Home")
    page.keyboard.type(text)
    expect(page.get_by_text("Kept in this browser only")).to_be_visible()


def test_drafts_are_proposed_together_and_what_is_proposed_is_opened_and_tried(visit: Visit, faults: Faults) -> None:
    faults.forgive("status of 400")  # what cannot be read has no preview
    faults.forgive("status of 404")  # a prompt that is about to be written has no versions
    page = visit("expert")
    page.on("dialog", lambda dialog: dialog.accept())
    _write(page, "support/answer", "# Both or none.\n")
    _write(page, "support/thanks", "# Said at the end.\n")
    page.get_by_role("link", name="Propose", exact=True).click()
    page.get_by_role("checkbox", name="prompts/support/answer/").check()
    axe(page)
    screenshot(page, "prompt-propose-two")
    page.get_by_label("What is better").fill("The one thanks for the other.")
    page.get_by_role("button", name="Propose", exact=True).click()
    made = page.get_by_role("status", name="Proposed")
    expect(made).to_contain_text("prompts/support/thanks/1.0.0.yaml, prompts/support/answer/")
    page.get_by_role("link", name="All proposals").click()
    proposal = page.get_by_role("article", name="propose/support-thanks-1.0.0")
    axe(page)

    proposal.get_by_role("link", name=re.compile("^Open support.answer .* as draft$")).click()
    expect(page.get_by_text("is not opened")).to_be_visible()
    page.get_by_role("button", name="Discard it, and open the proposal").click()
    expect(page.get_by_text(re.compile("Begun with .* of propose/support-thanks-1.0.0"))).to_be_visible()
    expect(page.get_by_role("textbox", name="File of support/answer")).to_contain_text("# Both or none.")
    axe(page)
    screenshot(page, "proposal-opened")
    page.get_by_label("question").fill("Do you deliver to Switzerland?")
    page.get_by_role("link", name="Playground").click()
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("article", name="Draft")).to_contain_text("finished")


def test_a_viewer_is_told_who_may_write(visit: Visit) -> None:
    page = visit("viewer")
    page.goto(f"{PROMPT}?tab=edit")
    expect(page.get_by_text("need the role expert")).to_be_visible()
