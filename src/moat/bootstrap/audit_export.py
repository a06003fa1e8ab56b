"""The audit log in a file for others: JSON lines that can be verified anywhere, or a table for spreadsheets."""

import csv
import os
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import msgspec

from moat.domain.audit import Found, canonical
from moat.domain.errors import ConflictError, RequestError, StorageError

_COLUMNS = ("sequence", "time", "actor", "action", "subject", "reason", "detail", "digest")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def export(entries: Iterable[Found], target: Path) -> int:
    """Write a file, whole or not at all, by its ending `.jsonl` or `.csv`; how many entries.

    Raises `ConflictError` when it is there, `RequestError` for another ending, `StorageError`.
    """
    write = _WRITERS.get(target.suffix)
    if write is None:
        raise RequestError("must end in .jsonl or .csv", where=str(target))
    if target.exists():
        raise ConflictError("is there already", where=str(target), remedy="Name a file that is not there yet.")
    half = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, half = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            count = write(entries, file)
        os.replace(half, target)
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=str(target)) from None
    finally:
        if half:
            Path(half).unlink(missing_ok=True)
    return count


def _jsonl(entries: Iterable[Found], file: TextIO) -> int:
    count = 0
    for found in entries:
        file.write(canonical(msgspec.to_builtins(found)) + "\n")
        count += 1
    return count


def _csv(entries: Iterable[Found], file: TextIO) -> int:
    writer, count = csv.writer(file, lineterminator="\r\n"), 0
    writer.writerow(_COLUMNS)
    for found in entries:
        count += 1
        entry, content = found.entry, found.content
        time = datetime.fromtimestamp(entry.at_ns / 1e9, UTC).isoformat()
        said = ("erased", "") if content is None else (content.reason, canonical(content.detail))
        row = (entry.sequence, time, entry.actor, entry.action, entry.subject, *said, entry.digest)
        writer.writerow(f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in row)
    return count


_WRITERS: dict[str, Callable[[Iterable[Found], TextIO], int]] = {".jsonl": _jsonl, ".csv": _csv}
