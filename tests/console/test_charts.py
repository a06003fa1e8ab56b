"""Charts end now, with the newest slot and the newest release; and what addresses and refused pages ask for."""

import re
import time

from playwright.sync_api import Page, Route, expect

from tests.console.conftest import Faults, Visit
from tests.console.world import Shown


def test_findings_of_the_newest_hour_are_drawn(page: Page, shown: Shown) -> None:
    since_ns = time.time_ns() - 24 * 3600 * 10**9
    _, found = shown.server.get(f"/api/v1/findings?since_ns={since_ns}&step_ns={3600 * 10**9}&limit=1")
    assert len({(one["guard"], one["kind"], one["place"], one["action"]) for one in found}) == 1
    page.goto("/guards?window=24h")
    chart = page.get_by_role("figure", name="Calls with findings")
    chart.get_by_text("Numbers").click()
    newest = chart.get_by_role("row").filter(has_text=re.compile("[1-9]")).last
    expect(newest.get_by_role("rowheader")).to_contain_text("so far")
    expect(chart.get_by_role("listitem").filter(has_text="@").first).to_be_visible()


def test_releases_are_on_the_charts_at_once(page: Page) -> None:
    for path, name in (("/", "Calls"), ("/traces", "Calls over time"), ("/spend?days=1", "Cost by the hour")):
        page.goto(path)
        chart = page.get_by_role("figure", name=name, exact=True)
        chart.get_by_text("Numbers").click()
        expect(chart.get_by_role("listitem").filter(has_text="@").first).to_be_visible()


def test_todays_money_stands_in_hours_of_the_readers_clock(visit: Visit) -> None:
    page = visit("viewer", timezone_id="Asia/Kolkata")
    page.goto("/spend?days=1")
    chart = page.get_by_role("figure", name="Cost by the hour")
    chart.get_by_text("Numbers").click()
    expect(chart.get_by_role("rowheader").first).to_contain_text("00:00:00")
    starts = chart.get_by_role("rowheader").all_inner_texts()
    assert all(re.search(r":00:00( so far)?$", start) for start in starts), starts


def test_days_are_the_readers_on_both_sides_of_a_change_of_clocks(visit: Visit) -> None:
    page = visit("viewer", timezone_id="Europe/Vienna")
    page.goto("/spend?days=90")
    chart = page.get_by_role("figure", name="Cost by the day")
    chart.get_by_text("Numbers").click()
    expect(chart.get_by_role("rowheader").first).to_contain_text("00:00:00")
    starts = chart.get_by_role("rowheader").all_inner_texts()
    assert len(starts) == 90
    assert all(re.search(r" 00:00:00( so far)?$", start) for start in starts), starts


def test_a_page_that_is_refused_is_asked_for_again_by_people_only(page: Page, faults: Faults) -> None:
    faults.forgive("status of 400")
    asked: list[str] = []
    entry = {"sequence": 0, "at_ns": 1, "actor": "ada", "action": "key.create", "subject": "", "chain": ""}

    def answer(route: Route) -> None:
        if "before=" in route.request.url:
            asked.append(route.request.url)
            route.fulfill(status=400, json={"error": {"message": "no such page", "code": "bad_request"}})
        else:
            rows = [{"entry": {**entry, "sequence": 200 - n}, "content": None} for n in range(200)]
            route.fulfill(json=rows)

    page.route(re.compile(r"/api/v1/audit\?"), answer)
    page.goto("/settings/audit")
    table = page.get_by_role("region", name="Audit log")
    expect(table).to_be_visible()
    table.evaluate("place => place.scrollTo(0, place.scrollHeight)")
    again = table.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    expect(table).to_contain_text("no such page")
    page.wait_for_timeout(1000)
    many = len(asked)
    page.wait_for_timeout(2000)
    assert len(asked) == many, "nothing is asked for by itself"
    with page.expect_request(re.compile("before=")):
        again.click()


def test_digits_in_an_address_are_text(page: Page) -> None:
    with page.expect_request(re.compile(r"/api/v1/calls/count\?.*q=429")):
        page.goto("/traces?window=all&q=429")
    expect(page.get_by_role("combobox", name="Filter")).to_have_value("429")
    with page.expect_request(re.compile(r"/api/v1/calls\?.*tenant=0042|/api/v1/calls\?.*tenant=42")):
        page.goto("/sessions/anything?tenant=42")


def test_a_draft_of_another_number_can_be_discarded(visit: Visit, shown: Shown) -> None:
    page = visit("expert")
    page.goto("/prompts/support/answer?tab=edit")
    expect(page.get_by_text("Nothing changed yet")).to_be_visible()
    page.get_by_role("button", name="major").click()
    page.goto("/prompts/support/answer?tab=edit&version=1.0.0")
    expect(page.get_by_text("Discard the draft to begin with 1.0.0")).to_be_visible()
    page.get_by_role("button", name="Discard draft").click()
    expect(page.get_by_text("Begun with 1.0.0")).to_be_visible()
