"""The files of the built site: which there are, and what is sent of each."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

BUILT = Path(__file__).with_name("built")
"""Where a build puts the site (`hatch_build.py`)."""

INDEX = "/index.html"
"""The page that every address of the single-page application begins with."""

LASTING = "/assets/"
"""Below it names hold a digest of the content: what was read once never changes."""

PIECE = 64 * 1024
"""Bytes that are read, and kept, of a file at one time."""

_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_UNKNOWN = "application/octet-stream"
_PACKED = ".gz"


class File(msgspec.Struct, frozen=True):
    """One file of the site."""

    path: Path
    kind: str
    """Its content type: by a table of our own, since that of the system differs between machines."""
    packed: bool
    """Is there a gzip of it beside it?"""


class Site(msgspec.Struct, frozen=True):
    """What was built: a request names one of these files exactly, or none."""

    files: Mapping[str, File]
    """By the path of an address, such as `/assets/index-4f2a.js`."""
    changed_ns: int
    """When its `index.html` was written; 0 when nothing is built."""


class Opened(msgspec.Struct, frozen=True):
    """A file that is being sent. Whoever has it closes `fd`."""

    fd: int
    size: int
    """Bytes."""
    tag: str
    """The entity tag (RFC 9110, 8.8.3), of the content; empty when none was asked for."""


def read_site(built: Path) -> Site:
    """List the folder; reads no file. Links are left out, and what a build keeps for itself (`.digest`).

    A folder that is not there, or has no `index.html`, is a site without files.
    """
    found: dict[str, File] = {}
    for folder, _, names in os.walk(built):
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") or path.suffix == _PACKED or path.is_symlink():
                continue
            kind = _KINDS.get(path.suffix, _UNKNOWN)
            found[f"/{path.relative_to(built).as_posix()}"] = File(path, kind, f"{name}{_PACKED}" in names)
    return Site(found, changed_ns(built)) if INDEX in found else Site({}, 0)


def changed_ns(built: Path) -> int:
    """When the folder's `index.html` was written; 0 when there is none."""
    try:
        return (built / INDEX[1:]).stat().st_mtime_ns
    except OSError:
        return 0


def open_file(file: File, *, packed: bool, tagged: bool) -> Opened:
    """Open it, or its gzip. `tagged`: read it once for its tag, which a time could not be: packages have one time for
    all builds. Raises `OSError` when it is gone.
    """
    path = file.path.with_name(file.path.name + _PACKED) if packed else file.path
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        tag = f'"{_digest(fd)}"' if tagged else ""
        return Opened(fd, os.fstat(fd).st_size, tag)
    except BaseException:
        os.close(fd)
        raise


def read_piece(fd: int, offset: int) -> bytes:
    """At most `PIECE` bytes from there; empty at the end."""
    return os.pread(fd, PIECE, offset)


def _digest(fd: int) -> str:
    digest, offset = hashlib.sha256(), 0
    while piece := read_piece(fd, offset):
        digest.update(piece)
        offset += len(piece)
    return digest.hexdigest()[:32]
