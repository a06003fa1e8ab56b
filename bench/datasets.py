"""What loading and checking a large dataset takes: `python -m bench.datasets`. No network."""

import random
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from moat.domain.scores import Case
from moat.evals.datasets import load_dataset
from moat.evals.datasets.coverage import coverage
from moat.evals.datasets.similarity import near_duplicates
from moat.evals.datasets.writing import export

LARGE, CHECKED = 100_000, 10_000


def cases(count: int) -> list[Case]:
    """Made-up questions of 8 to 30 words, whose frequencies fall as those of natural words do."""
    chance = random.Random(7)
    words = [f"w{int(chance.paretovariate(0.7)) % 20_000}" for _ in range(50_000)]
    return [
        Case(
            id=f"case-{number:06d}",
            variables={"question": " ".join(chance.choices(words, k=chance.randint(8, 30)))},
            labels={"intent": f"intent-{number % 9}"},
            tags=["bench"],
        )
        for number in range(count)
    ]


def duplicates() -> str:
    """Look for near-duplicates."""
    some = cases(CHECKED)
    return timed(f"near-duplicates of {CHECKED:,} cases", lambda: near_duplicates(some))


def covered() -> str:
    """Count what a dataset covers."""
    some = cases(CHECKED)
    return timed(f"coverage of {CHECKED:,} cases", lambda: coverage(some))


def written(path: Path) -> None:
    """Make a large dataset."""
    export(cases(LARGE), path)


def loaded(path: Path) -> str:
    """Load it."""
    title = f"load {LARGE:,} cases from {path.suffix} ({path.stat().st_size / 2**20:.0f} MiB)"
    return timed(title, lambda: load_dataset(path))


def timed(title: str, work: Callable[[], object]) -> str:
    """Run it once; what it took, in words."""
    began, before = time.process_time(), _peak()
    work()
    return f"{title:<46} {time.process_time() - began:6.2f} s CPU  {_peak() - before:+7.1f} MiB peak"


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print a table; each line is measured in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        print(pool.submit(duplicates).result())
        print(pool.submit(covered).result())
        with tempfile.TemporaryDirectory() as folder:
            for suffix in ("jsonl", "json", "csv", "parquet"):
                path = Path(folder) / f"large.{suffix}"
                pool.submit(written, path).result()
                print(pool.submit(loaded, path).result())


if __name__ == "__main__":
    main()
