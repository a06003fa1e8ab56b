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
_ANEW = b"begun anew\n"
"""Stands behind the end once it had to be: the file had been lost while there was a log, and with it what it knew."""
_YOUNG = 8
"""Entries of a log that is only being made, by several processes, one of which may have been ended before it wrote."""
_MOST = 4096


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
            before = os.pread(held, _MOST, 0)
            noted = _parsed(before, path)
            if noted is None or noted.sequence < entry.sequence:
                lost = before.endswith(_ANEW) or (noted is None and entry.sequence > _YOUNG)
                line = Anchor.of(entry).line.encode() + _ANEW * lost
                os.pwrite(held, line, 0)
                os.ftruncate(held, len(line))
        finally:
            os.close(held)
    except OSError as error:  # the change is made and recorded: it cannot fail any more
        log.warning("%s cannot be written (%s): until it can, a cut audit log is harder to see", path, error.strerror)


def begin(state: Path, end: Anchor, *, lost: bool) -> None:
    """Put the file beside a copy of a state store. `lost`: was one lost before?"""
    head_path(state).write_bytes(end.line.encode() + _ANEW * lost)


def was_lost(state: Path) -> bool:
    """Was the file once lost, or is it spoilt? One that is not there says nothing."""
    try:
        return read_head(state)[1]
    except RequestError:
        return True


def read_head(state: Path) -> tuple[Anchor | None, bool]:
    """What is noted, None when nothing is, and whether it was begun anew. Raises `RequestError` for no anchor."""
    path = head_path(state)
    try:
        noted = path.read_bytes()
    except OSError:
        return None, False
    return _parse(noted, path), noted.endswith(_ANEW)


def _parse(noted: bytes, path: Path) -> Anchor:
    return Anchor.parse(noted.removesuffix(_ANEW).decode("utf-8", "replace"), str(path))


def _parsed(noted: bytes, path: Path) -> Anchor | None:
    try:
        return _parse(noted, path)
    except RequestError:
        return None
