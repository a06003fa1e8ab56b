"""The server's last good answers on disk, so that an application can start while the server is away."""

import hashlib
import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger("moat")


class LastGood:
    """One file for each answer in a directory, or nothing at all when that is None.

    `origin` says whose answers these are (server and environment), so that several may share the directory.
    """

    def __init__(self, directory: Path | None, *origin: str) -> None:
        self._directory = directory
        self._origin = origin

    def keep(self, name: str, body: bytes) -> None:
        """Write an answer: whole or not at all, for the owner only. A disk that refuses is logged, not raised."""
        file = self._file(name)
        if file is None:
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=file.parent)  # mode 0600
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(body)
                Path(temporary).replace(file)
            except OSError:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            _log.warning("moat: the prompt %s could not be kept in %s: %s", name, file.parent, error)

    def recall(self, name: str) -> bytes | None:
        """The answer kept last, if it can be read."""
        file = self._file(name)
        try:
            return file.read_bytes() if file is not None else None
        except OSError:
            return None

    def forget(self, name: str) -> None:
        """Remove what was kept."""
        file = self._file(name)
        if file is not None:
            with suppress(OSError):
                file.unlink()

    def _file(self, name: str) -> Path | None:
        if self._directory is None:
            return None
        identity = "\n".join((*self._origin, name))
        return self._directory / f"{hashlib.sha256(identity.encode()).hexdigest()}.json"
