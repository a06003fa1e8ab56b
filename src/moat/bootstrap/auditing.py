"""The audit log of a project: what commands and the server write into it, where its end is kept, and what may go.

Changes of the state store write their entries themselves, in their own transaction; here is the rest, whose entry is
written before it is done.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from moat.bootstrap.policy_files import policy_files
from moat.bootstrap.project import Project
from moat.bootstrap.settings import CONFIG_FILE, Settings
from moat.domain.audit import DAY_NS, NOTHING, PROGRAM, Act, Action, Anchor, Entry, Verification
from moat.domain.errors import ConflictError, DocumentError, MoatError
from moat.ports.audit import AuditReader, AuditStore, AuditWriter

log = logging.getLogger("moat.audit")

ANCHOR_SECONDS = 1.0
"""Between two looks at whether the log has grown."""
TAIL_BYTES = 4096


@contextmanager
def open_audit(project: Project) -> Iterator[AuditStore]:
    """For a command."""
    from moat.adapters.sqlite import SqliteAudit, SqliteState  # see `moat.bootstrap.state`

    state = SqliteState.open(project.state_path)
    try:
        yield SqliteAudit(state)
    finally:
        state.close()


def record(project: Project, action: Action, subject: str, detail: dict[str, Any] | None = None) -> Entry:
    """What a person is about to do by a command. Raises `StorageError`: then it must not be done."""
    with open_audit(project) as audit:
        return audit.record(Act(project.author, action, subject, detail=detail or {}))


def mark_restored(project: Project, copy: Path, source: Path, made_ns: int) -> Path:
    """Write into the copy of a state store, before it is the project's, that it is put there; the file beside it that
    says where its log ends. What the project's folder knows of a later end goes into the entry. Where either file had
    been lost or spoilt, the new one says so too.
    """
    from moat.adapters.sqlite import SqliteAudit, SqliteState
    from moat.adapters.sqlite.head import begin, head_path, was_lost

    former = _first_line(head_path(project.state_path))
    lost = was_lost(copy) or was_lost(project.state_path)
    state = SqliteState.open(copy)
    try:
        begin(copy, SqliteAudit(state).end(), lost=lost)
        detail = {"made_ns": made_ns, "former_end": former}
        SqliteAudit(state).record(Act(project.author, "backup.restore", str(source), detail=detail))
    finally:
        state.close()
    return head_path(copy)


def _first_line(path: Path) -> str:
    return path.read_text("utf-8", "replace").partition("\n")[0].strip() if path.exists() else ""


def erase(project: Project, sequence: int, reason: str) -> Entry:
    """Erase what an entry says. By which configuration is noted before. Raises `NotFound`, and `ConflictError`, also
    under a legal hold.
    """
    _check_hold(project)
    with open_audit(project) as audit:
        LoadRecord(audit, project.author).record(project.root)
        return audit.erase(sequence, actor=project.author, reason=reason)


def prune(project: Project, reason: str) -> int:
    """Delete entries that are older than moat.yaml keeps them; how many. By which configuration is noted before. Raises
    `ConflictError` under a legal hold.
    """
    _check_hold(project)
    before_ns = time.time_ns() - round(project.settings.config.audit.keep_days * DAY_NS)
    with open_audit(project) as audit:
        LoadRecord(audit, project.author).record(project.root)
        return audit.prune(before_ns, actor=project.author, reason=reason)


def verify(audit: AuditReader, settings: Settings, more: Iterable[Path] = ()) -> Verification:
    """Look at the whole log, with the anchors of moat.yaml's file, and of more files.

    Raises `DocumentError` when one is gone: without it nobody can say that the log is whole.
    """
    own = anchor_path(settings)
    files = [*([own] if own else []), *more]
    return audit.verify(pair for path in files for pair in read_anchors(path))


def anchor_path(settings: Settings) -> Path | None:
    """The file of moat.yaml; None when it names none."""
    named = settings.config.audit.anchor
    return settings.root / named if named else None


def read_anchors(path: Path) -> list[tuple[Anchor, str]]:
    """All of a file, with its name. Raises `RequestError` for a line that is none, `DocumentError`."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(
            f"the anchors cannot be read: {error}",
            where=str(path),
            remedy="`moat serve` begins the file that `audit.anchor` names; look for it when it was there before.",
        ) from None
    numbered = enumerate(lines, start=1)
    return [(Anchor.parse(line, f"{path}:{number}"), path.name) for number, line in numbered if line.strip()]


class LoadRecord:
    """Notes which configuration and policies are about to be served, or taken for an order, when they are others than
    before.
    """

    def __init__(self, audit: AuditWriter, actor: str = PROGRAM) -> None:
        self._audit = audit
        self._actor = actor
        self._noted: dict[Action, dict[str, str]] = {}

    def record(self, root: Path) -> None:
        """By the digests of the files; those that are gone are named too. Raises `StorageError`, and `ConfigError` for
        policies that cannot be read: then they must not be served.
        """
        files: dict[Action, list[Path]] = {
            "config.load": [root / CONFIG_FILE],
            "policy.load": policy_files(root),
        }
        for action, paths in files.items():
            found = {path.relative_to(root).as_posix(): sha256(path.read_bytes()).hexdigest() for path in paths}
            before = self._noted.get(action)
            if found != before:
                gone = {name: digest for name, digest in (before or {}).items() if name not in found}
                detail = {"files": found, **({"gone": gone} if gone else {})}
                self._audit.record_new(Act(self._actor, action, _digest(found), detail=detail))
            self._noted[action] = found


async def keep_anchored(audit: AuditReader, settings: Callable[[], Settings]) -> None:
    """Add the end of the log to the file that moat.yaml names whenever it has grown, until cancelled."""
    problem = ""
    while True:
        path = anchor_path(settings())
        try:
            if path is not None:
                await asyncio.to_thread(_anchor, audit, path)
            problem = ""
        except (MoatError, OSError) as error:
            if str(error) != problem:
                problem = str(error)
                log.error("the end of the audit log cannot be kept in %s: %s", path, problem)
        await asyncio.sleep(ANCHOR_SECONDS)


def _anchor(audit: AuditReader, path: Path) -> None:
    end = audit.end()
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(file).st_size
        last = os.pread(file, TAIL_BYTES, max(0, size - TAIL_BYTES)).splitlines()
        if not last or last[-1] + b"\n" != end.line.encode():
            os.write(file, end.line.encode())
            os.fsync(file)
    finally:
        os.close(file)


def _digest(files: Mapping[str, str]) -> str:
    """The SHA-256 of a file, or of the list that `sha256sum` makes of several."""
    if len(files) < 2:
        return next(iter(files.values()), NOTHING)
    return sha256("".join(f"{digest}  {name}\n" for name, digest in files.items()).encode()).hexdigest()


def _check_hold(project: Project) -> None:
    if project.settings.config.audit.hold:
        raise ConflictError(
            "a legal hold is on: nothing of the audit log goes",
            where=f"{CONFIG_FILE}: $.audit.hold",
            remedy="Who has ordered the hold says when it ends.",
        )
