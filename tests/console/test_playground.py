"""The playground: what was asked is paid for, so answers stay, say why they failed, and none is asked for twice."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.bootstrap.projects import Project
from tests.console.conftest import WAIT_MS, Faults, Visit, axe, screenshot
from tests.console.world import PEOPLE, join

TRY = "/prompts/support/answer?tab=try"
BROKEN = {
    "models:\n": """\
  away: {kind: simulated, rules: simulation/away.yaml}
models:
  broken:
    use: [away/nobody]
    price: {input: "0.10", output: "0.40"}
"""
}


@pytest.fixture
def asking(browser: Browser, project: Project, faults: Faults) -> Iterator[Page]:
    """An expert's page, where the model `broken` answers nothing."""
    rules = "seed: 5\nerrors: {rate: 1.0, status: 503}\nrules:\n  - {user: '.*', answers: [{text: never}]}\n"
    (project.root / "simulation/away.yaml").write_text(rules, "utf-8")
    project.replace("moat.yaml", BROKEN)
    with project.serving() as server:
        person = PEOPLE["expert"]
        join(server, "expert", person)
        context = browser.new_context(base_url=server.url)
        context.set_default_timeout(WAIT_MS)
        signed = context.request.post("/api/v1/session", data=person._asdict(), headers={"origin": server.url})
        assert signed.ok, signed.text()
        page = context.new_page()
        faults.watch(page, server.url)
        yield page
        context.close()


def test_a_model_is_chosen_in_the_place_of_the_own_one_and_says_why_it_failed(asking: Page, faults: Faults) -> None:
    faults.forgive("status of 502")
    page = asking
    page.goto(TRY)
    page.get_by_label("question").fill("Do you deliver to Switzerland?")
    models = page.get_by_role("group", name="Models")
    own = models.get_by_role("checkbox", name="the prompt's own · assistant")
    expect(own).to_be_checked()
    models.get_by_role("checkbox", name="broken", exact=True).check()
    expect(own).not_to_be_checked()
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()
    # By its name and as the own one it is the same: one column.
    own.check()
    models.get_by_role("checkbox", name="assistant", exact=True).check()
    page.get_by_role("button", name="Ask 2 times").click()
    expect(page.get_by_role("article")).to_have_count(2)
    failed = page.get_by_role("article", name=re.compile("broken"))
    expect(failed.get_by_role("alert")).to_contain_text("provider_")
    expect(failed).to_contain_text("Name another deployment after it in moat.yaml.")
    axe(page)
    screenshot(page, "playground-failed")

    answered = page.get_by_role("article", name="1.2.0", exact=True)
    expect(answered).to_contain_text("finished")
    failed.get_by_role("link", name="Trace").click()
    expect(page).to_have_url(re.compile("/traces/"))
    expect(page.get_by_text("Name another deployment after it in moat.yaml.").first).to_be_visible()
    page.go_back()
    expect(answered).to_contain_text("finished")
    expect(answered.get_by_role("link", name="Trace")).to_be_visible()
    expect(failed.get_by_role("alert")).to_contain_text("provider_")
    expect(page.get_by_text("Not asked yet")).to_have_count(0)


def test_a_replay_is_found_again_whatever_closed_its_window(visit: Visit) -> None:
    page = visit("expert")
    held: list[Route] = []
    page.route("**/api/v1/replays", lambda route: held.append(route))
    page.goto("/traces?q=model%20%3D%20assistant%20and%20not%20error%20and%20not%20guarded")
    page.get_by_role("region", name="Calls").locator("tbody tr a").first.click()
    page.get_by_role("button", name="Replay with").click()
    window = page.get_by_role("dialog", name="Replay")
    with page.expect_request("**/api/v1/replays"):
        window.get_by_role("button", name="Replay", exact=True).click()
    expect(window.get_by_text("Asking …")).to_be_visible()
    page.keyboard.press("Escape")
    expect(window.get_by_text("It stays open until the answer is there.")).to_be_visible()
    window.get_by_role("button", name="Close").click()
    expect(window).to_have_count(0)
    held.pop().continue_()
    page.get_by_role("button", name="Replay with").click()
    changed = window.get_by_role("heading", name="What changed")
    expect(changed).to_be_visible()
    with page.expect_request("**/api/v1/replays"):
        window.get_by_role("button", name="Replay", exact=True).click()
    expect(window.get_by_text("Asking …")).to_be_visible()
    held.pop().continue_()
    window.get_by_text("1 earlier replay of this call").click()
    expect(changed).to_have_count(2)
    axe(page)
    screenshot(page, "trace-replayed-before")
    window.get_by_role("link", name="Its trace").first.click()
    expect(window).to_have_count(0)
    page.go_back()
    page.get_by_role("button", name="Replay with").click()
    expect(changed.first).to_be_visible()
    page.keyboard.press("Escape")
    expect(window).to_have_count(0)


def test_on_a_phone_all_tabs_of_a_prompt_are_in_sight(visit: Visit) -> None:
    page = visit("expert", viewport={"width": 390, "height": 844})
    page.goto(TRY)
    tabs = page.get_by_role("navigation", name="About this prompt")
    expect(tabs.get_by_role("link")).to_have_count(7)
    for tab in tabs.get_by_role("link").all():
        box = tab.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390, tab.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    axe(page)
    screenshot(page, "playground-phone")
