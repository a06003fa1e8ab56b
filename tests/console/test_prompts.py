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
    counted = version.get_by_role("link", name="calls of all time")
    number = re.match(r"[\d,]+", counted.inner_text())
    assert number is not None
    counted.click()
    expect(page).to_have_url(re.compile("window=all"))
    expect(page.get_by_text(re.compile(rf"\b{number[0]}\b")).first).to_be_visible()
    page.go_back()
    page.locator("svg a").filter(has_text="rel_").first.click()
    expect(page).to_have_url(re.compile("/releases/rel_"))
    page.go_back()
    page.locator("svg a").filter(has_text="production").first.click()
    expect(page).to_have_url(re.compile("/releases/served"))


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
    expect(page.get_by_text("nothing found")).to_be_visible(timeout=WAIT_MS)
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

    # A second click makes no second branch; what is written afterwards can be proposed.
    page.get_by_role("link", name="Playground").click()
    expect(page.get_by_text(re.compile("proposed as propose/support-answer"))).to_be_visible()
    page.get_by_role("link", name="Propose", exact=True).click()
    again = page.get_by_role("button", name="Propose", exact=True)
    expect(page.get_by_text("What you change of it can be proposed again.")).to_be_visible()
    expect(again).to_be_disabled()
    axe(page)
    screenshot(page, "prompt-proposed")
    page.get_by_role("link", name="Edit").click()
    file.click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("# And by us.\n")
    expect(page.get_by_text(re.compile("proposed as propose/support-answer.*, changed since$"))).to_be_visible()
    page.get_by_role("link", name="Propose", exact=True).click()
    expect(again).to_be_enabled()
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
    expect(proposal).to_be_visible()
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


def test_the_words_in_a_partial_are_changed_tried_and_proposed(visit: Visit, faults: Faults) -> None:
    faults.forgive("status of 404")  # no partial has the copy's name yet
    page = visit("expert")
    page.goto(f"{PROMPT}?tab=edit")
    files = page.get_by_role("navigation", name="Files of the draft")
    files.get_by_role("link", name="tone").click()
    expect(page.get_by_text("Published versions consist of it")).to_contain_text("support/answer 1.0.0")
    axe(page)
    screenshot(page, "prompt-partial-published")
    page.get_by_role("button", name="Change a copy of tone").click()
    copy = page.get_by_role("textbox", name="Partial tone-2")
    copy.click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("Say <script>alert(1)</script> ahoy first. ")
    expect(page.get_by_role("region", name="Rendered system message")).to_contain_text(
        "<script>alert(1)</script> ahoy first"
    )
    expect(page.get_by_text("nothing found")).to_be_visible(timeout=WAIT_MS)
    axe(page)
    screenshot(page, "prompt-partial")
    page.keyboard.type("{{ who }}")
    finding = page.get_by_role("button", name=re.compile("'who' is not declared"))
    expect(finding).to_contain_text("prompts/_partials/tone-2.j2")
    files.get_by_role("link", name=re.compile("yaml$")).click()
    finding.click()
    expect(copy).to_be_focused()
    copy.fill("Say <script>alert(1)</script> ahoy first.")
    expect(page.get_by_text("nothing found")).to_be_visible(timeout=WAIT_MS)

    page.reload()
    expect(files.locator("[aria-current=page]")).to_have_text(re.compile("tone-2"))
    expect(copy).to_contain_text("ahoy first")
    page.get_by_label("question").fill("Do you deliver to Switzerland?")
    page.get_by_role("link", name="Playground").click()
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("article", name="Draft")).to_contain_text("finished")
    page.get_by_role("link", name="Propose", exact=True).click()
    expect(page.get_by_role("region", name="What changes in tone-2")).to_contain_text("ahoy first")
    axe(page)
    screenshot(page, "prompt-partial-propose")
    page.get_by_label("What is better").fill("Customers like it.")
    page.get_by_role("button", name="Propose", exact=True).click()
    made = page.get_by_role("status", name="Proposed")
    expect(made).to_contain_text("prompts/_partials/tone-2.j2")

    # What was proposed is opened whole, the partial that only its branch has included.
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{PROMPT}?tab=edit")
    page.get_by_role("button", name="Discard draft").click()
    page.goto("/prompts?show=proposals")
    proposal = page.get_by_role("article").filter(has_text="tone-2.j2")
    proposal.get_by_role("link", name=re.compile("^Open support.answer .* as draft$")).click()
    files.get_by_role("link", name="tone-2").click()
    expect(copy).to_contain_text("ahoy first")


def test_a_new_partial_is_begun_where_a_prompt_includes_it(visit: Visit, faults: Faults) -> None:
    faults.forgive("status of 40[04]")  # neither the prompt nor the partial is there yet
    page = visit("expert")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/prompts/support/farewell?tab=edit")
    field = page.get_by_role("textbox", name="File of support/farewell")
    field.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("  - role: user\ncontent: '{% include \"wishes\" %}'\n")
    files = page.get_by_role("navigation", name="Files of the draft")
    files.get_by_role("link", name="wishes").click()
    page.get_by_role("button", name="Begin wishes").click()
    page.get_by_role("textbox", name="Partial wishes").fill("Good wishes.")
    expect(page.get_by_role("region", name="Rendered user message").last).to_have_text("Good wishes.")
    page.get_by_role("link", name="Propose", exact=True).click()
    expect(page.get_by_role("region", name="What changes in wishes")).to_contain_text("+ Good wishes.")
    page.get_by_role("button", name="Discard draft").click()


def test_answers_go_on_and_stay_while_something_else_is_looked_at(visit: Visit) -> None:
    page = visit("expert")
    page.goto(f"{PROMPT}?tab=try&tried=%5B%221.2.0%22%2C%221.0.0%22%5D")
    page.get_by_label("question").fill("Do you deliver to Switzerland?")
    page.get_by_role("button", name="Ask 2 times").click()
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_role("textbox", name="File of support/answer")).to_be_visible()
    page.get_by_role("link", name="Versions").click()
    page.get_by_role("link", name="Playground").click()
    for version in ("1.2.0", "1.0.0"):
        answer = page.get_by_role("article", name=version)
        expect(answer).to_contain_text("finished", timeout=WAIT_MS)
        expect(answer.get_by_role("link", name="Trace")).to_be_visible()


def test_a_required_variable_is_asked_for_before_the_model_is(visit: Visit) -> None:
    page = visit("expert")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/drafts/run") else None)
    page.goto(f"{PROMPT}?tab=try")
    question = page.get_by_label("question")
    expect(question).to_have_attribute("required", "")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(question).to_be_focused()
    assert question.evaluate("field => field.validity.valueMissing")
    question.fill("Do you deliver to Switzerland?")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_role("article").first).to_contain_text("finished")
    assert len(asked) == 1


def test_a_viewer_is_told_who_may_write(visit: Visit) -> None:
    page = visit("viewer")
    page.goto(f"{PROMPT}?tab=edit")
    expect(page.get_by_text("need the role expert")).to_be_visible(timeout=WAIT_MS)
