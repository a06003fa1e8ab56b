"""Notices when a project's files change: told by the system where it can, by looking where it cannot."""

import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from watchfiles._rust_notify import RustNotify

from moat.bootstrap.policy_files import POLICIES
from moat.bootstrap.settings import CONFIG_FILE
from moat.prompts.tree import PROMPTS, TOOLS

log = logging.getLogger("moat.reload")

SLOW_SECONDS = 5.0
"""Between two looks at all files while the system tells of changes: not every file system does (NFS, some mounts of
containers), and a queue that overflows tells nothing."""

QUICK_SECONDS = 0.25
"""Between two looks at few files while it does not."""

SHARE = 0.05
"""Of the time, at most, for looking: many files are looked at less often (measured: 45 ms for 10,000)."""

SETTLE_SECONDS = 1.0
"""How long to look again and again after a notice: a folder that was just made is not watched from its first moment."""

_WATCHED = (CONFIG_FILE, PROMPTS, TOOLS, POLICIES)


class FileWatch:
    """moat.yaml, `prompts/`, `tools/` and `policies/` of one project. Not for several threads at once."""

    def __init__(self, root: Path) -> None:
        """The files as they are now are not news."""
        self._root = root
        self._folder: RustNotify | None = None
        """The root itself: it tells when a folder is replaced."""
        self._trees: RustNotify | None = None
        self._is_told = self._watch()
        self._settled = 0.0
        self._next = 0.0
        self._seen = self._look()

    def changed(self) -> bool:
        """Did anything change since the last time this was asked? Cheap to ask four times a second."""
        now = time.monotonic()
        if self._noticed():
            self._settled = now + SETTLE_SECONDS
        if now >= self._settled and now < self._next:
            return False
        before, self._seen = self._seen, self._look()
        return self._seen != before

    def close(self) -> None:
        """Stop watching. Idempotent."""
        for watch in (self._folder, self._trees):
            if watch is not None:
                watch.close()
        self._folder = self._trees = None

    def _watch(self) -> bool:
        """Begin to be told, anew; False when the system cannot."""
        self.close()
        try:
            self._folder = _notify([self._root], recursive=False)
            trees = [path for path in (self._root / name for name in _WATCHED[1:]) if path.is_dir()]
            self._trees = _notify(trees, recursive=True) if trees else None
        except (OSError, RuntimeError) as error:  # most often ENOSPC: the machine's limit of inotify watches
            self.close()
            log.warning("changes of files are found by looking for them: the system tells of none (%s)", error)
            return False
        return True

    def _noticed(self) -> bool:
        """Has the system told of a change? When a watched folder may be another one now, it is watched anew."""
        if not self._is_told:
            return False
        in_root = {os.path.basename(path) for path in _told(self._folder)}
        replaced = not in_root.isdisjoint(_WATCHED)
        noticed = replaced or bool(_told(self._trees))
        if replaced:
            self._is_told = self._watch()
        return noticed

    def _look(self) -> frozenset[tuple[str, int, int, int]]:
        began = time.monotonic()
        found = frozenset(_stamps(self._root))
        ended = time.monotonic()
        self._next = ended + (SLOW_SECONDS if self._is_told else max(QUICK_SECONDS, (ended - began) / SHARE))
        return found


def _notify(paths: Iterable[Path], *, recursive: bool) -> RustNotify:
    return RustNotify([str(path) for path in paths], False, False, 0, recursive, True)


def _told(watch: RustNotify | None) -> list[str]:
    """Paths that changed since this was asked last."""
    changes = watch.watch(1, 1, 1, None) if watch is not None else "timeout"
    return [path for _, path in changes] if isinstance(changes, set) else []


def _stamps(root: Path) -> Iterator[tuple[str, int, int, int]]:
    """What tells a change: path, inode, size and time of the last change.

    That time is the inode's: copying and renaming keep the content's.
    """
    paths = [str(root / CONFIG_FILE)]
    for tree in _WATCHED[1:]:
        for folder, _, names in os.walk(root / tree):
            paths += [folder, *(os.path.join(folder, name) for name in names)]
    for path in paths:
        try:
            found = os.stat(path)
        except OSError:  # vanished meanwhile, or a link to nowhere
            continue
        yield path, found.st_ino, found.st_size, found.st_ctime_ns
