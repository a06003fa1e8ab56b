"""What a large eval takes, command by command: CPU and memory.

    python -m bench.scale_evals [--cases 10000]

Two versions of a Python function that answers at once are run over so many cases with two deterministic scorers, one
answer in a hundred missing; the runs are compared, and reported in every format. Each line is one process.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.errors import Unavailable
from bench.process import PATH, last_line

FORMATS = ("html", "md", "json", "parquet", "xml")

CONFIG = """\
providers: {local: {kind: openai, base_url: "http://127.0.0.1:9/v1", api_key: "${BENCH_KEY}"}}
models: {bench: {use: [local/bench]}}
"""
SUITE = """\
target: {kind: function, path: app/bot.py:answer}
dataset: s.jsonl
scorers:
  - {kind: equals}
  - {kind: length, max: 8}
gates:
  - {score: equals, margin: 0.02}
"""
FUNCTION = """\
import zlib


async def answer(n):
    chance = zlib.crc32(b"%d:%%d" %% n) %% 100
    if chance >= 99:
        raise ValueError("lost")
    return "yes" if chance < 80 else "no, never"
"""


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale_evals", description="What a large eval takes.")
    parser.add_argument("--cases", type=int, default=10_000)
    count: int = parser.parse_args().cases
    print(f"| {count:,} cases | CPU s | largest MiB |\n|---|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="moat-bench-") as folder:
        project = Path(folder)
        prepare(project, count)
        runs = []
        for version in (1, 2):
            (project / "app/bot.py").write_text(FUNCTION % version)
            moat(project, "run", "run", "--suite", "s", expected=(0, 2))
            listed = msgspec.json.decode(moat(project, "", "list", "--limit", "1", "--json"))
            runs.append(listed[0]["id"])
        moat(project, "compare", "compare", *runs)
        for form in FORMATS:
            moat(project, f"report.{form}", "report", runs[1], "--baseline", runs[0], "-o", f"{folder}/report.{form}")


def prepare(project: Path, count: int) -> None:
    """The project, with clusters of four cases."""
    for name in ("evals", "app"):
        (project / name).mkdir()
    (project / "moat.yaml").write_text(CONFIG)
    (project / "evals/s.yaml").write_text(SUITE)
    with (project / "evals/s.jsonl").open("wb") as file:
        for i in range(count):
            case = {"id": f"case-{i:06d}", "variables": {"n": i}, "expected": "yes", "cluster": f"text-{i // 4}"}
            file.write(msgspec.json.encode(case) + b"\n")


def moat(project: Path, name: str, *words: str, expected: Sequence[int] = (0,)) -> bytes:
    """One command of `moat eval`, and its line unless it has no name. Raises `Unavailable` when it fails."""
    argv = (str(Path(sys.executable).with_name("moat")), "--project", str(project), "eval", *words)
    environment = {"PATH": PATH, "HOME": str(project), "LANG": "C.UTF-8", "BENCH_KEY": "bench-local"}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(argv, env=environment, stdout=output, stderr=errors, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in expected:
            errors.seek(0)
            raise Unavailable(f"moat eval {words[0]} failed: {last_line(errors.read().decode('utf-8', 'replace'))}")
        if name:
            print(f"| {name} | {usage.ru_utime + usage.ru_stime:.2f} | {usage.ru_maxrss / 1024:.0f} |", flush=True)
        output.seek(0)
        return output.read()


if __name__ == "__main__":
    main()
