"""The bytes of files: one folder, a file for each id, whole or not there."""

import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from moat.domain.errors import StorageError

ARRIVING = ".part"
"""How names of uploads end that are not complete."""


class FileShelf:
    """Files below one folder, closed to other users. Which of them exist for anybody is said by the store; what it
    does not know is left from a process that died.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, known: Collection[str]) -> None:
        """Make the folder, and delete what nobody knows. Raises `StorageError`."""
        with explained(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in self._folder.iterdir():
                if path.name not in known:
                    path.unlink()

    def path(self, id: str) -> Path:
        """Where a file's bytes are. `id` is one that Moat has made."""
        return self._folder / id

    def arriving(self) -> Path:
        """A name for an upload on its way."""
        return self._folder / f"{secrets.token_hex(8)}{ARRIVING}"

    def keep(self, id: str, arrived: Path) -> None:
        """Make an upload that is complete a file, on disk before this returns. Raises `StorageError`."""
        with explained(self._folder):
            _sync(arrived)
            arrived.rename(self.path(id))
            _sync(self._folder)

    def remove(self, id: str) -> None:
        """Delete a file's bytes, if they are there. Raises `StorageError`."""
        with explained(self._folder):
            self.path(id).unlink(missing_ok=True)


class ResultFile:
    """Lines that are appended while a batch runs. A line is handed to the kernel whole: a killed process loses none,
    and half of one, from a machine that died, is cut off when the file is opened again.
    """

    def __init__(self, path: Path) -> None:
        """Raises `StorageError`."""
        self._path = path
        with explained(path):
            self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
            self.size = _whole_lines(self._descriptor)
            os.ftruncate(self._descriptor, self.size)

    def append(self, line: bytes) -> None:
        """Add a line. Raises `StorageError`, and nothing of it is kept."""
        data = line + b"\n"
        with explained(self._path):
            try:
                written = os.write(self._descriptor, data)
                while written < len(data):
                    written += os.write(self._descriptor, data[written:])
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self.size)
                raise
        self.size += len(data)

    def names(self) -> set[str]:
        """The `custom_id` of every line."""
        with explained(self._path), self._path.open("rb") as file:
            return {_named(line).custom_id for line in file}

    def close(self) -> None:
        """All of it is on disk, or it is gone when there is none. Raises `StorageError`. Idempotent."""
        if self._descriptor < 0:
            return
        with explained(self._path):
            if self.size:
                os.fsync(self._descriptor)
                _sync(self._path.parent)
            else:
                self._path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Leave it as it is, to be opened again. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class _Named(msgspec.Struct):
    custom_id: str


_named = msgspec.json.Decoder(_Named).decode


def _whole_lines(descriptor: int) -> int:
    """Bytes up to the last line break."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 64 * 1024)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _sync(path: Path) -> None:
    """Of a folder or of a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """The system's errors as `StorageError`."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot be used: {error.strerror or error}", where=str(path), remedy="Free some space, or check the mode."
        ) from error
