"""Branch coverage of the rooms that decide, from the data of the last run. `make test` runs it at the end."""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOMS = ("domain", "pipeline", "prompts", "evals")
REQUIRED = 0.90


def main() -> int:
    """Print each room's share of branches taken; 1 when one is below `REQUIRED`."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "--quiet", "-o", str(report)]
        subprocess.run(command, check=True)
        files = json.loads(report.read_text())["files"]
    taken: Counter[str] = Counter()
    known: Counter[str] = Counter()
    for path, measured in files.items():
        room = Path(path).parts[2]
        taken[room] += measured["summary"]["covered_branches"]
        known[room] += measured["summary"]["num_branches"]
    shares = {room: taken[room] / known[room] for room in ROOMS}
    for room, share in shares.items():
        print(f"branches of {room}: {share:.1%} of {known[room]}")
    return int(any(share < REQUIRED for share in shares.values()))


if __name__ == "__main__":
    sys.exit(main())
