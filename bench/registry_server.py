"""A server with 10,000 prompt versions, measured: start, index, answers, reload.

    python -m bench.registry_server [--versions 10000]

One process of `moat serve` in a project made for this, and one client on one connection; nothing is mocked. The client
and the server share the machine's processors.
"""

import argparse
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

from moat.adapters.git import GitRepository
from moat.adapters.sqlite import SqliteRegistry, SqliteState
from moat.adapters.system import SystemClock
from moat.bootstrap.indexing import Indexing
from moat.domain.releases import PromptRef
from moat.prompts.catalog import Catalog
from moat.prompts.rollout import Rollout

VERSIONS_EACH = 20
GETS = 5_000
CHANGES = 20
DEADLINE = 60.0

T = TypeVar("T")

PROMPT = """\
description: Answers a question about topic {number}.
owner: team-{team}
tags: [bench, topic-{number}]
model: assistant
params: {{temperature: 0.2, max_tokens: 300}}
variables:
  question: {{type: string, description: What the customer asks.}}
  plan: {{type: string, default: free, enum: [free, pro]}}
  language: {{type: string, default: English}}
messages:
  - role: system
    content: |
      You answer customers of shop {number} in {{{{ language }}}}. {{% include "tone" %}}
      This is revision {version} of the instructions.
      {{% if plan == "pro" %}}The customer has the pro plan.{{% endif %}}
      Reply with JSON: the intent, and the answer in at most three sentences.
      Quote the policy when money is concerned, and never give legal advice.
  - role: user
    content: "{{{{ question }}}}"
output:
  type: object
  required: [intent, answer]
  properties:
    intent: {{type: string}}
    answer: {{type: string}}
"""


def main() -> int:
    """Measure, print, and end with 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.registry_server", description=__doc__.partition("\n")[0])
    parser.add_argument("--versions", type=int, default=10_000, help="prompt versions (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="moat-bench-") as folder:
        root = make_project(Path(folder), arguments.versions)
        print(f"{arguments.versions:,} prompt versions")
        for name, value in (*_in_process(root), *_over_http(root)):
            print(f"  {name:<50} {value}")
    return 0


def make_project(folder: Path, versions: int) -> Path:
    """The example with so many more versions, committed in `VERSIONS_EACH` commits on main and on one branch more."""
    moat = str(Path(sys.executable).with_name("moat"))
    subprocess.run([moat, "init", "project", "--provider", "simulated"], cwd=folder, check=True, capture_output=True)
    root = folder / "project"
    prompts = max(1, versions // VERSIONS_EACH)
    for version in range(VERSIONS_EACH):
        for number in range(prompts):
            path = root / f"prompts/bench/topic-{number}/1.{version}.0.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(PROMPT.format(number=number, team=number % 9, version=version), "utf-8")
        _git(root, "add", "-A")
        _git(root, "commit", "-qm", f"Revision {version}")
    _git(root, "branch", "topic", "HEAD~5")
    return root


def _git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Bench", "-c", "user.email=bench@example.org", "-c", "gc.auto=0")
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


def _in_process(root: Path) -> Iterator[tuple[str, str]]:
    took, catalog = _timed(lambda: Catalog.load(root))
    yield "load all files, s", f"{took:.2f}"
    state = SqliteState.open(root / ".moat/state.db")
    indexing = Indexing(GitRepository(root), SqliteRegistry(state), SystemClock())
    took, changed = _timed(lambda: indexing.bring_up_to_date(catalog))
    yield "index all, git included, s", f"{took:.2f} ({changed:,} rows)"
    again = Indexing(GitRepository(root), SqliteRegistry(state), SystemClock())
    took, changed = _timed(lambda: again.bring_up_to_date(catalog))
    yield "index again, nothing changed, s", f"{took:.2f} ({changed:,} rows)"
    state.close()
    rollout = Rollout(catalog, (), (), "production")
    refs = [PromptRef(name=prompt.name, version=prompt.version) for prompt in catalog.all()]
    random.Random(7).shuffle(refs)
    times = [_timed(lambda ref=ref: rollout.resolve(ref, ""))[0] for ref in refs]  # type: ignore[misc]
    yield "get in process, p50 / p99, µs", _percentiles(times, 1e6)


def _over_http(root: Path) -> Iterator[tuple[str, str]]:
    began = time.perf_counter()
    with _serving(root) as (address, token):
        client = _Client(address, token)
        client.until("bench/topic-0", "1.0.0")
        yield "moat serve to the first prompt, s", f"{time.perf_counter() - began:.2f}"
        time.sleep(5)  # the index is made in this time
        client = _Client(address, token)
        draw = random.Random(7)
        prompts = len(list((root / "prompts/bench").iterdir()))
        wanted = [(f"bench/topic-{draw.randrange(prompts)}", f"1.{draw.randrange(20)}.0") for _ in range(GETS)]
        times = [_timed(lambda pair=pair: client.get(*pair))[0] for pair in wanted]  # type: ignore[misc]
        yield "get over HTTP, p50 / p99, ms", _percentiles(times, 1e3)
        lives = []
        for number in range(CHANGES):
            time.sleep(draw.uniform(1.5, 2.5))  # not in step with anything
            path = root / f"prompts/bench/topic-{number}/2.0.0.yaml"
            written = time.perf_counter()
            path.write_text(PROMPT.format(number=number, team=1, version="new"), "utf-8")
            client.until(f"bench/topic-{number}", "2.0.0")
            lives.append(time.perf_counter() - written)
        yield (
            f"a new file is served, median / worst of {CHANGES}, s",
            f"{statistics.median(lives):.2f} / {max(lives):.2f}",
        )


@contextmanager
def _serving(root: Path) -> Iterator[tuple[str, str]]:
    moat = str(Path(sys.executable).with_name("moat"))
    announced = root / ".moat/server.json"
    with (root / "serve.log").open("wb") as log:
        process = subprocess.Popen([moat, "serve", "--port", "0"], cwd=root, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + DEADLINE
        while not announced.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((root / "serve.log").read_text("utf-8"))
            time.sleep(0.005)
        file = json.loads(announced.read_bytes())
        yield file["url"], file["token"]
    finally:
        process.terminate()
        process.wait()


class _Client:
    """One connection."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=DEADLINE)
        self._headers = {"authorization": f"Bearer {token}"}

    def get(self, name: str, version: str) -> int:
        """The status of asking for one version."""
        self._connection.request("GET", f"/api/v1/prompts/{quote(name)}?version={version}", headers=self._headers)
        with self._connection.getresponse() as response:
            response.read()
            return response.status

    def until(self, name: str, version: str) -> None:
        """Ask until it is served."""
        deadline = time.monotonic() + DEADLINE
        while self.get(name, version) != 200:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name}@{version} is not served")
            time.sleep(0.005)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def _percentiles(seconds: list[float], unit: float) -> str:
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2] * unit:.2f} / {ordered[int(len(ordered) * 0.99)] * unit:.2f}"


if __name__ == "__main__":
    sys.exit(main())
