"""Where a project keeps what people say of answers, and the secret of its links."""

import hashlib
import os
import secrets
from pathlib import Path

from moat.bootstrap.project import Project
from moat.domain.errors import StorageError
from moat.gateway.feedback_links import LinkSigner
from moat.telemetry.spool import SegmentSpool

KEY_BYTES = 32


def feedback_spool(project: Project) -> SegmentSpool:
    """This process's part of the spool of opinions, not open yet."""
    telemetry = project.settings.config.telemetry
    interval = min(0.5, telemetry.fsync_interval)
    return SegmentSpool(project.feedback_path, fsync=telemetry.fsync, interval=interval)


def link_signer(project: Project) -> LinkSigner:
    """Signs with the project's own secret, made the first time. Raises `StorageError`."""
    path = project.link_key_path
    try:
        return LinkSigner(_made(path) or _read(path))
    except OSError as error:
        raise StorageError(f"the secret of feedback links cannot be kept: {error.strerror}", where=str(path)) from None


def link_key_mark(project: Project) -> str:
    """Tells the secret of links from others without giving it away; empty when there is none. Raises `OSError`."""
    try:
        secret = project.link_key_path.read_bytes()
    except FileNotFoundError:
        return ""
    return hashlib.sha256(b"moat feedback key\0" + secret).hexdigest()[:16]


def _made(path: Path) -> bytes:
    """A new secret, in place of none; empty when there is one already."""
    if path.exists():
        return b""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    secret = secrets.token_bytes(KEY_BYTES)
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


def _read(path: Path) -> bytes:
    secret = path.read_bytes()
    if len(secret) != KEY_BYTES:
        raise StorageError(
            "this is no secret of feedback links", where=str(path), remedy="Delete it: old links end with it."
        )
    return secret
