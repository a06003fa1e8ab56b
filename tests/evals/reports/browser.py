"""A real Chromium, spoken to over its debugging protocol; nothing but the standard library and `websockets`."""

import itertools
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Tab:
    """An open page."""

    def __init__(self, socket):
        self._socket = socket
        self._ids = itertools.count(1)
        self.problems = []

    def call(self, method, **params):
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message):
        if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening"):
            self.problems.append(message["params"])

    def open(self, url):
        """Load a page; what its scripts raise, log or violate stands in `problems`."""
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=url)
        while self.value("document.readyState") != "complete" or self.value("location.href") != url:
            pass

    def value(self, script):
        """Evaluate a script in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def width(self, pixels):
        self.call(
            "Emulation.setDeviceMetricsOverride", width=pixels, height=900, deviceScaleFactor=1, mobile=pixels < 600
        )


@contextmanager
def browser() -> Iterator[Tab]:
    """A tab; skipped where there is no Chromium (`apt-get install chromium`)."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"]
        child = subprocess.Popen(
            [program, *options, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert child.stderr is not None
            line = next(line for line in child.stderr if "DevTools listening" in line)
            host = re.search(r"ws://([^/]+)/", line)[1]
            with connect(_page(host), max_size=None, proxy=None, compression=None) as socket:
                yield Tab(socket)
        finally:
            child.terminate()
            child.wait(30)
            child.stderr.close()


def _page(host):
    from urllib.request import ProxyHandler, build_opener

    opener = build_opener(ProxyHandler({}))
    with opener.open(f"http://{host}/json/list", timeout=30) as answer:
        pages = json.load(answer)
    return next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")


def file_of(folder: Path, html: str) -> str:
    """Write a page; its address."""
    path = folder / "report.html"
    path.write_text(html, "utf-8")
    return path.as_uri()
