"""Where a project keeps what people say of answers, and the secret of its links."""

import hashlib

from moat.bootstrap.kept_secret import kept_secret
from moat.bootstrap.project import Project
from moat.gateway.feedback_links import LinkSigner
from moat.telemetry.spool import SegmentSpool


def feedback_spool(project: Project) -> SegmentSpool:
    """This process's part of the spool of opinions, not open yet."""
    telemetry = project.settings.config.telemetry
    interval = min(0.5, telemetry.fsync_interval)
    return SegmentSpool(project.feedback_path, fsync=telemetry.fsync, interval=interval)


def link_signer(project: Project) -> LinkSigner:
    """Signs with the project's own secret, made the first time. Raises `StorageError`."""
    return LinkSigner(kept_secret(project.link_key_path, "feedback links", "old links end with it"))


def link_key_mark(project: Project) -> str:
    """Tells the secret of links from others without giving it away; empty when there is none. Raises `OSError`."""
    try:
        secret = project.link_key_path.read_bytes()
    except FileNotFoundError:
        return ""
    return hashlib.sha256(b"moat feedback key\0" + secret).hexdigest()[:16]
