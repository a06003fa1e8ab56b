"""`python -m tests.docs.dependency_sizes`: version, installed size and licence of each direct dependency."""

import re
import tomllib
from importlib.metadata import distribution

from tests.docs.pages import ROOT


def direct_dependencies() -> list[str]:
    """Names in pyproject.toml's `dependencies`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return sorted(re.split(r"[^A-Za-z0-9_.-]", text)[0] for text in project["dependencies"])


def _row(name: str) -> str:
    found = distribution(name)
    size = sum(file.locate().stat().st_size for file in found.files or () if file.locate().is_file())
    classified = [c.rpartition(" :: ")[2] for c in found.metadata.get_all("Classifier", []) if c.startswith("License")]
    licence = found.metadata.get("License-Expression") or ", ".join(classified) or found.metadata.get("License", "")
    return f"| {name} | {found.version} | {size / 1e6:.1f} MB | {licence} |"


if __name__ == "__main__":
    print("\n".join(map(_row, direct_dependencies())))
