"""Where the audit log ends, in a file of its own beside the database: who cuts the log must think of this one too.

It is written after the commit, so that it is never ahead of the log; a crash in between leaves it behind, until the
next entry.
"""

import fcntl
import logging
import os
from pathlib import Path

from moat.domain.audit import Anchor, Entry
from moat.domain.errors import RequestError

log = logging.getLogger("moat.audit")

NAME = "audit.head"


def head_path(state: Path) -> Path:
    """The file of a state store."""
    return state.with_name(NAME)


def advance(state: Path, entry: Entry) -> None:
    """Note an entry, unless a later one is noted: processes may come here in any order."""
    path = head_path(state)
    try:
        held = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            noted = _parsed(os.pread(held, 4096, 0), path)
            if noted is None or noted.sequence < entry.sequence:
                os.pwrite(held, Anchor.of(entry).line.encode(), 0)
        finally:
            os.close(held)
    except OSError as error:  # the change is made and recorded: it cannot fail any more
        log.warning("%s cannot be written (%s): until it can, a cut audit log is harder to see", path, error.strerror)


def read_head(state: Path) -> Anchor | None:
    """What is noted; None when nothing is. Raises `RequestError` for what is no anchor."""
    path = head_path(state)
    try:
        line = path.read_bytes()
    except OSError:
        return None
    return Anchor.parse(line.decode("utf-8", "replace"), str(path))


def _parsed(line: bytes, path: Path) -> Anchor | None:
    try:
        return Anchor.parse(line.decode("utf-8", "replace"), str(path))
    except RequestError:
        return None
