"""Where suites stand. The server only lists them, and does without all that reads and runs them."""

from pathlib import Path

FOLDER = "evals"


def suite_files(root: Path) -> dict[str, Path]:
    """Where each suite stands, by name."""
    return {path.stem: path for path in sorted((root / FOLDER).glob("*.yaml"))}
