"""Which processes that write to a spool are alive.

Each holds an flock(2) on a file of its own, `owner-<pid>-<random>.lock`, which ends with it however it ends. What a
dead one began and did not conclude has an unknown outcome.
"""

import os
import secrets
from pathlib import Path

from moat.telemetry.segments import is_at, lock

PREFIX = "owner-"


class Owner:
    """This process, as a writer to one spool."""

    def __init__(self) -> None:
        self.name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._fd = -1
        self._path = Path()

    def begin(self, directory: Path) -> None:
        """Be alive, as others see it. Raises `OSError`."""
        self._path = _path(directory, self.name)
        while self._fd < 0:
            fd = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600)
            if lock(fd) and is_at(fd, self._path):
                self._fd = fd
            else:  # `alive` of another process came between open and flock
                os.close(fd)

    def end(self) -> None:
        """No longer. Idempotent."""
        if self._fd >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1


def alive(directory: Path) -> set[str]:
    """Names of the owners that run. What killed ones left is removed. Raises `OSError`."""
    return {path.stem.removeprefix(PREFIX) for path in directory.glob(f"{PREFIX}*.lock") if _is_held(path)}


def _is_held(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return False
    try:
        if not lock(fd):
            return True
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(fd)


def _path(directory: Path, name: str) -> Path:
    return directory / f"{PREFIX}{name}.lock"
