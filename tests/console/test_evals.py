"""Suites and their runs: why a version is kept back, which cases it lost, and how far the numbers can be believed."""

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.console.conftest import Faults, Visit, axe, screenshot
from tests.console.world import NEW, OLD, WORSE, Shown


def test_from_the_suites_to_the_case_that_a_version_lost(visit: Visit) -> None:
    page = visit("viewer")
    page.goto("/evals")
    expect(page.get_by_role("row").filter(has_text="facts at least 0.7, at most 0.05 lost")).to_contain_text("pass")
    axe(page)
    screenshot(page, "evals")
    page.get_by_role("link", name="support", exact=True).click()
    _open(page, WORSE)
    gate = page.get_by_role("region", name="Gates").get_by_role("row").filter(has_text="at least 0.7")
    expect(gate).to_contain_text("regressed")
    expect(gate).to_contain_text("floor 0.7, significantly below")
    page.get_by_label("Answers").select_option("scored below")
    page.get_by_role("combobox", name="By", exact=True).select_option("facts")
    expect(page).to_have_url(_has("show=below", "score=facts"))
    cases = page.get_by_role("region", name="Cases")
    expect(cases.get_by_role("row").filter(has_text="0.00").first).to_be_visible()
    expect(cases.get_by_role("row").filter(has_text="account-data-copy")).to_have_count(0)
    page.get_by_label("Case", exact=True).fill("return")
    page.keyboard.press("Enter")
    expect(page).to_have_url(_has("search=return"))
    cases.get_by_role("link").first.click()
    opened = page.get_by_role("complementary", name="The open case")
    expect(opened).to_contain_text("Answered")
    expect(opened.get_by_role("listitem").filter(has_text="facts")).to_contain_text("the answer is not JSON")
    axe(page)
    screenshot(page, "evals-run")
    opened.get_by_role("link", name="Trace").click()
    page.wait_for_url("**/traces/*")
    page.go_back()
    expect(opened).to_contain_text("Answered")


def test_a_run_says_how_sure_its_numbers_are(page: Page) -> None:
    page.goto("/evals/runs?suite=support")
    _open(page, NEW)
    facts = page.get_by_role("region", name="Scores").get_by_role("row").filter(has_text="facts")
    expect(facts).to_contain_text("gated")
    expect(facts).to_contain_text(" to ")
    page.get_by_label("Split by").fill("labels.intent")
    page.get_by_role("button", name="Split").click()
    expect(page.get_by_role("region", name="intent by slice").get_by_role("row")).not_to_have_count(0)
    expect(page.get_by_role("row").filter(has_text="labels.intent=returns")).to_contain_text(" to ")


def test_slices_that_there_are_not_are_refused_and_stay_typed(page: Page, faults: Faults) -> None:
    faults.forgive("status of 4")
    page.goto("/evals/runs?suite=support")
    _open(page, NEW)
    page.get_by_label("Split by").fill("no_such_path")
    page.get_by_role("button", name="Split").click()
    expect(page.get_by_role("alert")).to_contain_text("no_such_path")
    expect(page.get_by_label("Split by")).to_have_value("no_such_path")
    expect(page.get_by_role("region", name="Scores")).to_be_visible()


def test_two_runs_are_compared_by_what_got_worse_and_by_words(page: Page) -> None:
    page.goto("/evals/runs?suite=support")
    for version in (OLD, WORSE):
        page.get_by_role("row").filter(has_text=f"@{version}").get_by_role("checkbox").check()
    page.get_by_role("link", name=f"Compare support/answer@{WORSE} with support/answer@{OLD}").click()
    row = page.get_by_role("region", name="Scores of both runs").get_by_role("row").filter(has_text="intent")
    expect(row).to_contain_text("regressed")
    expect(row).to_contain_text("−")
    case = page.get_by_role("group").filter(has=page.get_by_role("heading", level=3)).first
    expect(case).to_contain_text("worse")
    expect(case.locator("del").first).to_be_visible()
    expect(case.get_by_role("region")).to_contain_text("Why")
    axe(page)
    screenshot(page, "evals-compare")
    page.get_by_role("link", name="Swap").click()
    page.get_by_role("link", name="got better").click()
    expect(page).to_have_url(_has("change=better"))
    expect(page.get_by_role("heading", name=f"support/answer@{OLD} against support/answer@{WORSE}")).to_be_visible()
    expect(page.get_by_role("group").filter(has=page.get_by_role("heading", level=3)).first).to_contain_text("better")


def test_a_comparison_is_filtered_on_the_server_and_in_the_address(page: Page, shown: Shown) -> None:
    runs = {run["version"]: run["id"] for run in shown.server.get("/api/v1/runs?suite=support")[1]["runs"]}
    wanted = f"run={runs[WORSE]}&baseline={runs[OLD]}"
    page.goto(f"/evals/compare?{wanted}")
    page.get_by_role("link", name=re.compile("^changed")).click()
    expect(page).to_have_url(_has("change=changed"))
    page.get_by_label("Slice, most losses first").select_option("tags=golden")
    expect(page).to_have_url(_has("change=changed", "golden"))
    golden = shown.server.get(f"/api/v1/comparisons?{wanted}&change=changed&slice=tags%3Dgolden&limit=1000")[1]["cases"]
    cases = page.get_by_role("group").filter(has=page.get_by_role("heading", level=3))
    expect(cases).to_have_count(len(golden))
    page.get_by_label("Case", exact=True).fill("no such case")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("status").filter(has_text="There is no such case.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Case", exact=True)).to_have_value("no such case")
    axe(page)


def test_runs_are_filtered_on_the_server_and_in_the_address(page: Page) -> None:
    page.goto("/evals/runs")
    rows = page.get_by_role("region", name="Runs").get_by_role("row")
    page.get_by_label("Verdict").select_option("regressed")
    expect(page).to_have_url(_has("verdict=regressed"))
    expect(rows.filter(has_text=f"@{OLD}")).to_have_count(0)
    expect(rows.nth(1)).to_contain_text(f"@{WORSE}")
    page.get_by_label("Version").fill(NEW)
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("heading", name="No such run")).to_be_visible()
    page.get_by_role("link", name="All runs").first.click()
    expect(rows.filter(has_text=f"@{OLD}").first).to_be_visible()
    axe(page)


def test_runs_that_do_not_compare_say_why(page: Page) -> None:
    page.goto("/evals/runs")
    for suite in ("smoke", "support"):
        page.get_by_role("row").filter(has_text=f"@{NEW}").filter(
            has=page.get_by_role("cell", name=suite, exact=True)
        ).get_by_role("checkbox").check()
    expect(page.get_by_role("status")).to_contain_text("They are of different suites.")


def test_another_baseline_is_chosen(page: Page, shown: Shown) -> None:
    runs = {run["version"]: run["id"] for run in shown.server.get("/api/v1/runs?suite=support")[1]["runs"]}
    page.goto(f"/evals/compare?run={runs[NEW]}")
    page.get_by_role("combobox", name="Baseline").select_option(runs[WORSE])
    expect(page.get_by_role("heading", name=f"support/answer@{NEW} against support/answer@{WORSE}")).to_be_visible()
    expect(page).to_have_url(_has(runs[WORSE]))


def test_the_power_of_a_suite_is_asked_for_and_linked(page: Page) -> None:
    page.goto("/evals/power?suite=support")
    page.get_by_label("Difference").fill("10pts")
    page.get_by_label("Cases").fill("500")
    page.get_by_role("button", name="Plan").click()
    expect(page).to_have_url(_has("detect=10pts", "cases=500"))
    facts = page.get_by_role("region", name="facts", exact=True)
    expect(facts).to_contain_text("To see a difference of 0.100 with 80 % power")
    expect(facts).to_contain_text("Power of 500 cases")
    axe(page)
    screenshot(page, "evals-power")
    page.reload()
    expect(page.get_by_label("Cases")).to_have_value("500")


def test_without_a_judge_it_is_said_how_to_get_one(page: Page) -> None:
    page.goto("/evals/judges")
    expect(page.get_by_role("heading", name="No suite has a judge")).to_be_visible()
    expect(page.get_by_text("moat judge add relevance", exact=True)).to_be_visible()
    axe(page)


def test_a_judge_is_shown_with_what_to_do_about_it(page: Page) -> None:
    measure = {"value": 0.3, "low": -0.1, "high": 0.6}
    calibration = {
        "created": "2026-11-01",
        "expires": "2027-01-30",
        "n": 40,
        "people": 2,
        "failed": 1,
        "threshold": 0.5,
        "tp": 20,
        "fn": 6,
        "fp": 7,
        "tn": 7,
        "kappa": measure,
        "alpha": measure,
        "alpha_people": measure,
        "tpr": measure,
        "tnr": measure,
        "shift": measure,
        "length_bias": None,
        "lean": None,
        "consistent": None,
        "slices": [
            {"name": "tags=vip", "n": 12, "few": True, "tp": 6, "fn": 1, "fp": 1, "tn": 4}
            | {name: {"value": 0.6, "low": 0.1, "high": 0.9} for name in ("kappa", "tpr", "tnr", "shift")}
            | {"length_bias": None},
            {"name": "tags=refund", "n": 28, "few": False, "tp": 9, "fn": 6, "fp": 7, "tn": 6}
            | dict.fromkeys(("kappa", "tpr", "tnr", "shift"), measure)
            | {"length_bias": measure},
        ],
    }
    judge = {
        "suite": "support",
        "scorer": "tone",
        "prompt": "judges/tone@1.0.0",
        "models": ["judge"],
        "labels": 40,
        "standing": "expired",
        "words": "expired: its prompt changed",
        "calibration": calibration,
    }
    _answer(page, "**/api/v1/judges", [judge])
    page.goto("/evals/judges")
    shown = page.get_by_role("region", name="support/tone", exact=True)
    expect(shown.get_by_role("row", name="People fail 7 7")).to_be_visible()
    whole = shown.get_by_role("region", name="Agreement of support/tone with people").get_by_role("row")
    expect(whole.filter(has_text="kappa")).to_contain_text("−0.100 to 0.600")
    slices = shown.get_by_role("region", name="Agreement of support/tone by slice").get_by_role("row")
    expect(slices.nth(1)).to_contain_text("tags=refund")
    expect(slices.nth(2)).to_contain_text("few answers")
    expect(shown).to_contain_text("It agrees too little with people.")
    expect(shown.get_by_text("moat judge calibrate support/tone", exact=True)).to_be_visible()
    axe(page)
    screenshot(page, "evals-judges")


@pytest.mark.promise("inj-9")
def test_what_was_asked_and_answered_is_text_whatever_it_says(page: Page) -> None:
    evil = '<img src="https://beacon.example/x.png" onerror="document.title=1"><script>document.title=2</script>'

    def spoiled(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        one = body["results"][0]
        one["case"] = evil
        one["asked"] |= {"input": {"question": evil}, "labels": {evil: evil}, "tags": [evil]}
        image = {"type": "image_url", "image_url": {"url": "https://beacon.example/y.png"}}
        message = {"role": evil, "content": [{"type": "text", "text": evil}, image]}
        call = {"function": {"name": evil, "arguments": evil}}
        one["answer"] |= {"output": evil, "error": "", "tool_calls": [call], "messages": [message], "context": [evil]}
        one["answer"]["scores"][0] |= {"reason": evil, "evidence": {"why": evil}}
        route.fulfill(response=answer, body=json.dumps(body))

    page.route("**/api/v1/runs/*/results*", spoiled)
    page.goto("/evals/runs?suite=support")
    _open(page, NEW)
    page.get_by_role("region", name="Cases").get_by_role("link", name=evil).click()
    opened = page.get_by_role("complementary", name="The open case")
    expect(opened.get_by_role("heading")).to_have_text(evil)
    opened.evaluate("pane => pane.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert page.locator("img").count() == 0
    expect(page).to_have_title(f"support on support/answer@{NEW} · Moat")


def test_nothing_evaluated_yet_teaches(page: Page) -> None:
    _answer(page, "**/api/v1/suites", [])
    _answer(page, "**/api/v1/runs*", {"runs": [], "next": ""})
    page.goto("/evals")
    expect(page.get_by_text("moat eval init", exact=True)).to_be_visible()
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_text(re.compile(r"^moat eval run support/answer@\d"))).to_be_visible()
    page.get_by_role("link", name="Power").click()
    expect(page.get_by_role("heading", name="There is no suite to plan")).to_be_visible()


def test_a_phone_scrolls_only_downwards(visit: Visit, shown: Shown) -> None:
    page = visit("viewer", viewport={"width": 390, "height": 844})
    runs = {run["version"]: run["id"] for run in shown.server.get("/api/v1/runs?suite=support")[1]["runs"]}
    for path in ("", "/runs", f"/runs/{runs[WORSE]}", f"/compare?run={runs[WORSE]}", "/power", "/judges"):
        page.goto(f"/evals{path}")
        expect(page.locator("[data-loading]")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


def _open(page: Page, version: str) -> None:
    page.get_by_role("region", name="Runs").get_by_role("link", name=f"support/answer@{version}", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"@{version}")


def _has(*parts: str) -> re.Pattern[str]:
    """A pattern of addresses with all parts, in any order."""
    return re.compile("".join(f"(?=.*{re.escape(part)})" for part in parts))


def _answer(page: Page, pattern: str, body: object) -> None:
    """Let the API answer with something that the project shown has not."""
    page.route(pattern, lambda route: route.fulfill(json=body))
