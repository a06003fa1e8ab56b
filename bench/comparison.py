"""What it takes to compare two stored runs: CPU and memory.

    python -m bench.comparison [--cases 10000]

Two runs of three scores with clusters of four cases and one answer in a hundred missing, read from SQLite; compared,
judged, and made into an HTML report. Each step's CPU seconds and the process's largest memory so far, in MiB.
"""

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from moat.adapters.sqlite.runs import SqliteRuns
from moat.adapters.sqlite.state import SqliteState
from moat.domain.scores import Case, Result, Run, Score
from moat.evals.compare import Measured, compare
from moat.evals.datasets import Dataset, dataset_digest
from moat.evals.gate import judge
from moat.evals.reports.html import to_html
from moat.evals.reports.report import build_report
from moat.evals.running.stored import StoredResults
from moat.evals.suites import Gate

SCORES = ("right", "short", "close")
MISSING, BATCH, MOST_IN_A_REPORT = 0.01, 500, 20_000
GATES = (Gate(score="right", margin=0.03), Gate(score="close", min=0.4))

T = TypeVar("T")


def main() -> None:
    """Print a line for each step."""
    parser = argparse.ArgumentParser(prog="python -m bench.comparison", description="What a comparison takes.")
    parser.add_argument("--cases", type=int, default=10_000)
    count: int = parser.parse_args().cases
    cases = tuple(Case(id=f"case-{i:06d}", variables={"n": i}, cluster=f"text-{i // 4}") for i in range(count))
    data = Dataset(cases, dataset_digest(cases))
    print(f"| {count:,} cases, {len(SCORES)} scores | CPU s | largest MiB |\n|---|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        state = SqliteState.open(Path(folder) / "state.db")
        runs = SqliteRuns(state)
        old, new = step("stored", lambda: [stored(runs, data, version) for version in ("1.0.0", "2.0.0")])
        step("one run read", lambda: sum(1 for _ in new.results))
        found = step("compared, imports included", lambda: compare(old, new, data))
        step("compared again", lambda: compare(old, new, data))
        verdict = step("judged", lambda: judge(found, GATES))
        if count <= MOST_IN_A_REPORT:
            report = step("report built", lambda: build_report(verdict, new, data, baseline=old))
            step("HTML", lambda: to_html(report))
        state.close()


def step(name: str, work: Callable[[], T]) -> T:
    """Do it, and say what it took."""
    began = time.process_time()
    result = work()
    took = time.process_time() - began
    print(f"| {name} | {took:.2f} | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} |", flush=True)
    return result


def stored(runs: SqliteRuns, data: Dataset, version: str) -> Measured:
    """A finished run."""
    run = Run(
        id=f"run_{version}", suite="bench", suite_digest="", dataset_digest=data.digest, prompt="q", version=version,
        prompt_digest=version, model="m", cases=len(data.cases),
    )  # fmt: skip
    runs.start(run)
    results = list(answers(data, random.Random(version)))
    for start in range(0, len(results), BATCH):
        runs.add(run.id, results[start : start + BATCH])
    runs.finish(run.id, "finished", 1, None, "")
    return Measured(runs.get(run.id), StoredResults(runs, run.id))


def answers(data: Dataset, chance: random.Random) -> Iterator[Result]:
    """Two scores pass or fail, one is graded."""
    for case in data.cases:
        if chance.random() < MISSING:
            lost = [Score(name=name, status="not_run") for name in SCORES]
            yield Result(case=case.id, error="timeout", scores=lost)
        else:
            values = (float(chance.random() < 0.8), float(chance.random() < 0.9), round(chance.random(), 3))
            scores = [Score(name=name, value=value) for name, value in zip(SCORES, values, strict=True)]
            yield Result(case=case.id, output="The answer is 42. " * 10, scores=scores, latency_ns=10**9)


if __name__ == "__main__":
    main()
