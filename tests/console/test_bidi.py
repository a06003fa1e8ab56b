"""Text that runs from right to left, or asks for it, turns nothing that stands around it."""

import json

from playwright.sync_api import Page, Route, expect

from tests.bootstrap.projects import eventually
from tests.console.world import Shown

TURN = "\u202e"
"""RIGHT-TO-LEFT OVERRIDE: what comes after it is shown backwards, up to the end of the paragraph or of an isolate."""
ARABIC = "هل يمكنني إرجاع خيمة (لم تستخدم) خلال 30 يوما؟"
PLACES = """
([element, wanted]) => {
  const letters = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    for (let index = 0; index < walker.currentNode.length; index++) letters.push([walker.currentNode, index]);
  }
  const begin = element.textContent.indexOf(wanted);
  return letters.slice(begin, begin + wanted.length).map(([node, index]) => {
    const range = document.createRange();
    range.setStart(node, index);
    range.setEnd(node, index + 1);
    return range.getBoundingClientRect().left;
  });
}
"""


def places(page: Page, selector: str, wanted: str) -> list[float]:
    """How far from the left each letter of a text stands that an element holds."""
    element = page.locator(selector).first.element_handle()
    found: list[float] = page.evaluate(PLACES, [element, wanted])
    assert len(found) == len(wanted), found
    return found


def test_the_name_of_a_person_turns_only_itself(page: Page) -> None:
    def spoiled(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["runs"][0] |= {"author": f"{TURN}gnirtS", "commit": "draft"}
        route.fulfill(response=answer, body=json.dumps(body))

    page.route("**/api/v1/runs?*", spoiled)
    page.goto("/evals/runs")
    cell = page.get_by_role("cell").filter(has_text=", a draft").first
    expect(cell).to_be_visible()
    cell.evaluate("cell => cell.setAttribute('data-tried', '')")
    name, rest = places(page, "[data-tried]", "gnirtS"), places(page, "[data-tried]", ", a draft")
    assert name == sorted(name, reverse=True), "as its author has it"
    assert rest == sorted(rest)
    assert max(name) < min(rest)


def test_what_was_asked_runs_as_it_begins_and_what_stands_around_it_stays(page: Page, shown: Shown) -> None:
    asked = [{"role": "user", "content": f"{ARABIC}\nOrder 12 (paid), please.\n{TURN}drawkcab"}]
    status, answer = shown.server.send(
        "POST", "/v1/chat/completions", {"model": "assistant", "messages": asked}, content_type="application/json"
    )
    assert status == 200, answer
    found = eventually(lambda: shown.server.get("/api/v1/calls?limit=1&q=drawkcab")[1]["calls"])
    page.goto(f"/traces/{found[0]['trace_id']}")
    text = page.locator("pre").filter(has_text="Order 12").first
    expect(text).to_be_visible()
    text.evaluate("text => text.setAttribute('data-tried', '')")
    arabic = places(page, "[data-tried]", ARABIC[:8])
    assert arabic == sorted(arabic, reverse=True)
    edge = text.evaluate("text => text.getBoundingClientRect().right")
    assert edge - arabic[0] < 60, "an Arabic paragraph begins at the right"
    english = places(page, "[data-tried]", "Order 12 (paid), please.")
    assert english == sorted(english)
    backwards = places(page, "[data-tried]", "drawkcab")
    assert backwards == sorted(backwards, reverse=True)
