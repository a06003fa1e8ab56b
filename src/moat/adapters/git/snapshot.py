"""The files of one commit as git stores them: which of them are taken, and how they are written."""

from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple

from moat.documents.yaml import MAX_BYTES
from moat.domain.errors import ConflictError, StorageError

PATHS = ("prompts", "tools", "evals", "prompts.lock", "moat.yaml")
"""What of a project is read from commits."""

DATA = "evals/"
MAX_DATA = 64 * 2**20
"""Bytes of one file below `DATA`; any other file may have as many as the readers of YAML take."""

MAX_TEXTS = 128 * 2**20
"""Bytes of all files together that are not below `DATA`: readers hold them in memory."""

MAX_TOTAL = 512 * 2**20
MAX_FILES = 100_000
MAX_NAME = 255
"""Bytes of one part of a path: what file systems take."""

MAX_PATH = 1024
PIECE = 2**16

_REGULAR = {b"100644", b"100755", b"100664"}


class Blob(NamedTuple):
    """A file that is taken."""

    path: str
    """Relative to the root, with `/`."""
    id: str
    size: int
    """In bytes."""

    @property
    def limit(self) -> int:
        """The most bytes it may have."""
        return MAX_DATA if self.path.startswith(DATA) else MAX_BYTES


class Snapshot(NamedTuple):
    """What a commit holds below some paths."""

    blobs: tuple[Blob, ...]
    left_out: tuple[str, ...]
    """Links, submodules, and names that are no path of a file here."""


def content(raw: str) -> str:
    """Of a changed file, as git's raw format has it (`:modes ids status`), the id of the new content; empty when it is
    gone.
    """
    blob = raw.split(" ")[3]
    return "" if set(blob) == {"0"} else blob


def parse(told: bytes) -> Snapshot:
    """What `git ls-tree -r -l -z` said. Raises `ConflictError` for more than is taken of one commit."""
    blobs, left_out = [], []
    for line in told.split(b"\0")[:-1]:
        about, _, raw = line.partition(b"\t")
        mode, _, name, size = about.split()
        path = _path(raw)
        if mode in _REGULAR and path:
            if not size.isdigit():
                raise ConflictError("git has not all of this commit", where=path, remedy="Run `git fsck`.")
            blobs.append(Blob(path, name.decode(), int(size)))
        else:
            left_out.append(raw.decode("utf-8", "backslashreplace"))
    small = [blob for blob in blobs if blob.size <= blob.limit]
    texts = sum(blob.size for blob in small if not blob.path.startswith(DATA))
    if len(blobs) > MAX_FILES or texts > MAX_TEXTS or sum(blob.size for blob in small) > MAX_TOTAL:
        raise ConflictError(
            f"holds more than {MAX_FILES:,} files, {MAX_TEXTS >> 20} MiB of texts, or {MAX_TOTAL >> 20} MiB in all",
            remedy=f"Keep other data out of {', '.join(PATHS[:3])}.",
        )
    return Snapshot(tuple(blobs), tuple(left_out))


def write(blobs: Iterable[Blob], contents: IO[bytes], into: Path) -> None:
    """Write files from what `git cat-file --batch` says of those that are within their limits, in this order.

    One over its limit becomes a hole one byte over it: whoever reads that refuses it for its size, as in the working
    tree. Raises `ConflictError` for names that exclude each other, `StorageError` when the disk refuses, `EOFError`
    when git says too little.
    """
    folders: set[Path] = set()
    for blob in blobs:
        file = into / blob.path
        try:
            if file.parent not in folders:
                file.parent.mkdir(parents=True, exist_ok=True)
                folders.add(file.parent)
            with file.open("xb") as out:
                if blob.size > blob.limit:
                    out.truncate(blob.limit + 1)
                else:
                    _copy(blob, contents, out)
        except (FileExistsError, NotADirectoryError):
            raise ConflictError("two files have this name", where=blob.path) from None
        except OSError as error:
            raise StorageError(f"cannot be written: {error.strerror}", where=str(file)) from None


def _copy(blob: Blob, contents: IO[bytes], out: IO[bytes]) -> None:
    if contents.readline() != f"{blob.id} blob {blob.size}\n".encode():
        raise EOFError(blob.path)
    left = blob.size
    while left:
        piece = contents.read(min(left, PIECE))
        if not piece:
            raise EOFError(blob.path)
        out.write(piece)
        left -= len(piece)
    contents.read(1)  # the line's end


def _path(raw: bytes) -> str:
    """The path itself; empty for one that could lead elsewhere, or that is no text."""
    try:
        path = raw.decode()
    except UnicodeDecodeError:
        return ""
    parts = raw.split(b"/")
    safe = len(raw) <= MAX_PATH and all(part not in (b"", b".", b"..") and len(part) <= MAX_NAME for part in parts)
    return path if safe else ""
