"""A project's state in a folder of its own, and back: traces, state store, spool and files, while the server runs.

    manifest.json       what there is, with digests: written last, so that a folder without it is no backup
    traces.duckdb       the trace store
    state.db            releases, keys (hashed), runs, ...
    audit.head          where its audit log ended, and whether that had been lost
    spool/              what was not in the trace store yet; spool/feedback/ likewise
    files/              files of batch requests and their results

The spool is copied before the trace store: what is shipped in between is in both, and counts once. What is not in it is
in git, or is a secret: provider credentials, and `feedback.key`, without which links that were sent to people before
are refused. The manifest has its mark, so that a restore knows whether the right one is there.
"""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from moat import __version__
from moat.adapters.duckdb.vetting import check_store
from moat.adapters.sqlite.head import head_path
from moat.bootstrap.announcement import running_server
from moat.bootstrap.auditing import mark_restored, record
from moat.bootstrap.feedback import link_key_mark
from moat.bootstrap.project import Project
from moat.bootstrap.upkeep import open_upkeep
from moat.domain.errors import ConflictError, DocumentError, MoatError, StorageError
from moat.telemetry.segments import OPEN, SEALED

MANIFEST = "manifest.json"
FORMAT = 1
_STATE, _TRACES, _SPOOL, _FILES = "state.db", "traces.duckdb", "spool", "files"
_CHUNK = 2**20


class Part(msgspec.Struct, frozen=True):
    """One file of a backup."""

    path: str
    """Below the backup's folder, with `/`."""
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    format: int = FORMAT
    moat: str
    """Version of the program that made it."""
    made_ns: int
    parts: tuple[Part, ...]
    link_key: str = ""
    """Mark of the secret that signed feedback links; empty when there was none."""

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(part.bytes for part in self.parts)


def back_up(project: Project, target: Path) -> Manifest:
    """Copy the state as of now, or nothing. Raises `ConflictError` when the target is there, `StorageError`."""
    if target.exists():
        raise ConflictError("is there already", where=str(target), remedy="Name a folder that is not there yet.")
    half = target.with_name(f".{target.name}.new")
    with _explained(target):
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True, mode=0o700)
        try:
            record(project, "backup.make", str(target.resolve()))
            _copy_spool(project.spool_path, half / _SPOOL)
            _copy_traces(project, half / _TRACES)
            _copy_state(project.state_path, half / _STATE)
            if (head := head_path(project.state_path)).exists():
                shutil.copyfile(head, head_path(half / _STATE))
            if project.files_path.is_dir():
                shutil.copytree(project.files_path, half / _FILES)
            parts = tuple(_part(half, path) for path in sorted(half.rglob("*")) if path.is_file())
            mark = link_key_mark(project)
            manifest = Manifest(moat=__version__, made_ns=time.time_ns(), parts=parts, link_key=mark)
            (half / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
            for path in half.rglob("*"):
                path.chmod(0o700 if path.is_dir() else 0o600)
            os.sync()
            half.rename(target)
        finally:
            shutil.rmtree(half, ignore_errors=True)
    return manifest


def check(source: Path) -> Manifest:
    """What a backup holds, every byte compared. Raises `DocumentError` for one that is damaged or not whole."""
    try:
        manifest = msgspec.json.decode((source / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise DocumentError(f"this is no backup: {error}", where=str(source / MANIFEST)) from None
    if manifest.format != FORMAT:
        raise DocumentError(f"a newer Moat ({manifest.moat}) has made this backup", where=str(source))
    if links := [path for path in source.rglob("*") if path.is_symlink()]:
        raise DocumentError("is a link", where=str(links[0]), remedy="A backup holds files only: use another.")
    known = {part.path for part in manifest.parts}
    found = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()} - {MANIFEST}
    for path in sorted(known ^ found):
        what = "is missing" if path in known else "does not belong to this backup"
        raise DocumentError(what, where=str(source / path), remedy="Use another backup: this one is damaged.")
    for part in manifest.parts:
        if _part(source, source / part.path) != part:
            raise DocumentError(
                "was changed since the backup was made",
                where=str(source / part.path),
                remedy="Use another backup: this one is damaged.",
            )
    return manifest


def restore(project: Project, source: Path) -> Manifest:
    """Put a backup into a project that has no state yet. Raises `DocumentError` for a damaged one, `ConflictError`.

    One that was cut off is done again: what is there already, byte for byte, is not another state.
    """
    if running_server(project.server_path) is not None:
        raise ConflictError("this project is served", where=str(project.root), remedy="Stop that server first.")
    manifest = check(source)
    for name in (_STATE, _TRACES):
        path = project.folder / name
        if path.exists() and _part(project.folder, path) not in manifest.parts:
            raise ConflictError(
                "this project has a state already", where=str(path), remedy="Move it away: a restore changes nothing."
            )
    half = project.folder / "restore.new"
    with _explained(project.folder):
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(source, half)
        try:
            for part in manifest.parts:
                if _part(half, half / part.path) != part:
                    raise StorageError("the copy differs from the backup", where=str(half / part.path))
                (half / part.path).chmod(0o600)
            if (half / _TRACES).exists():
                check_store(half / _TRACES)
            os.sync()
            for name in (_SPOOL, _FILES):
                _merge(half / name, project.folder / name)
            if (half / _TRACES).exists():
                (half / _TRACES).rename(project.folder / _TRACES)
            head = mark_restored(project, half / _STATE, source.resolve(), manifest.made_ns)
            head.rename(head_path(project.state_path))
            # Last of all the one that says that there is a state, with the entry of the audit log that says why.
            last = (half / _STATE).rename(project.folder / "state.new")
            shutil.rmtree(half)
            last.rename(project.state_path)
        finally:
            shutil.rmtree(half, ignore_errors=True)
    return manifest


def _copy_spool(spool: Path, target: Path) -> None:
    """Whole lines of all segments; one that vanishes meanwhile is in the trace store now."""
    for path in sorted((*spool.glob("*"), *spool.glob("feedback/*"))):
        if path.suffix not in (OPEN, SEALED):
            continue
        with contextlib.suppress(FileNotFoundError):
            lines = path.read_bytes()
            copy = (target / path.relative_to(spool)).with_suffix(SEALED)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(lines[: lines.rfind(b"\n") + 1])


def _copy_traces(project: Project, target: Path) -> None:
    if not project.traces_path.exists() and running_server(project.server_path) is None:
        return
    with open_upkeep(project) as upkeep:
        made = upkeep.backup()
    try:
        shutil.move(made, target)
    finally:
        made.unlink(missing_ok=True)


def _copy_state(state: Path, target: Path) -> None:
    """By SQLite itself, as of one moment, while others write."""
    if not state.exists():
        return
    with (
        contextlib.closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)


def _part(folder: Path, path: Path) -> Part:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Part(path.relative_to(folder).as_posix(), size, digest.hexdigest())


def _merge(half: Path, target: Path) -> None:
    """Move files into a folder that may be there."""
    for path in sorted(half.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(half)
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.rename(place)


@contextlib.contextmanager
def _explained(where: Path) -> Iterator[None]:
    try:
        yield
    except MoatError:
        raise
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"the backup failed: {error}", where=str(where)) from error
