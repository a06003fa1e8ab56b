"""A session that ends, or begins anew in another window, takes nothing from the page that is open."""

import re

from playwright.sync_api import Page, expect

from tests.console.conftest import Faults, Visit, axe, screenshot
from tests.console.world import PEOPLE, PROMPT, Person, Shown

REFUSED = r"status of 40[13] .*"


def opinion_of(page: Page, shown: Shown) -> str:
    """Open a call, and write what one thinks of it; its request id."""
    request = next(span["request_id"] for span in shown.server.get("/api/v1/traces?limit=50")[1] if span["request_id"])
    page.goto(f"/traces/{request}")
    page.get_by_label("Comment").fill("It should name the shop.")
    return str(request)


def sign_in(page: Page, person: Person) -> None:
    """In the window over the page."""
    asked = page.get_by_role("dialog", name="Your session has ended")
    asked.get_by_label("E-mail").fill(person.email)
    asked.get_by_label("Password").fill(person.password)
    asked.get_by_role("button", name="Sign in").click()


def test_what_was_typed_is_still_there_and_is_sent_after_signing_in_again(
    visit: Visit, shown: Shown, faults: Faults
) -> None:
    faults.forgive(REFUSED)
    page = visit("expert")
    request = opinion_of(page, shown)
    page.context.clear_cookies()
    page.get_by_role("button", name="Give feedback").click()
    asked = page.get_by_role("dialog", name="Your session has ended")
    expect(asked.get_by_label("Password")).to_be_focused()
    expect(page.get_by_text("no API key")).to_have_count(0)
    axe(page)
    screenshot(page, "session-ended")
    page.keyboard.press("Escape")
    expect(asked).to_be_visible()
    sign_in(page, PEOPLE["expert"])
    expect(asked).to_have_count(0)
    expect(page).to_have_url(re.compile(f"/traces/{request}$"))
    expect(page.get_by_label("Comment")).to_have_value("It should name the shop.")
    page.get_by_role("button", name="Give feedback").click()
    expect(page.get_by_role("region", name="Feedback and scores").get_by_role("listitem").last).to_contain_text(
        "It should name the shop."
    )


def test_a_wrong_password_is_said_at_the_window(visit: Visit, shown: Shown, faults: Faults) -> None:
    faults.forgive(REFUSED)
    page = visit("expert")
    opinion_of(page, shown)
    page.context.clear_cookies()
    page.get_by_role("button", name="Give feedback").click()
    sign_in(page, Person(PEOPLE["expert"].email, "not this one, surely"))
    asked = page.get_by_role("dialog", name="Your session has ended")
    expect(asked.get_by_role("alert")).to_contain_text("password")
    expect(asked.get_by_label("E-mail")).to_have_value(PEOPLE["expert"].email)


def test_signing_in_again_elsewhere_leaves_changes_and_signing_out_possible(
    visit: Visit, shown: Shown, faults: Faults
) -> None:
    faults.forgive(REFUSED)
    page = visit("expert")
    opinion_of(page, shown)
    again = page.context.request.post(
        "/api/v1/session", data=PEOPLE["expert"]._asdict(), headers={"origin": shown.url}
    )  # what no window of the browser knows of
    assert again.ok
    page.get_by_role("button", name="Give feedback").click()
    expect(page.get_by_text("Kept. It appears above in a moment.")).to_be_visible()
    page.context.request.post("/api/v1/session", data=PEOPLE["expert"]._asdict(), headers={"origin": shown.url})
    page.get_by_text("Expert", exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to Moat")).to_be_visible()
    assert page.context.request.get("/api/v1/session").status == 401


def test_somebody_else_signing_in_gets_a_page_of_their_own(visit: Visit, shown: Shown) -> None:
    page = visit("viewer")
    page.goto("/releases")
    expect(page.get_by_role("heading", level=1)).to_have_text("Releases")
    other = page.context.new_page()
    page.context.request.post("/api/v1/session", data=PEOPLE["engineer"]._asdict(), headers={"origin": shown.url})
    other.goto("/")
    expect(page.get_by_text("Engineer", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Roll back")).first).to_be_visible()


def test_signing_out_in_one_window_is_said_in_the_others(visit: Visit, faults: Faults) -> None:
    faults.forgive(REFUSED)
    page = visit("viewer")
    page.goto("/releases")
    expect(page.get_by_role("heading", level=1)).to_have_text("Releases")
    other = page.context.new_page()
    other.goto("/")
    other.get_by_text("Viewer", exact=True).click()
    other.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog", name="Your session has ended")).to_be_visible()


def test_signing_out_says_which_drafts_it_deletes(visit: Visit, faults: Faults) -> None:
    faults.forgive(REFUSED)  # what the draft had still asked
    page = visit("expert")
    page.goto(f"/prompts/{PROMPT}?tab=edit")
    page.get_by_role("textbox", name="File of support/answer").click()
    page.keyboard.press("Control+End")
    page.keyboard.type("# mine")
    expect(page.get_by_text("Discard draft")).to_be_visible()
    own = "Object.keys(localStorage).filter(key => key.startsWith('moat-draft '))"
    page.evaluate("localStorage.setItem('moat-draft user:else@example.org other/prompt', '{}')")
    page.get_by_text("Expert", exact=True).click()
    expect(page.get_by_text(f"Nowhere but in this browser are your drafts of {PROMPT}.")).to_be_visible()
    page.get_by_role("button", name="Delete them and sign out").click()
    expect(page.get_by_role("heading", name="Sign in to Moat")).to_be_visible()
    assert page.evaluate(own) == ["moat-draft user:else@example.org other/prompt"], "somebody else's stays"


def test_a_failed_signing_out_is_said(visit: Visit, faults: Faults) -> None:
    faults.forgive(r"status of 503 .*")
    page = visit("viewer")
    page.goto("/releases")
    page.route(
        "**/api/v1/session",
        lambda route: (
            route.fulfill(status=503, json={"error": {"message": "the disk is full", "code": "unavailable"}})
            if route.request.method == "DELETE"
            else route.continue_()
        ),
    )
    page.get_by_text("Viewer", exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are still signed in")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("the disk is full")


def test_a_proposal_is_kept_while_one_looks_at_the_edit_tab(visit: Visit) -> None:
    page = visit("expert")
    page.goto(f"/prompts/{PROMPT}?tab=propose")
    page.get_by_label("Title").fill("Shorter answers")
    page.get_by_label("What is better, and how do you know?").fill("The suite says so.")
    page.get_by_role("link", name="Edit", exact=True).click()
    expect(page.get_by_label("Title")).to_have_count(0)
    page.go_back()
    expect(page.get_by_label("Title")).to_have_value("Shorter answers")
    expect(page.get_by_label("What is better, and how do you know?")).to_have_value("The suite says so.")
