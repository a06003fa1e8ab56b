"""A real browser, and a server with something to show. Every page must be without an error, and stay at home."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

import hatch_build
from tests.console import chromium
from tests.console.world import PEOPLE, Role, Shown, make_shown, showing
from tests.shared import made_once

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "artifacts" / "console"
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
WAIT_MS = 60_000.0
"""For what takes milliseconds on an idle machine."""

expect.set_options(timeout=WAIT_MS)

Visit = Callable[..., Page]
"""`visit()`: a page of somebody who is not signed in; `visit("viewer")`: of a viewer. Options are those of Playwright's
`new_context`."""


class Faults:
    """What went wrong on the pages of a test. One that a test brings about on purpose is forgiven first."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._forgiven: list[re.Pattern[str]] = []

    def forgive(self, pattern: str) -> None:
        """Let pass what matches, such as `status of 404`: Chromium reports each refused request as an error."""
        self._forgiven.append(re.compile(pattern))

    def add(self, fault: str) -> None:
        """Note one."""
        self._found.append(fault)

    @property
    def left(self) -> list[str]:
        """What nobody forgave."""
        return [each for each in self._found if not any(pattern.search(each) for pattern in self._forgiven)]

    def watch(self, page: Page, home: str) -> None:
        """Listen to a page: errors, what the content policy stopped, and requests to anywhere but `home`."""
        host = urlsplit(home).netloc

        def said(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.add(f"{message.type} on {page.url}: {message.text}")

        def asked(request: Request) -> None:
            address = urlsplit(request.url)
            if address.scheme not in ("data", "blob") and address.netloc != host:
                self.add(f"a request left home from {page.url}: {request.url}")

        page.on("console", said)
        page.on("pageerror", lambda error: self.add(f"uncaught on {page.url}: {error}"))
        page.on("request", asked)


@pytest.fixture(scope="session")
def shown(template: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Shown]:
    """The project of `world`, served. Tests share it: one that changes what others read puts it back."""
    made = made_once(tmp_path_factory, worker_id, "shown", lambda folder: make_shown(template, folder))
    root = tmp_path_factory.mktemp("shown") / "example"
    shutil.copytree(made / "example", root, symlinks=True)
    with showing(root) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each file of tests: as long as it is there an event loop counts as running, and no async test can."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium.program(), args=list(chromium.SWITCHES))
        yield launched
        launched.close()


@pytest.fixture
def faults() -> Iterator[Faults]:
    """What went wrong; what is left of it fails the test."""
    found = Faults()
    yield found
    assert found.left == []


@pytest.fixture
def visit(browser: Browser, shown: Shown, faults: Faults) -> Iterator[Visit]:
    """Opens pages, each in a browser profile of its own."""
    contexts = []

    def visiting(role: Role | None = None, **options: object) -> Page:
        context = browser.new_context(base_url=shown.url, **options)  # type: ignore[arg-type]  # Playwright's own
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        if role is not None:
            person = PEOPLE[role]._asdict()
            answer = context.request.post("/api/v1/session", data=person, headers={"origin": shown.url})
            assert answer.ok, answer.text()
        page = context.new_page()
        faults.watch(page, shown.url)
        return page

    yield visiting
    for context in contexts:
        context.close()


@pytest.fixture
def page(visit: Visit) -> Page:
    """A page of an administrator who is signed in."""
    return visit("admin")


def screenshot(page: Page, name: str) -> None:
    """Keep how a page looks, for people, as `artifacts/console/NAME.png`."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def axe(page: Page) -> None:
    """What a machine can judge of WCAG 2.2 AA: axe-core finds nothing on the page, once all of it is there."""
    # What is loading fades in: for a moment it has less contrast than anybody reads it with.
    expect(page.locator("[data-loading]")).to_have_count(0)
    if not AXE.exists():
        hatch_build.install(hatch_build.find_node(), ROOT / "web")
    # By the debugger's way, which the page's content policy has no say in.
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate(
        "async tags => (await axe.run(document, {runOnly: {type: 'tag', values: tags}})).violations", STANDARDS
    )
    told = [
        f"{each['id']}: {each['help']}\n" + "\n".join(f"    {node['html'][:200]}" for node in each["nodes"])
        for each in found
    ]
    assert not told, "\n".join(told)
