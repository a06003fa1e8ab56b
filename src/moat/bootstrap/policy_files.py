"""Which files of a project are guard policies, and which only look like some."""

import os
from collections.abc import Iterator
from pathlib import Path

from moat.domain.errors import ConfigError

POLICIES = "policies"
"""The folder."""
MAX_POLICIES = 500

_SUFFIXES = (".yaml", ".yml")


def policy_files(root: Path) -> list[Path]:
    """`*.yaml` and `*.yml` in `policies/` and in folders there, sorted.

    Raises `ConfigError` for too many, and for what cannot be read: no policy may go unread without a word.
    """
    found = sorted(path for path in _entries(root) if _is_policy(path))
    for path in found:
        if not path.is_file():
            raise ConfigError("there is no file that can be read", where=path.relative_to(root).as_posix())
    if len(found) > MAX_POLICIES:
        raise ConfigError(f"{len(found)} files of policies; at most {MAX_POLICIES} are read", where=POLICIES)
    return found


def unread(root: Path) -> list[str]:
    """What stands in `policies/` and is not read, as paths within the project: files of other kinds but pages
    (`*.md`), and links to folders.
    """
    found = (path for path in _entries(root) if not _is_policy(path) and path.suffix.lower() != ".md")
    return sorted(path.relative_to(root).as_posix() for path in found)


def _is_policy(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.is_dir()


def _entries(root: Path) -> Iterator[Path]:
    """Files, and links to folders. What is hidden is left out: there a volume of Kubernetes has all files again."""
    top = root / POLICIES
    if not os.path.lexists(top):
        return
    for folder, folders, names in os.walk(top, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        yield from (Path(folder, name) for name in (*names, *links) if not name.startswith("."))


def _refuse(error: OSError) -> None:
    raise ConfigError(f"the policies cannot be read: {error.strerror}", where=str(error.filename))
