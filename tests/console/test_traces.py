"""Calls: found, walked, looked into, compared, asked again, and judged."""

import re
import secrets
import time

from msgspec.structs import replace
from playwright.sync_api import Locator, Page, expect

from moat.domain.spans import Span
from moat.ports.calls import MOST_SPANS
from moat.telemetry.spool import SegmentSpool
from tests.bootstrap.projects import eventually
from tests.console.conftest import Faults, Visit, axe, screenshot
from tests.console.world import Shown

HOSTILE = '<img src=x onerror="document.title=1"> [a](javascript:alert(1)) ![b](http://beacon.invalid/b.png)'


def rows(page: Page) -> Locator:
    return page.get_by_role("region", name="Calls", exact=True).locator("tbody tr[data-index]")


def wait_for_rows(page: Page, count: int) -> None:
    """What was read stays as it is until the page is opened anew."""

    def there() -> bool:
        page.reload()
        expect(page.get_by_role("heading", name="Traces", level=1)).to_be_visible()
        expect(page.locator("[data-loading]")).to_have_count(0)
        return rows(page).count() == count

    eventually(there)


def search(page: Page, expression: str) -> None:
    field = page.get_by_role("combobox", name="Filter")
    field.fill(expression)
    field.press("Enter")


def test_why_a_request_failed_is_found_in_the_list_and_in_the_trace(page: Page) -> None:
    page.goto("/traces")
    expect(rows(page).first).to_be_visible()
    screenshot(page, "traces")
    axe(page)
    page.get_by_label("Failed only").check()
    page.wait_for_url("**failed=true**")
    search(page, "model = parcels and error = provider_down")
    expect(rows(page).first).to_contain_text("provider_down")
    rows(page).first.click()
    page.wait_for_url("**/traces/req_*")
    detail = page.get_by_label(re.compile("^Detail of "))
    expect(detail).to_contain_text("Failed: provider_down")
    expect(detail).to_contain_text("Name another deployment")
    expect(page.get_by_role("tree", name="Spans").get_by_role("treeitem").first).to_be_visible()
    screenshot(page, "trace-failed")
    axe(page)


def test_a_very_large_trace_says_how_much_of_it_is_shown(page: Page, shown: Shown) -> None:
    trace = secrets.token_hex(16)
    job = Span(
        span_id="0" * 16, trace_id=trace, kind="app", name="nightly-job", started_ns=time.time_ns(), duration_ns=10**9
    )
    steps = [
        replace(job, span_id=f"{number:016x}", parent_id=job.span_id, name="step", started_ns=job.started_ns + number)
        for number in range(1, MOST_SPANS + 3)
    ]
    spool = SegmentSpool(shown.project.root / ".moat" / "spool")
    spool.open()
    spool.append([job, *steps])
    spool.close()
    eventually(lambda: shown.server.get(f"/api/v1/traces/{trace}")[1]["count"] == MOST_SPANS + 3)
    page.goto(f"/traces/{trace}")
    steps_shown = page.get_by_role("region", name="Steps")
    expect(steps_shown).to_contain_text("The first 5,000 of 5,003 spans")
    expect(steps_shown).to_contain_text(f"moat traces show {trace}")
    expect(page.get_by_role("treeitem")).to_have_count(500)
    expect(page.get_by_role("button", name="Show all 5,000 steps")).to_be_visible()
    axe(page)
    screenshot(page, "trace-large")


def test_a_mistake_in_the_filter_is_shown_with_its_place_and_what_was_typed_stays(page: Page, faults: Faults) -> None:
    faults.forgive("status of 400")
    page.goto("/traces")
    search(page, "model = parcels and latncy > 2s")
    wrong = page.get_by_role("alert")
    expect(wrong).to_contain_text("there is no field 'latncy'")
    expect(wrong.locator("pre")).to_contain_text("^^^^^^")
    expect(page.get_by_role("combobox", name="Filter")).to_have_value("model = parcels and latncy > 2s")
    axe(page)


def test_fields_and_values_are_suggested_while_one_types(page: Page) -> None:
    page.goto("/traces")
    field = page.get_by_role("combobox", name="Filter")
    field.press_sequentially("featu")
    page.get_by_role("option", name=re.compile("^feature")).click()
    expect(field).to_have_value("feature = ")
    field.press_sequentially("ema")
    page.get_by_role("option", name="email").click()
    field.press("Enter")
    page.wait_for_url("**q=feature*email**")
    expect(rows(page).first).to_contain_text("email")


def test_the_list_is_walked_and_opened_by_the_keyboard(page: Page) -> None:
    page.goto("/traces")
    expect(rows(page).first).to_be_visible()
    for key in ("j", "j", "k", "j"):
        page.keyboard.press(key)
    expect(rows(page).nth(1).get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/traces/req_*")
    tree = page.get_by_role("tree", name="Spans")
    tree.get_by_role("treeitem", selected=True).focus()
    page.keyboard.press("Home")
    expect(tree.get_by_role("treeitem").first).to_be_focused()


def test_a_span_of_time_is_drawn_and_stands_in_the_address(page: Page) -> None:
    page.goto("/traces?window=all")
    plot = page.locator("figure svg").first
    expect(plot).to_be_visible()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 30, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile(r"from=\d+&until=\d+"))
    page.get_by_role("button", name="Back to all time").click()
    expect(page.get_by_label("Time", exact=True)).to_have_value("all")


def test_new_calls_appear_by_themselves_and_wait_while_somebody_reads(page: Page, shown: Shown) -> None:
    page.goto("/traces?live=true&q=user%20%3D%20live-1")
    expect(page.get_by_role("heading", name="No call matches")).to_be_visible()
    ask(shown, "live-1", "Hello")
    expect(rows(page)).to_have_count(1)
    page.keyboard.press("j")
    ask(shown, "live-1", "Hello again")
    page.get_by_role("button", name="Show 1 new call").click()
    expect(rows(page)).to_have_count(2)


def test_a_call_that_took_minutes_appears_when_it_has_ended_above_those_that_began_later(
    page: Page, shown: Shown
) -> None:
    # More than a page of calls that were quick, all of which began while the slow one went on.
    now = time.time_ns()
    report(shown, [(f"quick-{number}", now - (300 - number) * 10**8, 10**7) for number in range(250)])
    eventually(lambda: len(shown.server.get("/api/v1/traces?service=tail&limit=1000")[1]) == 250)
    page.goto("/traces?live=true&q=service%20%3D%20tail%20and%20kind%20%3D%20app")
    expect(rows(page).first).to_contain_text("quick-249")
    expect(page.get_by_text("New calls appear here by themselves")).to_be_visible()
    looked = page.expect_response(lambda answer: "ended_since_ns" in answer.url)
    with looked:
        report(shown, [("slow", now - 600 * 10**9, 600 * 10**9)])
    expect(rows(page).first).to_contain_text("slow")
    expect(rows(page).nth(1)).to_contain_text("quick-249")
    # At its place by time it stands no second time.
    everything = page.get_by_role("region", name="Calls", exact=True)
    for _ in range(12):
        everything.evaluate("one => one.scrollTop = one.scrollHeight")
        if page.get_by_text("All 251 are listed").is_visible():
            break
        page.wait_for_timeout(250)
    expect(page.get_by_text("All 251 are listed")).to_be_visible()


def test_a_question_that_a_guard_stopped_is_shown_and_said_to_have_reached_no_model(page: Page) -> None:
    page.goto("/traces?q=guard%20%3D%20block%20and%20prompt%20%3D%20support%2Fanswer")
    rows(page).first.click()
    page.wait_for_url("**/traces/req_*")
    detail = page.get_by_label(re.compile("^Detail of "))
    expect(detail.locator("[data-role=variable]").first).to_contain_text("question")
    expect(detail).to_contain_text("It never reached a model: a guard stopped it.")
    expect(detail).not_to_contain_text("is not kept")


def test_what_models_and_users_wrote_is_text_and_nothing_else(page: Page, shown: Shown) -> None:
    ask(shown, HOSTILE[:60], HOSTILE)
    page.goto("/traces?q=onerror")
    expect(rows(page)).to_have_count(1)
    rows(page).first.click()
    page.wait_for_url("**/traces/req_*")
    conversation = page.get_by_label(re.compile("^Detail of "))
    expect(conversation).to_contain_text('<img src=x onerror="document.title=1">')
    assert page.locator("main img, main iframe, main script, main a[href^='javascript']").count() == 0
    assert page.title().endswith("Moat")


def test_a_call_is_asked_again_of_something_else_and_both_answers_stand_side_by_side(visit: Visit) -> None:
    page = visit("expert")
    page.goto("/traces?q=model%20%3D%20assistant%20and%20not%20error%20and%20not%20guarded")
    rows(page).first.click()
    page.get_by_role("button", name="Replay with").click()
    window = page.get_by_role("dialog")
    window.get_by_role("button", name="Replay", exact=True).click()
    expect(window.get_by_role("heading", name="What changed")).to_be_visible()
    axe(page)
    screenshot(page, "trace-replayed")


def test_a_call_is_sent_to_review_found_by_somebody_else_and_reviewed(visit: Visit) -> None:
    expert = visit("expert")
    expert.goto("/traces?q=error")
    rows(expert).first.click()
    expert.get_by_role("button", name="Send to review…").click()
    asked = expert.get_by_role("dialog", name="Send to review")
    asked.get_by_label("What should be looked at?").fill("Is this our policy?")
    axe(expert)
    asked.get_by_role("button", name="Send to review").click()
    expect(asked).to_contain_text("It waits for review.")
    asked.get_by_role("link", name="All that wait").click()
    wait_for_rows(expert, 1)
    engineer = visit("engineer")
    engineer.goto(expert.url)
    rows(engineer).first.click()
    said = engineer.get_by_role("region", name="Feedback and scores")
    expect(said).to_contain_text("Is this our policy?")
    said.get_by_role("button", name="Reviewed").click()
    expect(said).not_to_contain_text("This call waits for review.")
    wait_for_rows(expert, 0)


def test_an_opinion_is_given_and_a_viewer_is_told_who_may(visit: Visit) -> None:
    expert, viewer = visit("expert"), visit("viewer")
    expert.goto("/traces?q=not%20error")
    rows(expert).first.click()
    form = expert.get_by_role("form", name="Your feedback")
    form.get_by_role("button", name="Bad").click()
    form.get_by_label("Comment").fill("The figure is wrong.")
    form.get_by_role("button", name="Give feedback").click()
    opinions = expert.get_by_role("region", name="Feedback and scores")
    expect(opinions.get_by_role("listitem").filter(has_text="expert@example.org")).to_contain_text(
        "The figure is wrong."
    )
    viewer.goto(expert.url)
    expect(viewer.get_by_text("Giving feedback needs the role expert.")).to_be_visible()
    expect(viewer.get_by_role("button", name="Replay with")).to_be_disabled()


def test_two_calls_are_compared_what_differs_first(page: Page) -> None:
    ids = []
    for expression in ("model = parcels and error", "not error and model = assistant"):
        page.goto("/traces")
        search(page, expression)
        rows(page).first.click()
        page.wait_for_url("**/traces/req_*")
        ids.append(page.url.split("/traces/")[1].split("?")[0])
    page.get_by_role("button", name="Compare with").click()
    page.get_by_label("Request or trace id of the other").fill(ids[0])
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url("**/traces/compare?**")
    facts = page.get_by_role("region", name="Facts of both").locator("tbody tr")
    expect(facts.first).to_contain_text(re.compile("provider_down|circuit_open"))
    axe(page)
    screenshot(page, "traces-compared")


def test_a_search_is_saved_used_and_forgotten(page: Page) -> None:
    page.goto("/traces?q=model%20%3D%20parcels")
    page.get_by_role("button", name="Saved searches").click()
    page.get_by_label("Name").fill("parcels")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("@parcels is saved.")).to_be_visible()
    page.get_by_role("button", name="Use", exact=True).click()
    expect(page.get_by_role("combobox", name="Filter")).to_have_value("@parcels")
    expect(rows(page).first).to_contain_text("parcels")
    page.get_by_role("button", name="Saved searches").click()
    page.get_by_role("button", name="Forget @parcels").click()
    expect(page.get_by_role("heading", name="None yet")).to_be_visible()


def report(shown: Shown, calls: list[tuple[str, int, int]]) -> None:
    """What an application of the name `tail` tells of its calls: model, start and duration in nanoseconds."""
    spans = [
        {
            "traceId": secrets.token_hex(16),
            "spanId": secrets.token_hex(8),
            "name": model,
            "startTimeUnixNano": str(began),
            "endTimeUnixNano": str(began + lasted),
            "attributes": [{"key": "gen_ai.request.model", "value": {"stringValue": model}}],
        }
        for model, began, lasted in calls
    ]
    service = [{"key": "service.name", "value": {"stringValue": "tail"}}]
    group = {"resource": {"attributes": service}, "scopeSpans": [{"spans": spans}]}
    status, answer = shown.server.send(
        "POST", "/v1/traces", {"resourceSpans": [group]}, content_type="application/json"
    )
    assert status == 200, answer


def ask(shown: Shown, user: str, question: str) -> None:
    """One call more."""
    body = {"model": "assistant", "user": user, "messages": [{"role": "user", "content": question}]}
    status, answer = shown.server.send("POST", "/v1/chat/completions", body, content_type="application/json")
    assert status == 200, answer
