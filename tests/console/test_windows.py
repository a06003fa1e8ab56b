"""Many windows of one browser, and one line on which the server says what changed."""

from playwright.sync_api import Page, expect

from tests.bootstrap.projects import PROMPT, eventually
from tests.console.conftest import Faults, Visit
from tests.console.test_releases import release
from tests.console.world import NEW, OLD, Shown

WINDOWS = 8
"""More than the six connections that a browser has to one server."""
LINES = """
    window.lines = [];
    window.EventSource = class extends EventSource {
        constructor(url) { super(url); window.lines.push(this); }
    };
"""
"""Keeps every line that a page opens."""
OPEN = "window.lines.filter(line => line.readyState === EventSource.OPEN).length"


def staging(page: Page) -> None:
    """The list of what is served."""
    page.goto("/releases")
    expect(page.get_by_role("article", name=f"{PROMPT} in staging")).to_be_visible()


def serves(page: Page, version: str) -> None:
    """What staging serves, as the page says without being reloaded."""
    card = page.get_by_role("article", name=f"{PROMPT} in staging")
    expect(card.get_by_role("link", name=version)).to_be_visible()


def test_eight_windows_open_hear_of_changes_and_roll_back(visit: Visit, shown: Shown, faults: Faults) -> None:
    first = visit("engineer")
    windows = [first, *(first.context.new_page() for _ in range(WINDOWS - 1))]
    for window in windows[1:]:
        faults.watch(window, shown.url)
    for window in windows:
        staging(window)
    last = windows[-1]
    last.get_by_role("button", name=f"Roll back {PROMPT} in staging").click()
    asked = last.get_by_role("dialog")
    asked.get_by_role("button", name=f"Roll back to {OLD} now").click()
    expect(asked.get_by_role("status")).to_contain_text(f"staging serves {OLD} again.")
    for window in windows[:-1]:
        serves(window, OLD)
    release(shown, NEW, "staging")
    for window in windows[:-1]:
        serves(window, NEW)
    first.close()  # the one that opened the line
    release(shown, OLD, "staging")
    serves(windows[1], OLD)
    release(shown, NEW, "staging")


def holds(page: Page, lines: int) -> None:
    """How many lines the page has open, sooner or later."""
    eventually(lambda: page.evaluate(OPEN) == lines)


def see(page: Page, state: str) -> None:
    """Turn to the window, or to another one."""
    page.evaluate(
        """state => {
            Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        state,
    )


def test_without_shared_workers_a_window_holds_a_line_while_it_is_seen(visit: Visit, shown: Shown) -> None:
    page = visit("viewer")
    page.add_init_script("delete window.SharedWorker;" + LINES)
    staging(page)
    holds(page, 1)
    release(shown, OLD, "staging")
    serves(page, OLD)
    see(page, "hidden")
    holds(page, 0)
    release(shown, NEW, "staging")
    page.wait_for_timeout(3_000)  # three rounds, were there any
    serves(page, OLD)
    see(page, "visible")
    holds(page, 1)
    serves(page, NEW)


def test_where_the_shared_line_cannot_be_had_a_window_holds_its_own(visit: Visit, shown: Shown, faults: Faults) -> None:
    faults.forgive(r"Failed to load resource|Failed to fetch a worker script")
    page = visit("viewer")
    page.add_init_script(
        """{
            const Real = window.SharedWorker;
            window.SharedWorker = class extends Real {
                constructor(url, options) { super('/assets/upgraded-away.js', options); }
            };
        }"""
        + LINES
    )
    staging(page)
    holds(page, 1)
    release(shown, OLD, "staging")
    serves(page, OLD)
    release(shown, NEW, "staging")
