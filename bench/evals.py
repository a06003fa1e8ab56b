"""`python -m bench.evals`: what an eval case costs, beside promptfoo and Inspect.

Each asks the same instant local server once for each of 2,000 cases and checks two things about the answer, with 64
cases at one time and without a cache. What counts is the net time of a case: that of 2,000 cases less that of one. The
peers are installed below `bench/.peers`, once; one that cannot be installed, or does not find all answers right, is
left out, with the reason.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from bench.errors import Unavailable
from bench.machine import free_port, listens
from bench.peers.peer import install_once
from bench.process import PATH, last_line, run, running

PEERS = Path(__file__).parent / ".peers"
PROMPTFOO, INSPECT = "promptfoo@0.121.20", "inspect-ai==0.3.285"
CONCURRENCY = 64
START_SECONDS = 20.0
LOOK_SECONDS = 300.0


class Spent(NamedTuple):
    """What one command took."""

    wall: float
    cpu: float
    mib: float
    """Of its largest process."""


class Runner(NamedTuple):
    """One way to run an eval."""

    name: str
    prepare: Callable[[Path, int, int], Sequence[str | Path]]
    """Writes what it needs for so many cases at a server's port; the command to run in the folder."""
    environment: dict[str, str]
    right: Callable[[Path, int], bool]
    """Did so many cases all pass, by what it left in the folder?"""


def main() -> int:
    """0 when something was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.evals", description="What an eval case costs.")
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--moat-only", action="store_true", help="Install and run no peer.")
    asked = parser.parse_args()
    console = Console()
    table = Table("runner", "wall s", "CPU s", "net ms/case", "net CPU ms/case", "peak MiB", "1 case s")
    with tempfile.TemporaryDirectory(prefix="moat-bench-") as folder, instant(Path(folder)) as port:
        for offer in (moat,) if asked.moat_only else (moat, promptfoo, inspect):
            try:
                table.add_row(*_row(offer(), Path(folder), port, asked.cases, asked.rounds))
            except Unavailable as reason:
                console.print(f"{offer.__name__} is left out: {reason}", markup=False)
    console.print(table)
    return 0 if table.row_count else 2


def _row(runner: Runner, folder: Path, port: int, cases: int, rounds: int) -> list[str]:
    many = [measured(runner, folder / f"{runner.name}-{cases}-{i}", port, cases) for i in range(rounds)]
    one = [measured(runner, folder / f"{runner.name}-1-{i}", port, 1) for i in range(rounds)]
    middle = Spent(*(statistics.median(values) for values in zip(*many, strict=True)))
    single = Spent(*(statistics.median(values) for values in zip(*one, strict=True)))
    net = [1000 * (whole - start) / (cases - 1) for whole, start in zip(middle[:2], single[:2], strict=True)]
    numbers = (middle.wall, middle.cpu, *net, middle.mib, single.wall)
    return [runner.name, *(f"{number:.2f}" for number in numbers)]


def measured(runner: Runner, folder: Path, port: int, cases: int) -> Spent:
    """Run it once in a new folder. Raises `Unavailable` when it fails."""
    folder.mkdir()
    argv = [str(word) for word in runner.prepare(folder, port, cases)]
    environment = {"PATH": f"{Path(argv[0]).parent}:{PATH}", "HOME": str(folder), "LANG": "C.UTF-8"}
    log = folder / "output.log"
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env={**environment, **runner.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    if process.returncode != 0:
        raise Unavailable(f"{runner.name} failed: {last_line(log.read_text('utf-8', 'replace'))}")
    if not runner.right(folder, cases):
        raise Unavailable(f"{runner.name} did not find {cases} right answers, although it says that all went well")
    return Spent(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@contextmanager
def instant(folder: Path) -> Iterator[int]:
    """The server, on a free port."""
    port = free_port()
    here = folder / "server"
    here.mkdir()
    everywhere = frozenset(os.sched_getaffinity(0))
    environment = {"PYTHONPATH": str(Path(__file__).parents[1])}
    with running((sys.executable, "-m", "bench.eval_server", str(port)), here, everywhere, environment):
        deadline = time.monotonic() + START_SECONDS
        while not listens(port):
            if time.monotonic() > deadline:
                raise Unavailable("the server does not start")
            time.sleep(0.02)
        yield port


def moat() -> Runner:
    """This project."""
    return Runner("Moat", _moat_project, {"BENCH_KEY": "bench-local"}, _moat_right)


def _moat_right(folder: Path, cases: int) -> bool:
    said = (folder / "output.log").read_text()
    return f": 1.000  ({cases} cases" in said and said.count(" 1.000 [") == 2


def _moat_project(folder: Path, port: int, cases: int) -> Sequence[str | Path]:
    lines = [
        {"id": f"case-{i:06d}", "variables": {"question": f"Is {i} a number?"}, "expected": "yes"} for i in range(cases)
    ]
    files = {
        "moat.yaml": f'providers:\n  local: {{kind: openai, base_url: "http://127.0.0.1:{port}/v1", '
        'api_key: "${BENCH_KEY}"}\nmodels:\n  bench: {use: [local/bench]}\n',
        "prompts/q/1.0.0.yaml": "model: bench\nvariables:\n  question: {type: string}\nmessages:\n"
        '  - {role: system, content: Answer.}\n  - {role: user, content: "{{ question }}"}\n',
        "evals/s.yaml": f"prompt: q\ndataset: s.jsonl\nconcurrency: {CONCURRENCY}\nscorers:\n"
        "  - {kind: equals}\n  - {kind: length, max: 10}\n",
        "evals/s.jsonl": b"\n".join(map(msgspec.json.encode, lines)).decode(),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    program = Path(sys.executable).with_name("moat")
    return (program, "--project", folder, "eval", "run", "q@1.0.0", "--no-cache")


def promptfoo() -> Runner:
    """Through npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is not installed")
    home = PEERS / "promptfoo"
    steps = (npm, "install", "--no-audit", "--no-fund", "--prefix", home, PROMPTFOO)
    install_once(home, PROMPTFOO, steps)
    node = shutil.which("node") or "node"
    program = home / "node_modules/promptfoo/dist/src/main.js"

    def prepare(folder: Path, port: int, cases: int) -> Sequence[str | Path]:
        tests = [
            {
                "vars": {"question": f"Is {i} a number?"},
                "assert": [{"type": "equals", "value": "yes"}, {"type": "javascript", "value": "output.length <= 10"}],
            }
            for i in range(cases)
        ]
        provider = {"id": "openai:chat:bench", "config": {"apiBaseUrl": f"http://127.0.0.1:{port}/v1"}}
        config = {"prompts": ["Answer. {{question}}"], "providers": [provider], "tests": tests}
        (folder / "config.json").write_bytes(msgspec.json.encode(config))
        flags = ("--no-cache", "--no-table", "--no-progress-bar", "--no-write", "-j", str(CONCURRENCY))
        return (node, program, "eval", "-c", folder / "config.json", *flags)

    quiet = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_SELF_HOSTED": "1"}
    return Runner("promptfoo", prepare, {"OPENAI_API_KEY": "bench", **quiet}, _promptfoo_right)


def _promptfoo_right(folder: Path, cases: int) -> bool:
    """That all passed is what its exit code says (else it is 100); its summary may be lost when it ends."""
    said = (folder / "output.log").read_text()
    return f"Running {cases} test case" in said or f"Running {cases:,} test case" in said


TASK = """\
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import exact, match
from inspect_ai.solver import generate

@task
def bench():
    samples = [Sample(input=f"Is {i} a number?", target="yes", id=i) for i in range(%d)]
    return Task(dataset=samples, solver=generate(), scorer=[exact(), match()])
"""


def inspect() -> Runner:
    """In a virtual environment of its own."""
    home = PEERS / "inspect"
    uv = Path(sys.executable).with_name("uv")
    make = (uv, "venv", "--quiet", "--python", sys.executable, home / "venv")
    install_once(home, INSPECT, make, (uv, "pip", "install", "--quiet", "--python", home / "venv", INSPECT, "openai"))
    run((home / "venv/bin/inspect", "--version"), home, LOOK_SECONDS)

    def prepare(folder: Path, port: int, cases: int) -> Sequence[str | Path]:
        (folder / "task.py").write_text(TASK % cases)
        flags = (
            "--model",
            "openai/bench",
            "--model-base-url",
            f"http://127.0.0.1:{port}/v1",
            "-M",
            "responses_api=false",
        )
        many = ("--display", "none", "--max-connections", str(CONCURRENCY), "--max-samples", str(CONCURRENCY))
        return (home / "venv/bin/inspect", "eval", "task.py", "--log-dir", "logs", *flags, *many)

    def right(folder: Path, cases: int) -> bool:
        log = next((folder / "logs").glob("*.eval"))
        shown = run((home / "venv/bin/inspect", "log", "dump", "--header-only", log), folder, LOOK_SECONDS)
        results = msgspec.json.decode(shown)["results"]
        metrics = [score["metrics"] for score in results["scores"]] if results else []
        means = [each.get("accuracy", each.get("mean"))["value"] for each in metrics]  # `exact` has a mean only
        return means == [1, 1] and results["completed_samples"] == cases

    return Runner("Inspect", prepare, {"OPENAI_API_KEY": "bench"}, right)


if __name__ == "__main__":
    sys.exit(main())
