"""Which files of a project hold prompts, partials and tools; never one outside its root."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from moat.domain.errors import DocumentError, PromptError
from moat.prompts.semver import is_version

PROMPTS = "prompts"
TOOLS = "tools"
PARTIALS = "prompts/_partials"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(?:/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}){0,7}")
_SUFFIXES = (".yaml", ".txt", ".md")
MAX_LEVELS = 8


class Entry(NamedTuple):
    """A file that should hold one version of a prompt or tool."""

    name: str
    version: str
    path: str
    """Relative to the root, with `/`."""


def is_name(name: str) -> bool:
    """Is this a name of a prompt, tool or partial, one that cannot lead outside its folder?"""
    return _NAME.fullmatch(name) is not None and ".." not in name


def check_name(name: str) -> str:
    """The name itself. Raises `PromptError` for one that could lead outside its folder."""
    if not is_name(name):
        raise PromptError(
            f"{name[:100]!r} is not a name",
            remedy="Names are letters, digits, '_', '-' and '.', in at most 8 parts divided by '/'.",
        )
    return name


def entries(root: Path, folder: str) -> Iterator[Entry]:
    """All version files below a folder of the root, in order of path; files of other kinds are passed over."""
    yield from _walk(root, folder, 0, folder)


def inside(root: Path, path: str) -> Path:
    """The file at a relative path. Raises `DocumentError` when it, or what it links to, is not in the root."""
    found = root / path
    if not os.path.realpath(found).startswith(os.path.realpath(root) + os.sep):
        raise DocumentError(
            "is a link that leaves the project", where=path, remedy="Put the file itself into the project."
        )
    return found


def _walk(root: Path, folder: str, level: int, top: str) -> Iterator[Entry]:
    try:
        found = sorted(os.scandir(root / folder), key=lambda item: item.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", where=folder) from error
    for item in found:
        path = f"{folder}/{item.name}"
        if item.name.startswith((".", "_")):
            continue
        if item.is_dir(follow_symlinks=False):
            if level < MAX_LEVELS:
                yield from _walk(root, path, level + 1, top)
        elif item.name.endswith(_SUFFIXES) and (item.is_symlink() or item.is_file()):
            version = item.name.rpartition(".")[0]
            if not path.endswith(".yaml") and is_version(version[1:]) and version[0] == "v":
                version = version[1:]
            yield Entry(folder[len(top) + 1 :], version, path)
