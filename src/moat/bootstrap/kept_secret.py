"""Secrets that a project makes for itself, and keeps in files that only its user can read."""

import os
import secrets
from pathlib import Path

from moat.bootstrap.project import Project
from moat.domain.errors import StorageError

SIZE = 32
"""Bytes."""


def kept_secret(path: Path, of: str, loss: str) -> bytes:
    """The secret in a file, made the first time; the same for all processes that ask at once.

    `of`: what it is the secret of. `loss`: what happens without it. Raises `StorageError`.
    """
    try:
        secret = _made(path) or path.read_bytes()
    except OSError as error:
        raise StorageError(f"the secret of {of} cannot be kept: {error.strerror}", where=str(path)) from None
    if len(secret) != SIZE:
        raise StorageError(f"this is no secret of {of}", where=str(path), remedy=f"Delete it: {loss}.")
    return secret


def digest_key(project: Project) -> bytes:
    """Keys the digests that guards and records have in place of data. Raises `StorageError`."""
    return kept_secret(project.digest_key_path, "digests", "digests that were written before say nothing any more")


def _made(path: Path) -> bytes:
    """A new secret, in place of none; empty when there is one already."""
    if path.exists():
        return b""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    secret = secrets.token_bytes(SIZE)
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # whole or not at all, and never over another's
    except FileExistsError:
        return b""
    finally:
        temporary.unlink(missing_ok=True)
    return secret
