"""Spans as Parquet files, a folder for each day: `day=2026-11-20/part-0.parquet`, as Hive, pandas and DuckDB read."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import duckdb
import msgspec

from moat.adapters.duckdb.queries import LINE_COLUMNS, LINE_VALUES
from moat.domain.errors import StorageError
from moat.domain.spans import Span

PART_BYTES = 64 * 2**20
"""JSON lines that become one file; their days' lines wait on the disk until then."""
MAX_DAYS = 32
"""Days whose lines wait at the same time."""
_DAY_NS = 86_400 * 10**9

_encoder = msgspec.json.Encoder()


def _write(target: Path) -> str:
    """COPY takes no parameter for its target. The largest numbers are no timestamps: DuckDB means infinity by them."""
    quoted = str(target).replace("'", "''")
    return f"""
COPY (
    SELECT {LINE_VALUES}, TRY(make_timestamp_ns(line.started_ns)) AS started
    FROM read_json($lines, format = 'newline_delimited', compression = 'none', maximum_object_size = $longest,
                   columns = {LINE_COLUMNS}) AS line
) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd)
"""


class ParquetFiles:
    """Writes spans in any order, in bounded memory; `close` writes the last files. Raises `StorageError`."""

    def __init__(self, folder: Path) -> None:
        """`folder` is there and empty."""
        self._folder = folder
        self._waiting: dict[str, _Lines] = {}
        self._parts: dict[str, int] = {}
        self._connection = duckdb.connect(config={"threads": 1, "memory_limit": "256MB"})

    def write(self, spans: Sequence[Span]) -> None:
        """Take some spans."""
        try:
            for span in spans:
                day = _day(span.started_ns)
                lines = self._waiting.get(day)
                if lines is None:
                    lines = self._waiting[day] = _Lines(self._folder / f".{day}.ndjson")
                lines.append(_encoder.encode(span) + b"\n")
                if lines.size >= PART_BYTES:
                    self._flush(day)
                elif len(self._waiting) > MAX_DAYS:
                    self._flush(min(self._waiting))
        except (OSError, duckdb.Error) as error:
            raise StorageError(f"Parquet cannot be written: {error}", where=str(self._folder)) from error

    def close(self) -> None:
        """Write what waits."""
        try:
            for day in sorted(self._waiting):
                self._flush(day)
        except (OSError, duckdb.Error) as error:
            raise StorageError(f"Parquet cannot be written: {error}", where=str(self._folder)) from error
        finally:
            self._connection.close()

    def _flush(self, day: str) -> None:
        lines = self._waiting.pop(day)
        lines.close()
        part = self._parts.get(day, 0)
        self._parts[day] = part + 1
        target = self._folder / f"day={day}" / f"part-{part}.parquet"
        target.parent.mkdir(exist_ok=True)
        values: dict[str, Any] = {"lines": str(lines.path), "longest": lines.longest + 1024}
        self._connection.execute(_write(target), values)
        lines.path.unlink()


class _Lines:
    """JSON lines of one day, on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.longest = 0
        self._file: IO[bytes] = path.open("wb")

    def append(self, line: bytes) -> None:
        """One more."""
        self._file.write(line)
        self.size += len(line)
        self.longest = max(self.longest, len(line))

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()


def _day(started_ns: int) -> str:
    """The day in UTC."""
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=started_ns // _DAY_NS)).isoformat()
