"""All tests but those that `make check` runs; `make test` runs it.

Branches are measured in the tests of the rooms that decide: measuring costs up to as much as the tests, so the others
run without. What fails beside other tests has a second chance without them: on a busy machine a deadline passes that is
ample.
"""

import subprocess
import sys
from collections.abc import Sequence

from tests import branches

DECIDING = [f"tests/{room}" for room in branches.ROOMS]
CHECKED = ["tests/house", "tests/docs/test_coverage.py", "tests/docs/test_links.py"]
"""`make check` runs these."""
OTHERS = ["tests", *(f"--ignore={path}" for path in [*DECIDING, *CHECKED])]
MEASURED = ["--cov", "--cov-report="]
FAILED, NOTHING = 1, 5
"""pytest's exit codes."""


def main(arguments: Sequence[str]) -> int:
    """Run them with these arguments of pytest; 1 when a test fails twice, or a room is measured too little."""
    tool("coverage", "erase")
    outcomes = [tests([*DECIDING, *MEASURED, *arguments]), tests([*OTHERS, *arguments])]
    if any(outcomes):
        return 1
    return branches.main() if not arguments else 0


def tests(arguments: Sequence[str]) -> int:
    """Run some, as many at one time as there are processors, and name the longest; then what failed, one at a time."""
    outcome = tool("pytest", "--numprocesses=auto", "--durations=40", "--durations-min=5", *arguments)
    if outcome == FAILED:
        print("Unsteady, or broken? What failed runs again, alone:", flush=True)
        alone = ["--last-failed", "--last-failed-no-failures=none"]
        again = ["--cov-append"] if "--cov" in arguments else []
        outcome = tool("pytest", *alone, *arguments, *again)
    return 0 if outcome == NOTHING else outcome


def tool(name: str, *arguments: str) -> int:
    """Its exit code."""
    return subprocess.run([sys.executable, "-m", name, *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
