"""Checks of what is kept below `.moat/`: stores, spool, disk, permissions, the audit log, backups."""

import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from moat.adapters.sqlite.inspection import inspect_state
from moat.adapters.sqlite.migrations import REVISIONS
from moat.bootstrap.auditing import anchor_path, verify
from moat.bootstrap.examination import Examination, Finding, Look
from moat.bootstrap.state import open_state
from moat.domain.audit import AuditQuery
from moat.domain.errors import NotFound
from moat.ports.traces import Kept
from moat.telemetry.segments import OPEN, REJECTED, SEALED

CHECK_SECONDS = 5.0
"""For SQLite's check of the state store."""
MAX_ENTRIES = 100_000
"""Of the audit log, that are verified on the way: some two seconds."""
DISK_ERROR, DISK_WARNING = 256 * 2**20, 2 * 2**30
"""Bytes that are free."""
BACKLOG_SECONDS, BACKLOG_BYTES = 600, 256 * 2**20
"""Of what waits for the trace store, which usually takes it within a second."""
BACKUP_DAYS = 7
_DAY_NS = 86_400 * 10**9
_DAY_OVER = 2
"""Days beyond `keep_days` that are no fault: what is old goes every hour, a block at a time."""
_SHOWN = 3
_SERVE = "moat serve"


def _state(look: Look) -> Iterator[Finding]:
    path = look.state_path
    if not path.exists():
        yield Finding("ok", str(path), "not made yet: the first command that keeps something makes it")
        return
    found = inspect_state(path, CHECK_SECONDS)
    about = f"{_size(_with_log(path, '-wal'))}, schema {found.schema or 'none'}"
    if found.damage:
        what, remedy = f"damaged: {'; '.join(found.damage)}", "Stop the server, and restore the newest backup."
        yield Finding("error", str(path), what, remedy, "moat restore FOLDER")
    elif found.schema not in REVISIONS:
        remedy = "Use the Moat that wrote it, or restore the backup made before the upgrade."
        yield Finding("error", str(path), f"{about}: this program knows up to {found.newest}", remedy)
    elif found.schema != found.newest:
        what = f"{about}: {_SERVE} or any command that writes brings it to {found.newest}"
        yield Finding("warning", str(path), what, "Make a backup first.", "moat backup FOLDER")
    elif not found.whole:
        what = f"{about}; SQLite's check did not end within {CHECK_SECONDS:g} s and found nothing until then"
        yield Finding("unknown", str(path), what, command=f"sqlite3 {path} 'PRAGMA quick_check'")
    else:
        yield Finding("ok", str(path), f"{about}, SQLite's check finds nothing wrong")


def _traces(look: Look) -> Iterator[Finding]:
    path = look.folder / "traces.duckdb"
    if look.running is not None:
        kept = look.running.kept()
    elif not path.exists():
        yield Finding("ok", str(path), "not made yet: the first recorded call makes it")
        return
    else:
        from moat.adapters.duckdb.inspection import NEWEST, inspect_traces  # DuckDB is loaded by who reads its file

        found = inspect_traces(path)
        if found.schema > NEWEST:
            what = f"schema {found.schema}: this program knows up to {NEWEST}"
            yield Finding("error", str(path), what, "Use the Moat that wrote it.")
            return
        size = _with_log(path, ".wal")
        kept = Kept(spans=found.spans, opinions=0, rejects=0, bytes=size, first_ns=found.first_ns)
    yield _retained(look, str(path), kept)


def _retained(look: Look, path: str, kept: Kept) -> Finding:
    keep = look.sound.config.telemetry.keep_days
    days = (time.time_ns() - kept.first_ns) / _DAY_NS if kept.first_ns else 0.0
    about = f"{kept.spans:,} spans in {_size(kept.bytes)}, the oldest of {days:.0f} days ago; {keep:g} days are kept"
    if days > keep + _DAY_OVER:
        what = "A running server lets go of what is old every hour: it did not run, or its clock was set forward."
        return Finding("warning", path, about, what, "moat traces expire")
    return Finding("ok", path, about)


def _spool(look: Look) -> Iterator[Finding]:
    spool = look.folder / "spool"
    if look.running is not None and look.running.refusing:
        what = f"no call is taken: {look.running.refusing}"
        yield Finding("error", str(spool), what, "Make room on the disk; the server goes on by itself.", "df -h")
    waiting = [path for path in (*spool.glob("*"), *spool.glob("feedback/*")) if path.suffix in (OPEN, SEALED)]
    sizes = {path: found for path in waiting if (found := _stat(path)) is not None and found.st_size}
    rejected = [path for path in spool.glob(f"**/{REJECTED}/*") if path.suffix != ".reason"]
    if rejected:
        what = f"{len(rejected)} segments would not go into the trace store; each has a `.reason` beside it"
        yield Finding("error", str(rejected[0].parent), what, "Read the reasons.", f"cat {rejected[0].parent}/*.reason")
    total = sum(found.st_size for found in sizes.values())
    oldest = max((time.time() - found.st_mtime for path, found in sizes.items() if path.suffix == SEALED), default=0.0)
    about = f"{len(sizes)} segments with {_size(total)} wait for the trace store"
    if total > BACKLOG_BYTES or (look.running is not None and oldest > BACKLOG_SECONDS):
        remedy = "What was recorded is safe and does not show yet: the server's log says why it is not shipped."
        yield Finding("warning", str(spool), f"{about}, the oldest for {oldest:.0f} s", remedy)
    elif sizes and look.running is None:
        yield Finding("ok", str(spool), f"{about}: the next command that reads traces, or a server, ships them")
    else:
        yield Finding("ok", str(spool), about)


def _disk(look: Look) -> Iterator[Finding]:
    at = look.folder if look.folder.exists() else look.project.root
    free, traces = shutil.disk_usage(at).free, look.folder / "traces.duckdb"
    held = traces.stat().st_size if traces.exists() else 0
    about = f"{_size(free)} are free, the trace store has {_size(held)}"
    remedy = "Make room, keep traces for less long (`telemetry.keep_days`), and give back what deleted spans took."
    if free < DISK_ERROR:
        yield Finding(
            "error", str(at), f"{about}: a full disk means that calls are refused", remedy, "moat traces compact"
        )
    elif free < max(DISK_WARNING, held):
        more = "a backup or `moat traces compact` needs room for a second copy"
        yield Finding("warning", str(at), f"{about}: {more}", remedy, "moat traces compact")
    else:
        yield Finding("ok", str(at), about)


def _permissions(look: Look) -> Iterator[Finding]:
    if not look.folder.exists():
        yield Finding("ok", str(look.folder), "not made yet")
        return
    paths = [look.folder, *(path for path in look.folder.rglob("*") if not path.is_symlink())]
    found = {path: about for path in paths if (about := _stat(path)) is not None}
    opened = [path for path, about in found.items() if stat.S_IMODE(about.st_mode) & 0o077]
    if look.folder not in opened:
        # The folder is closed, and what lies in it by that; what is copied out of it takes its own mode along.
        opened = [path for path in opened if path.is_file()]
    others = [path for path, about in found.items() if about.st_uid != os.geteuid()]
    if opened:
        held = "" if look.folder in opened else ", but that the folder is closed"
        what = f"other users may read or write {_named(look, opened)}{held}"
        remedy = "Hashes of keys, sessions and what callers wrote lie there: close it."
        yield Finding("warning" if held else "error", str(look.folder), what, remedy, f"chmod -R go= {look.folder}")
    if others:
        what = f"{_named(look, others)} belong to another user than the one who asks"
        remedy = "Let one user run the server and the commands."
        yield Finding("warning", str(look.folder), what, remedy, f"chown -R $(id -u) {look.folder}", "owner")
    if not opened:
        yield Finding("ok", str(look.folder), f"{len(found)} files and folders, closed to other users")


def _audit(look: Look) -> Iterator[Finding]:
    if not look.state_path.exists():
        yield Finding("ok", "audit log", "empty")
        return
    anchor = anchor_path(look.sound)
    with open_state(look.project, to_read=True) as state:
        try:
            entries = state.audit.end().sequence
        except NotFound:
            entries = 0
        if entries > MAX_ENTRIES:
            yield Finding(
                "unknown", "audit log", f"{entries:,} entries: too many to verify now", "", "moat audit verify"
            )
        else:
            told = verify(state.audit, look.sound)
            if told.intact:
                yield Finding("ok", "audit log", f"{told.entries:,} entries, each follows the one before")
            else:
                what = f"{told.count} problems; the first: entry {told.problems[0].sequence}, {told.problems[0].what}"
                remedy = "Somebody, or something, changed the log: keep a copy of the files before anything else."
                yield Finding("error", "audit log", what, remedy, "moat audit verify")
    if anchor is None:
        what = "its end is kept beside it only: who can write there can write a log anew"
        remedy = "Name a file on another disk, or one that is only added to, in `audit.anchor`."
        yield Finding("warning", "moat.yaml: $.audit.anchor", what, remedy, name="audit anchor")
    else:
        yield Finding("ok", str(anchor), "the end of the log is kept there too", name="audit anchor")


def _backup(look: Look) -> Iterator[Finding]:
    if not look.state_path.exists():
        yield Finding("ok", "audit log", "there is nothing to lose yet")
        return
    with open_state(look.project, to_read=True) as state:
        found = state.audit.entries(AuditQuery(action="backup.make"), 1)
    remedy = "A backup is made while the server runs; put it on another machine, and try to restore it."
    if not found:
        yield Finding("warning", "audit log", "no backup was made with `moat backup`", remedy, "moat backup FOLDER")
        return
    entry = found[0].entry
    days = (time.time_ns() - entry.at_ns) / _DAY_NS
    about = f"the last one was begun {days:.1f} days ago, to {entry.subject}"
    if days > BACKUP_DAYS:
        yield Finding("warning", "audit log", about, remedy, "moat backup FOLDER")
    else:
        yield Finding("ok", "audit log", about)


def _with_log(path: Path, suffix: str) -> int:
    """Bytes of a store and of its write-ahead log."""
    both = (_stat(path), _stat(path.with_name(path.name + suffix)))
    return sum(found.st_size for found in both if found is not None)


def _stat(path: Path) -> os.stat_result | None:
    """None for what has gone meanwhile: segments come and go."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _named(look: Look, paths: list[Path]) -> str:
    named = ", ".join(path.relative_to(look.project.root).as_posix() for path in sorted(paths)[:_SHOWN])
    return named + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:,.3g} TiB"


STORE_CHECKS = (
    Examination("state store", _state, needs_settings=False),
    Examination("trace store", _traces),
    Examination("spool", _spool, needs_settings=False),
    Examination("disk", _disk, needs_settings=False),
    Examination("permissions", _permissions, needs_settings=False),
    Examination("audit log", _audit),
    Examination("backup", _backup, needs_settings=False),
)
