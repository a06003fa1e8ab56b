"""Segments that wait for a collector: files of their own, so that neither calls nor the trace store wait for it.

    spool/otlp-<name>/<segment>.ndjson    a second name (hard link) of a segment that was shipped

A segment lies here until its collector has it, or until what waits is too much or too old.
"""

import logging
import os
import re
import shutil
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from moat.telemetry.segments import SEALED, sealed

_log = logging.getLogger(__name__)

PREFIX = "otlp-"
_STARTED = re.compile(r"[0-9]{20}")


class Outbox:
    """What waits for one collector. One process owns it; files survive that process."""

    def __init__(self, spool: Path, name: str, *, shown: str, max_bytes: int, max_age: float) -> None:
        """`name` tells collectors apart, `shown` is what logs call it; `max_age` in seconds."""
        self.directory = spool / f"{PREFIX}{name}"
        self.shown = shown
        self.given_up = 0
        """Segments that its collector never got."""
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._seen: set[str] = set()
        self._problem = ""

    def take(self, segments: Sequence[Path]) -> None:
        """Keep these too. What cannot be kept is logged and counted: the store comes first."""
        new = [segment for segment in segments if segment.name not in self._seen]
        for segment in new:
            try:
                self._link(segment)
                self._problem = ""
            except OSError as error:
                self.given_up += 1
                if str(error) != self._problem:
                    _log.error("spans for %s cannot be kept: %s", self.shown, error)
                self._problem = str(error)
        # A segment that the store did not take comes again; one that it took is gone.
        self._seen = {name for name in self._seen if (self.directory.parent / name).exists()}
        self._seen.update(segment.name for segment in new)

    def waiting(self) -> list[Path]:
        """Segments to send, oldest first, after giving up what is too much or too old. Raises `OSError`."""
        found = sealed(self.directory)
        sizes = {path: path.stat().st_size for path in found}
        total, oldest = sum(sizes.values()), (time.time() - self._max_age) * 1e9
        lost = []
        for path in found:
            started = _STARTED.match(path.name)
            if total <= self._max_bytes and not (started and int(started[0]) < oldest):
                break
            total -= sizes[path]
            lost.append(path)
        for path in lost:
            self.done(path)
        if lost:
            self.given_up += len(lost)
            _log.error("%d segments of spans for %s are given up: it did not take them in time", len(lost), self.shown)
        return found[len(lost) :]

    def done(self, segment: Path) -> None:
        """Forget a segment."""
        segment.unlink(missing_ok=True)

    @property
    def bytes(self) -> int:
        """How much waits."""
        with suppress(OSError):
            return sum(path.stat().st_size for path in sealed(self.directory))
        return 0

    def _link(self, segment: Path) -> None:
        self.directory.mkdir(mode=0o700, exist_ok=True)
        target = self.directory / segment.name
        with suppress(FileExistsError):
            try:
                os.link(segment, target)
            except PermissionError:  # a file system without links
                shutil.copyfile(segment, target.with_suffix(".tmp"))
                target.with_suffix(".tmp").rename(target.with_suffix(SEALED))


def discard(spool: Path, wanted: Collection[Path]) -> None:
    """Remove what waits for collectors that are configured no more."""
    for directory in spool.glob(f"{PREFIX}*"):
        if directory not in wanted:
            _log.warning("spans in %s are given up: that collector is configured no more", directory)
            shutil.rmtree(directory, ignore_errors=True)
