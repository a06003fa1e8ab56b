"""What was begun and is not recorded yet: one slot for each try under way, in a file that outlives its process.

    <pid>-<random>.intents    slots of `SLOT` bytes; its writer holds an flock(2) on it while it lives

A slot that is in use holds a whole line: the attempt as it must be recorded when its process dies before it can record
it itself. A free one begins with a zero byte. The file is mapped into memory: putting a line there is a copy, and the
kernel keeps it when the process is killed. Lines are made visible by their first byte, which is written last, so that a
slot never holds half of one.
"""

import mmap
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from moat.domain.spans import Span
from moat.telemetry.segments import is_at, lock, write_sealed

SUFFIX = ".intents"
SLOT = 4096
"""Bytes: a page, so that slots share none."""
FIRST = 64
"""Slots of a new file; it doubles when they do not suffice."""
SHORT = 40
"""Characters that are kept of each text where they do not all fit: six bytes each at most, of 30 texts."""

_encoder = msgspec.json.Encoder()


class Intents:
    """The slots of one process. Errors are the system's own `OSError`s; `SegmentSpool` explains them."""

    def __init__(self) -> None:
        self._fd = -1
        self._path = Path()
        self._map: mmap.mmap | None = None
        self._free: list[int] = []
        self._count = 0
        self._changing = threading.Lock()

    def open(self, directory: Path) -> None:
        """Make the file. Its room is taken at once: a full disk refuses here and not in the middle of a line."""
        self._path = directory / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        while self._fd < 0:
            fd = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            if lock(fd) and is_at(fd, self._path):
                self._fd = fd
            else:  # `dead` of another process came between open and flock
                os.close(fd)
        try:
            self._grow(FIRST)
        except OSError:
            self.close()
            raise

    def begin(self, attempt: Span) -> int:
        """Put an attempt into a slot; which one it is."""
        line = memoryview(_line(attempt))
        with self._changing:
            if not self._free:
                self._grow(2 * self._count)
            slot = self._free.pop()
            assert self._map is not None, "open"
            at = slot * SLOT
            self._map[at + 1 : at + len(line)] = line[1:]
            self._map[at] = line[0]
            return slot

    def end(self, slot: int) -> None:
        """The attempt is recorded."""
        with self._changing:
            assert self._map is not None, "open"
            self._map[slot * SLOT] = 0
            self._free.append(slot)

    def close(self) -> None:
        """Nothing is under way any more: what is left was never recorded, and becomes a segment. Idempotent."""
        if self._fd < 0:
            return
        if self._map is not None:
            self._map.close()
            self._map = None
        with suppress(OSError):  # on a full disk the file stays, for the next process
            _conclude(self._fd, self._path)
        os.close(self._fd)
        self._fd = -1

    @property
    def size(self) -> int:
        """Bytes of the file; it grows by as many."""
        return self._count * SLOT

    def _grow(self, count: int) -> None:
        os.posix_fallocate(self._fd, 0, count * SLOT)
        if self._map is None:
            self._map = mmap.mmap(self._fd, count * SLOT)
        else:
            self._map.resize(count * SLOT)
        self._free += range(count - 1, self._count - 1, -1)
        self._count = count


@contextmanager
def dead(directory: Path) -> Iterator[list[tuple[Path, int]]]:
    """Files, open and locked, whose processes have died, for the length of the block. Raises `OSError`."""
    found: list[tuple[Path, int]] = []
    try:
        for path in sorted(directory.glob(f"*{SUFFIX}")):
            try:
                fd = os.open(path, os.O_RDWR)
            except FileNotFoundError:
                continue
            if lock(fd) and is_at(fd, path):
                found.append((path, fd))
            else:
                os.close(fd)
        yield found
    finally:
        for _, fd in found:
            os.close(fd)


def conclude(files: list[tuple[Path, int]]) -> None:
    """Make a segment of what each file still holds, to be shipped after all that its process recorded itself.

    An attempt that stands in both is known to the store when this one comes. Raises `OSError`.
    """
    for path, fd in files:
        _conclude(fd, path)


def _conclude(fd: int, path: Path) -> None:
    lines = _lines(fd)
    if lines:
        write_sealed(path.parent, b"".join(lines))
    path.unlink(missing_ok=True)


def _lines(fd: int) -> list[bytes]:
    """What stands in the slots."""
    found = []
    for at in range(0, os.fstat(fd).st_size, SLOT):
        slot = os.pread(fd, SLOT, at)
        if slot[:1] == b"{":
            found.append(slot[: slot.index(b"\n") + 1])
    return found


def _line(attempt: Span) -> bytes:
    """Fits into a slot: of texts that callers made long, only the beginning is kept."""
    line: bytes = _encoder.encode(attempt) + b"\n"
    if len(line) <= SLOT:
        return line
    texts = {name: value[:SHORT] for name, value in msgspec.structs.asdict(attempt).items() if isinstance(value, str)}
    return _encoder.encode(msgspec.structs.replace(attempt, **texts)) + b"\n"
