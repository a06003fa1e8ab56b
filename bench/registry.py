"""10,000 prompt versions in process, measured: lint, load, get, and one change.

    python -m bench.registry

Everything on real files in a temporary folder; the fastest of three rounds, in seconds.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.prompt_files import PROMPTS, VERSIONS, write_project
from moat.prompts.catalog import Catalog

ROUNDS = 3
GETS = 20_000


def seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Wall time of the fastest of some rounds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def get_p99(catalog: Catalog) -> float:
    """The 99th percentile of one `Catalog.get`."""
    prompts = catalog.all()
    times = []
    for number in range(GETS):
        wanted = prompts[number * 7919 % len(prompts)]
        began = time.perf_counter()
        catalog.get(wanted.name, wanted.version)
        times.append(time.perf_counter() - began)
    return sorted(times)[GETS * 99 // 100]


def main() -> None:
    """Print one line for each number."""
    with tempfile.TemporaryDirectory(prefix="moat-bench-") as folder:
        root = write_project(Path(folder))
        time.sleep(0.1)  # until the files' time stamps are old enough to be believed
        catalog = Catalog.load(root)
        changed = next((root / "prompts").rglob("*.yaml"))

        def change() -> None:
            changed.write_text(changed.read_text("utf-8") + "# changed\n", "utf-8")
            Catalog.load(root, catalog)

        lint = [str(Path(sys.executable).with_name("moat")), "-C", str(root), "lint"]
        print(f"{PROMPTS * VERSIONS:,} prompt versions")
        for name, value in (
            ("moat lint, the whole command", seconds(lambda: subprocess.run(lint, capture_output=True, check=True))),
            ("load", seconds(lambda: Catalog.load(root))),
            ("load again after one change", seconds(change)),
            ("get, p99", get_p99(catalog)),
        ):
            print(f"{name:<32}{value:>12.6f}")


if __name__ == "__main__":
    main()
