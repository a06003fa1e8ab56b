"""`python -m bench.console`: how soon each page of the console is painted and can be used, at a million spans.

    python -m bench.console [--spans 1000000] [--runs 1000] [--rounds 3] [--folder DIR]

A project of its own (`bench.console_project`) is served; then Chromium opens each page with an empty cache, signed in
as an administrator (`bench.console_pages`). After that what the pages ask of the API is asked again, one after the
other and without a browser: milliseconds of the clock, and of the server's processor. Needs Chromium (`CHROMIUM` names
one). Exit code 0: all goals were met, 1: not all, 2: nothing was measured.
"""

import argparse
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec
from rich.console import Console as Terminal
from rich.table import Table

from bench.console_pages import Seen, signed_in
from bench.console_project import Places, fill
from bench.errors import Unavailable
from bench.machine import cpu_seconds, describe
from bench.peers.moat import PROGRAM
from bench.process import run, running

PAINTED_MS, USABLE_MS, FIRST_PAGE_KIB = 1000.0, 1500.0, 400.0
"""The goals."""
READY_SECONDS = 60.0
EMAIL = "bench@example.org"
ASKED_AGAIN = 9
"""Times that each request is asked; the medians count."""


class Served(NamedTuple):
    """A server."""

    pid: int
    url: str
    link: str
    """For an account that has no password yet."""


class Cost(NamedTuple):
    """Milliseconds of one request."""

    wall: float
    cpu: float
    """Of the server's processor, what it does besides included."""


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench.console", description="How soon pages are there.")
    parser.add_argument("--spans", type=int, default=1_000_000, help="in the trace store")
    parser.add_argument("--runs", type=int, default=1_000, help="of evaluations")
    parser.add_argument("--rounds", type=int, default=3, help="that each page is opened; the median counts")
    parser.add_argument("--folder", type=Path, help="where there is room (default: the system's temporary folder)")
    asked = parser.parse_args()
    terminal = Terminal(width=None if sys.stdout.isatty() else 110)
    terminal.print(", ".join(f"{name} {value}" for name, value in describe().items()), markup=False)
    try:
        with tempfile.TemporaryDirectory(prefix="moat-bench-", dir=asked.folder) as scratch:
            folder = Path(scratch)
            terminal.print(f"... {asked.spans:,} spans and {asked.runs:,} runs into the stores")
            places = fill(folder, asked.spans, asked.runs)
            with _served(folder) as server, signed_in(server.url, server.link) as console:
                found = {path: console.seen(path, asked.rounds) for path in _pages(places)}
                wanted = dict.fromkeys(path for seen in found.values() for path in seen.asked)
                costs = {path: _asked(server, console.cookie, path) for path in wanted}
    except Unavailable as reason:
        terminal.print(f"not measured: {reason}", markup=False)
        return 2
    _show_requests(costs, terminal)
    return _show_pages(found, terminal)


def _pages(places: Places) -> tuple[str, ...]:
    newer, older = places.runs
    return (
        *("/", "/?window=7d", "/?window=30d"),
        *("/traces", "/traces?q=error", f"/traces?q=user%20%3D%20{places.user}", f"/traces/{places.request_id}"),
        *("/sessions", f"/sessions/{places.session}", "/sessions?tab=users", f"/users/{places.user}"),
        *("/prompts", "/prompts/support/answer"),
        *("/evals", "/evals/runs", f"/evals/runs/{newer}", f"/evals/compare?run={newer}&baseline={older}"),
        *("/evals/judges", "/releases", "/releases/served?prompt=support%2Fanswer&environment=staging"),
        *("/spend", "/spend?days=7", "/spend/limits", "/spend/keys"),
        *("/guards", "/guards?window=30d", "/guards/policies"),
        *("/settings", "/settings/providers", "/settings/accounts", "/settings/audit"),
    )


@contextmanager
def _served(folder: Path) -> Iterator[Served]:
    serve = (PROGRAM, "serve", "--host", "127.0.0.1", "--port", "0")
    with running(serve, folder, frozenset(os.sched_getaffinity(0))) as process:
        url = _ready(folder)
        add = (PROGRAM, "accounts", "add", EMAIL, "--role", "admin", "--url", url, "--json")
        yield Served(process.pid, url, msgspec.json.decode(run(add, folder, 60))["link"])


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


def _asked(server: Served, cookie: str, path: str) -> Cost:
    """Again and again, one after the other."""
    walls, before = [], cpu_seconds(server.pid)
    for _ in range(ASKED_AGAIN):
        began = time.perf_counter()
        asked = urllib.request.Request(f"{server.url}{path}", headers={"cookie": cookie})
        with urllib.request.urlopen(asked, timeout=READY_SECONDS) as answer:
            answer.read()
        walls.append((time.perf_counter() - began) * 1e3)
    return Cost(median(walls), (cpu_seconds(server.pid) - before) / ASKED_AGAIN * 1e3)


def _show_requests(costs: dict[str, Cost], terminal: Terminal) -> None:
    """The slowest of each path and names of parameters, slowest first."""
    table = Table("request", "ms", "processor ms")
    slowest = dict[str, Cost]()
    for path, cost in costs.items():
        name = _name(path)
        slowest[name] = max(cost, slowest.get(name, cost))
    for name, cost in sorted(slowest.items(), key=lambda one: -one[1].wall):
        table.add_row(name, f"{cost.wall:.0f}", f"{cost.cpu:.0f}")
    terminal.print(table)


def _name(path: str) -> str:
    """Without ids and times."""
    address = urlsplit(path)
    folder, _, last = address.path.rpartition("/")
    named = f"{folder}/..." if len(last) > 20 else address.path
    query = [
        f"{name}={value}" if len(value) < 20 and not name.endswith("_ns") else name
        for name, value in parse_qsl(address.query)
    ]
    return f"{named.removeprefix('/api/v1')} {' '.join(query)}".rstrip()


def _show_pages(found: dict[str, Seen], terminal: Terminal) -> int:
    """The table; the exit code."""
    table = Table("page", "painted ms", "usable ms", "KiB packed", "requests")
    missed = 0
    for page, seen in found.items():
        missed += (seen.painted > PAINTED_MS) + (seen.usable > USABLE_MS)
        values = (seen.painted, seen.usable, seen.packed / 1024, len(seen.asked))
        table.add_row(page if len(page) < 40 else f"{page[:36]}...", *[f"{value:.0f}" for value in values])
    first = next(iter(found.values())).packed / 1024
    missed += first > FIRST_PAGE_KIB
    terminal.print(table)
    goals = f"painted in {PAINTED_MS:.0f} ms, usable in {USABLE_MS:.0f} ms, the first page {FIRST_PAGE_KIB:.0f} KiB"
    terminal.print(f"goals: {goals}; {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
