"""`.moat/server.json`: how the commands on this machine find the running server."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from moat.domain.errors import StorageError


class ServerFile(msgspec.Struct, frozen=True):
    """What the file says."""

    url: str
    pid: int
    token: str
    """An admin key that lives as long as the process; the file is readable by its owner only."""


@contextmanager
def announced(path: Path, file: ServerFile) -> Iterator[None]:
    """The file is there for a while, written whole, and locked for as long as this process lives.

    The lock tells a running server from a killed one, whose process id may be somebody else's by now. Raises
    `StorageError`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        out = os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=str(path)) from None
    with out:
        fcntl.flock(out, fcntl.LOCK_EX)
        out.write(msgspec.json.encode(file))
        out.flush()
        temporary.replace(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def running_server(path: Path) -> ServerFile | None:
    """The server that announces itself at this path; a file left by a killed one does not count."""
    try:
        with path.open("rb") as found:
            try:
                fcntl.flock(found, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return msgspec.json.decode(found.read(), type=ServerFile)
    except FileNotFoundError:
        pass
    return None
