"""Prometheus itself: the machine's, or Debian's package, unpacked once into `.cache`."""

import fcntl
import json
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bootstrap.projects import DEADLINE, eventually

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "prometheus"


def program(name: str) -> str:
    """`prometheus` or `promtool`. Fetched with apt where it is not installed."""
    found = shutil.which(name)
    if found is None:
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (CACHE / "usr/bin" / name).exists():
                _fetch()
        found = str(CACHE / "usr/bin" / name)
    return found


def _fetch() -> None:
    assert shutil.which("apt-get"), "these tests need Prometheus: install it (Debian: apt-get install prometheus)"
    for command in (
        ("apt-get", "download", "prometheus"),
        ("apt-get", "update"),
        ("apt-get", "download", "prometheus"),
    ):
        done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, timeout=300, check=False)
        if packages := sorted(CACHE.glob("prometheus_*.deb")):
            subprocess.run(("dpkg", "-x", packages[-1].name, "."), cwd=CACHE, check=True, timeout=300)
            return
    raise AssertionError(f"Prometheus cannot be fetched; install it. apt said: {done.stderr}")


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it."""
    return subprocess.run((program("promtool"), *arguments), capture_output=True, text=True, timeout=120, check=False)


class Prometheus:
    """A running one."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **parameters: str) -> Any:
        """`data` of an answer of its API."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=DEADLINE) as answer:
            found = json.loads(answer.read())
        assert found["status"] == "success", found
        return found["data"]

    def value(self, query: str, at: float | None = None) -> float | None:
        """The one number that a query gives; None when it gives none."""
        parameters = {"query": query} | ({} if at is None else {"time": repr(at)})
        result = self.ask("query", **parameters)["result"]
        assert len(result) <= 1, result
        return float(result[0]["value"][1]) if result else None


@contextmanager
def prometheus(folder: Path, target: str, token: str, rules: Path) -> Iterator[Prometheus]:
    """One that looks at a server four times a second, and evaluates rules each second."""
    (folder / "token").write_text(token)
    config = {
        "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": "moat",
                "authorization": {"credentials_file": str(folder / "token")},
                "static_configs": [{"targets": [target]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = (
        program("prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    )
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        running = Prometheus(f"http://127.0.0.1:{port}")
        eventually(lambda: _ready(running, process, folder))
        yield running
    finally:
        process.terminate()
        process.wait(DEADLINE)


def _ready(running: Prometheus, process: "subprocess.Popen[bytes]", folder: Path) -> bool:
    assert process.poll() is None, (folder / "prometheus.log").read_text()
    try:
        return running.value("up") == 1
    except OSError:
        return False
