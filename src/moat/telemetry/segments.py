"""Segment files: how spans lie in the spool directory.

    <unix ns>-<pid>-<random>.open      being written; its writer holds an flock(2) on it while it lives
    <unix ns>-<pid>-<random>.ndjson    sealed: whole lines only, ready to be shipped
    <pid>-<random>.intents             what is begun: see `moat.telemetry.intents`
    rejected/                          segments that no store would take, each with a `.reason`

A line is one `moat.domain.spans.Span` as JSON. flock needs a local file system (or NFS with locking).
"""

import errno
import fcntl
import os
import secrets
import time
from pathlib import Path

OPEN = ".open"
SEALED = ".ndjson"
REJECTED = "rejected"

_BLOCK = 64 * 1024


class Segment:
    """One open segment and its lock. Errors are the system's own `OSError`s; `SegmentSpool` explains them."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.size = 0
        """Bytes of whole records."""
        self._fd = fd
        self._synced = -1

    @classmethod
    def create(cls, directory: Path, now_ns: int) -> "Segment":
        """A new, empty, locked segment. Names sort by time and are unique over processes."""
        while True:
            path = directory / f"{now_ns:020d}-{os.getpid()}-{secrets.token_hex(4)}{OPEN}"
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
            if lock(fd) and is_at(fd, path):
                return cls(path, fd)
            os.close(fd)  # `recover` of another process came between open and flock

    def write(self, record: bytes) -> None:
        """Append by one system call. On failure nothing of the record is left in the file."""
        try:
            written = os.write(self._fd, record)
            if written != len(record):
                # The kernel takes what fits before it says ENOSPC.
                raise OSError(0, f"only {written} of {len(record)} bytes were taken")
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += written

    def take_back(self, size: int) -> None:
        """Cut the segment to an earlier size; `seal` makes up for a cut that fails here."""
        self.size = size
        os.ftruncate(self._fd, size)

    def sync(self) -> None:
        """Bring all records to the disk, and the file's name with the first of them."""
        if self._synced == self.size:
            return
        os.fsync(self._fd)
        if self._synced < 0:
            sync_directory(self.path.parent)
        self._synced = self.size

    def seal(self) -> None:
        """Rename to `.ndjson` and let go; an empty segment vanishes."""
        if os.fstat(self._fd).st_size != self.size:
            os.ftruncate(self._fd, self.size)
        if self.size:
            self.path.rename(self.path.with_suffix(SEALED))
        else:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)


def try_room(directory: Path, size: int) -> None:
    """Does the disk take so many bytes? Raises `OSError` when it does not; nothing stays behind."""
    path = directory / f"{os.getpid()}-{secrets.token_hex(4)}.tmp"
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        path.unlink()
        if os.write(fd, bytes(size)) != size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(fd)
    finally:
        os.close(fd)


def write_sealed(directory: Path, lines: bytes) -> None:
    """Make a sealed segment of whole lines, durable, or none. Raises `OSError`."""
    path = directory / f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        if os.write(fd, lines) != len(lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(fd)
        path.rename(path.with_suffix(SEALED))
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def sealed(directory: Path) -> list[Path]:
    """Segments ready to ship, oldest first."""
    return sorted(directory.glob(f"*{SEALED}"))


def recover(directory: Path) -> list[Path]:
    """Seal the open segments of dead processes, without the torn line their death may have left.

    That line belongs to a record whose write never returned, so nobody was told that it is kept.
    """
    return [found for path in sorted(directory.glob(f"*{OPEN}")) if (found := _recover(path))]


def sync_directory(directory: Path) -> None:
    """fsync(2) of a directory: makes names in it durable."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def unique_ns(last_ns: int) -> int:
    """Unix time, but always later than `last_ns`: a clock set back must not reorder segments."""
    return max(time.time_ns(), last_ns + 1)


def lock(fd: int) -> bool:
    """Take the flock(2); False when another process has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(fd: int, path: Path) -> bool:
    """Does the path still lead to this open file?"""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _recover(path: Path) -> Path | None:
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None  # sealed by its owner meanwhile
    try:
        if not (lock(fd) and is_at(fd, path)):
            return None
        size = _whole_lines(fd)
        if size == 0:
            path.unlink()
            return None
        os.ftruncate(fd, size)
        os.fsync(fd)
        return path.rename(path.with_suffix(SEALED))
    finally:
        os.close(fd)


def _whole_lines(fd: int) -> int:
    """Bytes up to and with the last newline, found from the end."""
    end = os.fstat(fd).st_size
    while end:
        start = max(0, end - _BLOCK)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
