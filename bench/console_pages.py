"""Pages of the console in Chromium, for `bench.console`: when they are painted and usable, and what they ask for."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Request, sync_playwright

from bench.errors import Unavailable

PASSWORD = "a long enough password"
SWITCHES = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
WATCH = """
window.usable = null;
const look = () => {
  const ready = document.querySelector('main h1') && !document.querySelector('[data-loading]');
  window.usable = ready ? (window.usable ?? performance.now()) : null;
};
new MutationObserver(look).observe(document, {childList: true, subtree: true});
"""
QUIET = "window.usable !== null && performance.now() - window.usable > 700"
"""A page that shows nothing loading for so many milliseconds has loaded."""
SENT = """
performance.getEntries().filter(one => ['navigation', 'resource'].includes(one.entryType))
  .filter(one => !one.name.includes('/api/')).reduce((sum, one) => sum + one.encodedBodySize, 0)
"""
"""Bytes of the page and of its scripts, styles and fonts, packed as they were sent."""
WAIT_SECONDS = 60.0
EVENTS, DOOR = "/api/v1/events", "/sign-in"


class Seen(NamedTuple):
    """Milliseconds from the beginning of the navigation; medians."""

    painted: float
    """The browser's first contentful paint."""
    usable: float
    """The page has its heading, and nothing on it is loading any more."""
    packed: float
    """Bytes of its files."""
    asked: tuple[str, ...]
    """The API's paths with their queries."""


class Console:
    """Somebody who is signed in."""

    def __init__(self, browser: Browser, url: str, cookies: Any) -> None:
        self._browser = browser
        self._url = url
        self._cookies = cookies

    @property
    def cookie(self) -> str:
        """The header that signs in."""
        return "; ".join(f"{one['name']}={one['value']}" for one in self._cookies)

    def seen(self, path: str, rounds: int) -> Seen:
        """Open a page so many times, each with an empty cache. Raises `Unavailable` for one that never is there."""
        found = [self._opened(path) for _ in range(rounds)]
        return Seen(
            median(one.painted for one in found),
            median(one.usable for one in found),
            median(one.packed for one in found),
            found[-1].asked,
        )

    def _opened(self, path: str) -> Seen:
        context = self._browser.new_context(base_url=self._url)
        context.add_cookies(self._cookies)
        page, asked = context.new_page(), dict[str, None]()

        def note(request: Request) -> None:
            address = urlsplit(request.url)
            if request.method == "GET" and address.path.startswith("/api/") and address.path != EVENTS:
                asked[f"{address.path}?{address.query}"] = None

        page.on("request", note)
        page.add_init_script(WATCH)
        page.goto(path)
        deadline = time.monotonic() + WAIT_SECONDS
        # Asked again and again from here: the content policy forbids what Playwright would have the page wait with.
        while not page.evaluate(QUIET):
            if time.monotonic() > deadline:
                raise Unavailable(f"{path} still loads after {WAIT_SECONDS:.0f} s")
            time.sleep(0.1)
        if urlsplit(page.url).path == DOOR:
            raise Unavailable(f"{path} leads to the sign-in")
        painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        seen = Seen(painted, page.evaluate("window.usable"), page.evaluate(SENT), tuple(asked))
        context.close()
        return seen


@contextmanager
def signed_in(url: str, link: str) -> Iterator[Console]:
    """Whoever follows the link. Raises `Unavailable` without a Chromium."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        raise Unavailable("there is no Chromium: install one, or name it in CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(SWITCHES))
        try:
            yield Console(browser, url, _joined(browser, link))
        finally:
            browser.close()


def _joined(browser: Browser, link: str) -> Any:
    """Cookies of an account that has its password now."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    page.get_by_label("Name").fill("Bench")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Start").click()
    page.get_by_role("heading", name="Overview", level=1).wait_for()
    cookies = context.cookies()
    context.close()
    return cookies
