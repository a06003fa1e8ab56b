"""Writes docs/fault-matrix.md anew: `python -m tests.faults.regenerate`."""

from tests.faults.matrix import PAGE, render

if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
