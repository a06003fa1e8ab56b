"""`python -m bench.console`: how soon each page of the console is painted and can be used, at a million spans.

    python -m bench.console [--spans 1000000] [--rounds 3] [--folder DIR]

A project of its own is filled with the spans of `bench.trace_spans`, moved so that they end now, and served; then
Chromium opens each page with an empty cache, signed in as a viewer. *Painted* is the browser's first contentful paint;
*usable* is when the page has its heading and nothing on it is loading any more. Needs Chromium (`CHROMIUM` names one).
Exit code 0: all goals were met, 1: not all.
"""

import argparse
import gzip
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table

from bench.errors import Unavailable
from bench.machine import describe
from bench.peers.moat import PROGRAM
from bench.process import run, running
from bench.trace_spans import END, spans
from moat.adapters.duckdb import DuckTraces
from moat.console.site import BUILT
from moat.ports.traces import TraceFilter

PAGES = (
    *("/", "/?window=7d", "/traces", "/traces?q=error", "/sessions", "/prompts", "/evals", "/releases"),
    *("/spend", "/guards", "/settings"),
)
PAINTED_MS, USABLE_MS = 1000.0, 1500.0
"""The goals."""
BATCH = 50_000
READY_SECONDS = 60.0
EMAIL, PASSWORD = "bench@example.org", "a long enough password"
SWITCHES = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
WATCH = """
window.usable = null;
const look = () => {
  const ready = document.querySelector('main h1') && !document.querySelector('[data-loading]');
  window.usable = ready ? (window.usable ?? performance.now()) : null;
};
new MutationObserver(look).observe(document, {childList: true, subtree: true});
"""
SETTLED_MS = 700
"""A page that shows nothing loading for so long has loaded."""


class Seen(NamedTuple):
    """Milliseconds from the beginning of the navigation."""

    painted: float
    usable: float


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench.console", description="How soon pages are there.")
    parser.add_argument("--spans", type=int, default=1_000_000, help="in the trace store")
    parser.add_argument("--rounds", type=int, default=3, help="that each page is opened; the median counts")
    parser.add_argument("--folder", type=Path, help="where there is room (default: the system's temporary folder)")
    asked = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(", ".join(f"{name} {value}" for name, value in describe().items()), markup=False)
    with tempfile.TemporaryDirectory(prefix="moat-bench-", dir=asked.folder) as scratch:
        folder = Path(scratch)
        console.print(f"... {asked.spans:,} spans into the store")
        request_id = _fill(folder, asked.spans)
        with _served(folder) as (url, link):
            found = _measured(url, link, (*PAGES, f"/traces/{request_id}"), asked.rounds)
    packed = _first_page()
    console.print(f"first page, packed: {packed / 1024:.0f} KiB of JavaScript and CSS")
    return _show(found, console)


def _fill(folder: Path, count: int) -> str:
    """A project whose calls end now; the request id of one of them."""
    (folder / "moat.yaml").write_text("project: bench\nproviders: {}\nmodels: {}\n", "utf-8")
    (folder / ".moat").mkdir()
    store = DuckTraces.open(folder / ".moat" / "traces.duckdb")
    later, encoder = time.time_ns() - END, msgspec.json.Encoder()
    path, every = folder / "more.ndjson", spans(count)
    while batch := list(islice(every, BATCH)):
        path.write_bytes(encoder.encode_lines([replace(one, started_ns=one.started_ns + later) for one in batch]))
        store.ingest([path])
    (newest,) = store.search(TraceFilter(), 1)
    store.close()
    return newest.request_id


@contextmanager
def _served(folder: Path) -> Iterator[tuple[str, str]]:
    """Its address, and the link of an account that has no password yet."""
    serve = (PROGRAM, "serve", "--host", "127.0.0.1", "--port", "0")
    with running(serve, folder, frozenset(os.sched_getaffinity(0))):
        url = _ready(folder)
        add = (PROGRAM, "accounts", "add", EMAIL, "--role", "viewer", "--url", url, "--json")
        yield url, msgspec.json.decode(run(add, folder, 60))["link"]


def _ready(folder: Path) -> str:
    """Wait for the server. Raises `Unavailable`."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            url: str = msgspec.json.decode((folder / ".moat/server.json").read_bytes())["url"]
            with urllib.request.urlopen(f"{url}/healthz", timeout=5):
                return url
        except (OSError, HTTPException, msgspec.DecodeError):
            time.sleep(0.05)
    raise Unavailable("the server did not start")


def _measured(url: str, link: str, pages: tuple[str, ...], rounds: int) -> dict[str, Seen]:
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        raise Unavailable("there is no Chromium: install one, or name it in CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(SWITCHES))
        try:
            cookies = _joined(browser, link)
            return {page: _opened(browser, url, page, cookies, rounds) for page in pages}
        finally:
            browser.close()


def _joined(browser: Browser, link: str) -> Any:
    """Cookies of somebody who has followed the link."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    page.get_by_label("Name").fill("Bench")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Start").click()
    page.wait_for_selector("main h1")
    cookies = context.cookies()
    context.close()
    return cookies


def _opened(browser: Browser, url: str, path: str, cookies: Any, rounds: int) -> Seen:
    """The median, each time with an empty cache."""
    found = []
    for _ in range(rounds):
        context = browser.new_context(base_url=url)
        context.add_cookies(cookies)
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(path)
        page.wait_for_function(
            f"window.usable !== null && performance.now() - window.usable > {SETTLED_MS}", timeout=READY_SECONDS * 1e3
        )
        painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        found.append(Seen(painted, page.evaluate("window.usable")))
        context.close()
    return Seen(median(one.painted for one in found), median(one.usable for one in found))


def _first_page() -> int:
    """Bytes, packed, of what the first page needs: what its HTML names, and the two chunks of the overview."""
    html = (BUILT / "index.html").read_text("utf-8")
    assets = [path for path in (BUILT / "assets").iterdir() if path.suffix in (".js", ".css")]
    needed = [path for path in assets if path.name in html or path.name.startswith(("Overview", "Chart"))]
    return sum(len(gzip.compress(path.read_bytes())) for path in needed)


def _show(found: dict[str, Seen], console: Console) -> int:
    """The table; the exit code."""
    table = Table("page", "painted ms", "usable ms")
    missed = 0
    for page, seen in found.items():
        late = (seen.painted > PAINTED_MS) + (seen.usable > USABLE_MS)
        missed += late
        table.add_row(page if len(page) < 40 else f"{page[:36]}...", *[f"{value:.0f}" for value in seen])
    console.print(table)
    console.print(f"goals: painted in {PAINTED_MS:.0f} ms, usable in {USABLE_MS:.0f} ms; {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
