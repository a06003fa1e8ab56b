"""Reports as files, by the name of their format."""

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from moat.domain.errors import StorageError
from moat.evals.reports.html import to_html
from moat.evals.reports.junit import to_junit
from moat.evals.reports.markdown import run_markdown
from moat.evals.reports.report import RunReport
from moat.evals.reports.tables import json_parts, write_parquet

TEXTS: dict[str, Callable[[RunReport], Iterable[bytes]]] = {
    "html": lambda report: [to_html(report).encode("utf-8", "replace")],
    "markdown": lambda report: [run_markdown(report).encode("utf-8", "replace")],
    "junit": lambda report: [to_junit([report])],
    "json": json_parts,
}
FORMATS = (*TEXTS, "parquet")
SUFFIXES = {
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".xml": "junit",
    ".json": "json",
    ".parquet": "parquet",
}
"""The format that a file's ending means."""


def rendered(report: RunReport, kind: str) -> Iterable[bytes]:
    """A report in one of the text formats, in pieces."""
    return TEXTS[kind](report)


def write_report(report: RunReport, path: Path, kind: str = "") -> None:
    """Write a report, whole or not at all; its format is `kind`, or what the file's ending means.

    Raises `StorageError`, also for an ending that means none.
    """
    kind = kind or SUFFIXES.get(path.suffix.lower(), "")
    if kind not in FORMATS:
        raise StorageError(
            f"no format is known for {path.suffix or 'a file without an ending'}",
            where=str(path),
            remedy=f"End it in one of: {', '.join(SUFFIXES)}.",
        )
    if kind == "parquet":
        write_parquet(report, path)
        return
    content = rendered(report, kind)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            try:
                file.writelines(content)
                file.close()
                Path(file.name).chmod(0o666 & ~_umask())
                Path(file.name).replace(path)
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"the report cannot be written: {error.strerror}", where=str(path)) from None


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
