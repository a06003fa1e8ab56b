"""Counts the segments of the spool, each once, before they are shipped and deleted."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from moat.telemetry.measures import Measures, Opinion, Seen
from moat.telemetry.segments import OPEN, REJECTED, SEALED, sealed

_log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
CHUNK = 64 * 1024
"""Bytes that are taken apart in one go."""
PAUSE_SECONDS = 0.0005
"""Between two chunks: the event loop waits for no more than one."""


class Lag(NamedTuple):
    """What of the spool is not in the trace store yet."""

    segments: int
    bytes: int
    oldest: float
    """Age in seconds of the oldest sealed segment; 0 without any."""
    rejected: int
    """Segments that no store would take."""


class SegmentCounter:
    """Counts what is sealed in a folder. For several threads at once."""

    def __init__(self, directory: Path, decoder: "msgspec.json.Decoder[Any]", add: Callable[[Iterable[Any]], None]):
        """`add` gets what `decoder` makes of lines."""
        self.directory = directory
        self._decoder = decoder
        self._add = add
        self._counted: set[str] = set()
        self._working = threading.Lock()

    def open(self) -> None:
        """What is there already is another process's: it was counted there, or is too old to be news."""
        self._counted = {path.stem for ending in (OPEN, SEALED) for path in self.directory.glob(f"*{ending}")}

    def count(self, segments: Sequence[Path]) -> None:
        """Count those that were not yet. What cannot be read is left to the shipper to complain of."""
        with self._working:
            self._counted &= {path.stem for path in segments} | self._present()
            for path in segments:
                if path.stem not in self._counted:
                    self._counted.add(path.stem)
                    self._count(path)

    def look(self) -> None:
        """Count all that is sealed now."""
        self.count(sealed(self.directory))

    def lag(self) -> Lag:
        """How far the trace store is behind, from the directory alone."""
        now, found, size, oldest = time.time(), 0, 0, 0.0
        for path in sealed(self.directory):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # shipped meanwhile
            found, size, oldest = found + 1, size + status.st_size, max(oldest, now - status.st_mtime)
        return Lag(found, size, oldest, len(list((self.directory / REJECTED).glob(f"*{SEALED}"))))

    def _present(self) -> set[str]:
        return {path.stem for ending in (OPEN, SEALED) for path in self.directory.glob(f"*{ending}")}

    def _count(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                for lines in _chunks(file):
                    self._add(self._decoded(lines))
                    time.sleep(PAUSE_SECONDS)
        except OSError as error:
            _log.warning("segment %s is not in the metrics: %s", path.name, error)

    def _decoded(self, lines: bytes) -> list[Any]:
        try:
            return self._decoder.decode_lines(lines)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return list(self._sound(lines))

    def _sound(self, lines: bytes) -> Iterator[Any]:
        """The lines that can be read: the store sets the others aside."""
        for line in lines.splitlines():
            try:
                yield self._decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue


class Counting:
    """Counts calls, and what is said of them."""

    def __init__(self, spool: Path, feedback: Path, measures: Measures) -> None:
        self.measures = measures
        self.calls = SegmentCounter(spool, msgspec.json.Decoder(Seen), measures.add)
        self.feedback = SegmentCounter(feedback, msgspec.json.Decoder(Opinion), measures.hear)

    def open(self) -> None:
        """Begin from nothing."""
        self.calls.open()
        self.feedback.open()

    async def run(self) -> None:
        """Count until cancelled, whether the store takes anything or not."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(POLL_SECONDS)

    def look(self) -> None:
        """Count all that is sealed now."""
        self.calls.look()
        self.feedback.look()


def _chunks(file: Any) -> Iterator[bytes]:
    """Whole lines, about `CHUNK` bytes at a time."""
    while lines := file.readlines(CHUNK):
        yield b"".join(lines)
