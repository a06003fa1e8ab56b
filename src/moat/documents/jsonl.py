"""JSON Lines: one value a line, each remembered with its number."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from moat.domain.errors import DocumentError

MAX_LINE_BYTES = 16 * 2**20


class Line(NamedTuple):
    """A value and the 1-based line it stands on."""

    number: int
    value: Any


def read_jsonl(path: Path, *, name: str = "") -> Iterator[Line]:
    """The values of a JSON Lines file, in constant memory; blank lines are passed over.

    Raises `DocumentError` with file and line for anything that is not UTF-8 JSON or too long.
    """
    name = name or str(path)
    try:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(raw) > MAX_LINE_BYTES:
                    raise DocumentError(f"longer than {MAX_LINE_BYTES // 2**20} MiB", where=f"{name}:{number}")
                if raw.strip():
                    yield Line(number, _parse(raw, f"{name}:{number}"))
    except FileNotFoundError:
        raise DocumentError("no such file", where=name) from None
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", where=name) from error


def _parse(raw: bytes, where: str) -> Any:
    try:
        return msgspec.json.decode(raw)
    except UnicodeDecodeError:
        raise DocumentError("not UTF-8 text", where=where, remedy="Save it as UTF-8.") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise DocumentError(f"not valid JSON: {error}", where=where) from None
