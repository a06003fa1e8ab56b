"""Traces written to files, for other tools: whole or not at all, in bounded memory."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, Protocol

import msgspec

from moat.domain.errors import ConflictError, MoatError, StorageError
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter, TraceReader
from moat.telemetry.otlp import sending

Format = Literal["jsonl", "parquet", "otlp"]
PAGE = 1000
"""Spans in memory."""

_encoder = msgspec.json.Encoder()


class Exported(msgspec.Struct, frozen=True):
    """What was written."""

    spans: int
    traces: int
    bytes: int
    path: str


class _Writer(Protocol):
    def write(self, spans: list[Span], /) -> None: ...

    def close(self) -> None: ...


def export(traces: TraceReader, wanted: TraceFilter, format: Format, target: Path) -> Exported:
    """Write whole traces that have a matching call: `jsonl` is a file, the others a folder.

    Raises `ConflictError` when the target is there already, `StorageError`, and what the store raises; then nothing
    is left of it.
    """
    if target.exists():
        raise ConflictError("is there already", where=str(target), remedy="Name another place, or remove it.")
    spans = count = 0
    with _whole(target) as half:
        writer = _WRITERS[format](half)
        for page in traces.pages(wanted, PAGE):
            writer.write(page)
            spans += len(page)
            count += len({span.trace_id for span in page})
        writer.close()
        size = sum(file.stat().st_size for file in ([half] if half.is_file() else half.rglob("*")) if file.is_file())
    return Exported(spans, count, size, str(target))


class JsonLines:
    """One span a line, as the spool has them."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("xb")

    def write(self, spans: list[Span]) -> None:
        """Take some spans."""
        self._file.write(_encoder.encode_lines(spans))

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()


class OtlpRequests:
    """Bodies of `POST /v1/traces` in protobuf: a collector takes one file after the other."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._number = 0

    def write(self, spans: list[Span]) -> None:
        """One request; a span that OTLP cannot carry is logged and left out."""
        (self._folder / f"{self._number:06d}.binpb").write_bytes(sending.made(spans, content=True).body)
        self._number += 1

    def close(self) -> None:
        """Nothing more comes."""


def _parquet(folder: Path) -> _Writer:
    from moat.adapters.duckdb import ParquetFiles  # see `moat.bootstrap.state`

    folder.mkdir()
    return ParquetFiles(folder)


_WRITERS: dict[Format, Callable[[Path], _Writer]] = {"jsonl": JsonLines, "otlp": OtlpRequests, "parquet": _parquet}


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A place beside the target, which gets its name at the end, or vanishes."""
    half = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove(half)
        yield half
        half.rename(target)
    except MoatError:
        raise
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=str(target)) from error
    finally:
        _remove(half)


def _remove(half: Path) -> None:
    if half.is_dir():
        shutil.rmtree(half)
    else:
        half.unlink(missing_ok=True)
