"""What happened last Tuesday? Every page can be asked for a time that is over, and all tell of the same calls."""

import re
import time
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from moat.domain.spans import Span
from moat.telemetry.spool import SegmentSpool
from tests.bootstrap.projects import eventually
from tests.console.conftest import Faults, Visit, axe, screenshot
from tests.console.world import Shown

HOUR = timedelta(hours=1)


class Tuesday(NamedTuple):
    """The last whole one before yesterday, on this machine's clock."""

    nine: datetime
    noon: datetime

    def fields(self) -> tuple[str, str]:
        """As fields of date and time have it."""
        return self.nine.strftime("%Y-%m-%dT%H:%M"), self.noon.strftime("%Y-%m-%dT%H:%M")


@pytest.fixture(scope="module")
def tuesday(shown: Shown) -> Tuesday:
    """With nine calls between nine and noon, of which four failed, and others that are not people's."""
    today = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
    day = today - timedelta(days=(today.weekday() - 1) % 7 or 7)
    day -= timedelta(days=7) if today - day < timedelta(days=2) else timedelta()
    nine = day + 9 * HOUR
    calls = [_span(n, nine + n * 18 * HOUR / 60, error="timeout" if n % 2 else "") for n in range(9)]
    calls += [_span(20 + n, nine + n * HOUR, environment="eval") for n in range(2)]
    calls += [_span(30, nine + HOUR, shadow_of="req_t1"), _span(40, nine - HOUR), _span(41, nine + 3 * HOUR)]
    spool = SegmentSpool(shown.project.root / ".moat" / "spool")
    spool.open()
    spool.append(calls)
    spool.close()
    since_ns = int(day.timestamp()) * 10**9
    found = f"/api/v1/calls/count?since_ns={since_ns}&until_ns={since_ns + 86_400 * 10**9}"
    eventually(lambda: shown.server.get(found)[1]["calls"] == len(calls))
    return Tuesday(nine, nine + 3 * HOUR)


def _span(number: int, at: datetime, *, environment: str = "production", error: str = "", shadow_of: str = "") -> Span:
    return Span(
        span_id=f"{number + 9000:016x}",
        trace_id=f"{number + 9000:032x}",
        request_id=f"req_t{number}",
        kind="call",
        name="chat",
        environment=environment,
        error=error,
        shadow_of=shadow_of,
        started_ns=int(at.timestamp()) * 10**9,
        duration_ns=10**9,
        model="assistant",
        cost=10**9,
    )


def ask(page: Page, tuesday: Tuesday) -> None:
    """By the fields, with the keyboard."""
    page.get_by_role("button", name="Between …").press("Enter")
    asked = page.get_by_role("dialog")
    expect(asked.get_by_label("From")).to_be_focused()
    for name, value in zip(("From", "Until"), tuesday.fields(), strict=True):
        asked.get_by_label(name).fill(value)
    asked.get_by_label("Until").press("Enter")


def in_words(tuesday: Tuesday) -> re.Pattern[str]:
    """`Tue 17 Nov 09:00 to 12:00`."""
    return re.compile(rf"^Tue {tuesday.nine.day} [A-Z][a-z]{{2}}( \d{{4}})? 09:00 to 12:00$")


def test_what_happened_last_tuesday(page: Page, tuesday: Tuesday) -> None:
    page.goto("/")
    ask(page, tuesday)
    tiles = page.get_by_role("list", name="How it is").get_by_role("listitem")
    expect(tiles.filter(has_text="Calls")).to_contain_text("9")
    expect(tiles.filter(has_text="Failed")).to_contain_text("44.44 %")
    expect(page.get_by_role("heading", name="Budgets, as they are now")).to_be_visible()
    axe(page)
    screenshot(page, "overview-tuesday")

    tiles.filter(has_text="Calls").get_by_role("link", name=re.compile("^Show them")).click()
    page.wait_for_url("**/traces?**")
    totals = page.get_by_label("Totals")
    expect(totals).to_contain_text(re.compile(r"calls\s*9\s*failed\s*4 \("))
    expect(page.get_by_role("button", name=in_words(tuesday))).to_be_visible()
    page.go_back()
    tiles.filter(has_text="Failed").get_by_role("link", name=re.compile("^Show them")).click()
    expect(totals).to_contain_text(re.compile(r"calls\s*4\s*failed\s*4 \("))
    page.go_back()
    page.get_by_role("button", name="Back to last 24 hours").click()
    expect(page.get_by_label("Time", exact=True)).to_have_value("24h")
    page.go_back()
    expect(page.get_by_role("button", name=in_words(tuesday))).to_be_visible()


def test_what_is_drawn_over_a_chart_is_looked_at_closer(page: Page, tuesday: Tuesday) -> None:
    since, until = (int(at.timestamp()) * 1000 for at in (tuesday.nine - HOUR, tuesday.noon + HOUR))
    page.goto(f"/?from={since}&until={until}")
    tiles = page.get_by_role("list", name="How it is").get_by_role("listitem")
    expect(tiles.filter(has_text="Calls")).to_contain_text("11")
    plot = page.get_by_role("figure", name="Calls", exact=True).locator(".u-over")
    box = plot.bounding_box()
    assert box is not None
    # From about half past eight until about half past twelve: of five hours.
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 30, steps=4)
    page.mouse.up()
    expect(tiles.filter(has_text="Calls")).to_contain_text("9")
    tiles.filter(has_text="Calls").get_by_role("link", name=re.compile("^Show them")).click()
    expect(page.get_by_label("Totals")).to_contain_text(re.compile(r"calls\s*9\s*failed\s*4 \("))
    page.go_back()
    page.go_back()
    expect(tiles.filter(has_text="Calls")).to_contain_text("11")


def test_every_page_can_be_asked_for_it(page: Page, tuesday: Tuesday) -> None:
    for path, usual in (
        ("/sessions", "Back to last 24 hours"),
        ("/spend", "Back to 30 days with today"),
        ("/guards", "Back to last 7 days"),
        ("/users/ada", "Back to last 24 hours"),
        ("/releases/served?prompt=support/answer&environment=production", "Back to last 24 hours"),
    ):
        page.goto(path)
        ask(page, tuesday)
        expect(page.get_by_role("button", name=in_words(tuesday))).to_be_visible()
        page.reload()
        expect(page.get_by_role("button", name=in_words(tuesday))).to_be_visible()
        page.get_by_role("button", name=usual).click()
        expect(page.get_by_label("Time", exact=True)).to_be_visible()


def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(page: Page, tuesday: Tuesday) -> None:
    page.goto("/")
    nine, noon = tuesday.fields()
    page.get_by_role("button", name="Between …").click()
    asked = page.get_by_role("dialog")
    begun, ended = asked.get_by_label("From"), asked.get_by_label("Until")
    begun.fill(noon)
    ended.fill(nine)
    asked.get_by_role("button", name="Show").click()
    expect(asked.get_by_role("alert")).to_contain_text("later than the beginning")
    expect(ended).to_have_attribute("aria-invalid", "true")
    expect(begun).to_have_value(noon)
    expect(ended).to_have_value(nine)
    axe(page)
    screenshot(page, "period-wrong")
    begun.fill((tuesday.nine - timedelta(days=91)).strftime("%Y-%m-%dT%H:%M"))
    ended.fill(noon)
    asked.get_by_role("button", name="Show").click()
    expect(asked.get_by_role("alert")).to_contain_text("90 days")
    begun.fill(nine)
    asked.get_by_role("button", name="Show").click()
    expect(page.get_by_role("button", name=in_words(tuesday))).to_be_visible()


def test_a_time_without_an_end_goes_on_until_now(page: Page, tuesday: Tuesday) -> None:
    page.goto("/traces")
    page.get_by_role("button", name="Between …").click()
    asked = page.get_by_role("dialog")
    asked.get_by_label("From").fill(tuesday.fields()[0])
    asked.get_by_label("No end: up to now").check()
    expect(asked.get_by_label("Until")).to_have_count(0)
    axe(page)
    screenshot(page, "period-until-now")
    asked.get_by_role("button", name="Show").click()
    since = page.get_by_role("button", name=re.compile(r"^Since Tue .* 09:00$"))
    expect(since).to_be_visible()
    assert "from=" in page.url
    assert "until=" not in page.url
    since.click()
    expect(asked.get_by_label("No end: up to now")).to_be_checked()


def test_a_time_that_is_too_long_in_an_address_is_refused_in_words(page: Page, faults: Faults) -> None:
    faults.forgive("status of 400")
    now = int(time.time()) * 1000
    page.goto(f"/?from={now - 100 * 86_400_000}&until={now}")
    expect(page.get_by_role("alert")).to_contain_text("90 days")


def test_addresses_of_before_lead_where_they_led(page: Page) -> None:
    for path, window in (
        ("/spend?days=7", "7days"),
        ("/spend?days=1", "today"),
        ("/releases/served?prompt=support/answer&environment=production&span=6h", "6h"),
        ("/traces?window=7d", "7d"),
    ):
        page.goto(path)
        expect(page.get_by_label("Time", exact=True)).to_have_value(window)


def test_it_is_asked_for_on_a_phone(visit: Visit, tuesday: Tuesday) -> None:
    page = visit("viewer", viewport={"width": 390, "height": 800})
    page.goto("/")
    ask(page, tuesday)
    expect(page.get_by_role("button", name=in_words(tuesday))).to_be_visible()
    expect(page.get_by_role("list", name="How it is")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(page, "overview-tuesday-phone")
