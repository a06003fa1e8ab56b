"""Which lines of a segment are spans, before DuckDB reads it.

msgspec decodes 400,000 spans a second and says of each line what is wrong with it; DuckDB would only say that
some line is. So a segment is read twice: here for its lines, then by DuckDB for their values.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from moat.domain.errors import DocumentError
from moat.domain.spans import Span

_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Id = Annotated[str, msgspec.Meta(min_length=1)]


def _column_type(field: msgspec.structs.FieldInfo) -> Any:
    if field.name in ("span_id", "trace_id"):
        return _Id
    return {int: _Int64, int | None: _Int64 | None}.get(field.type, field.type)


_Row = msgspec.defstruct(
    "_Row",
    [
        (field.name, _column_type(field))
        if field.required
        else (
            field.name,
            _column_type(field),
            msgspec.UNSET if field.default is msgspec.NODEFAULT else field.default,
        )
        for field in msgspec.structs.fields(Span)
    ],
    forbid_unknown_fields=True,
    kw_only=True,
    omit_defaults=True,
)
"""A `Span` whose numbers fit the table's columns."""

SpanKey = tuple[int, str, str]
"""Start, trace id and span id: what tells one span from another."""

_decoder = msgspec.json.Decoder(_Row)
_encoder = msgspec.json.Encoder()


class Reject(NamedTuple):
    """A line that is not a span."""

    segment: str
    line: int
    reason: str
    content: bytes


class Sifted(NamedTuple):
    """What a segment holds."""

    rejects: list[Reject]
    skip: set[int]
    """Numbers of the lines that are rejects or repeat a span."""
    longest: int
    """Bytes of the longest line that is a span."""


def sift(segment: Path, seen: set[SpanKey]) -> Sifted:
    """Look at every line. `seen` holds the spans of the batch so far and takes up those found here.

    Raises `DocumentError` for a file that cannot be read.
    """
    rejects, skip, longest = list[Reject](), set[int](), 0
    for number, line in read_lines(segment):
        found = _read(line)
        if isinstance(found, str):
            rejects.append(Reject(segment.name, number, found, line.rstrip(b"\n")))
        elif (key := (found.started_ns, found.trace_id, found.span_id)) not in seen:
            seen.add(key)
            longest = max(longest, len(line))
            continue
        skip.add(number)
    return Sifted(rejects, skip, longest)


def write_clean(segment: Path, skip: set[int], target: Path) -> None:
    """Write the other lines of a segment to `target`, as canonical JSON: each key once."""
    with target.open("wb") as file:
        for number, line in read_lines(segment):
            if number not in skip:
                file.write(_encoder.encode(_read(line)) + b"\n")


def read_lines(segment: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers. Raises `DocumentError` for a file that cannot be read."""
    try:
        with segment.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise DocumentError(f"the segment cannot be read: {error.strerror}", where=str(segment)) from error


def _read(line: bytes) -> Any:
    """The row of a line, or in words why it is none."""
    try:
        return _decoder.decode(line)
    except UnicodeDecodeError:
        return "not UTF-8 text"
    except (msgspec.DecodeError, RecursionError) as error:
        return str(error)
