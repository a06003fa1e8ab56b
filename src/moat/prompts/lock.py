"""`prompts.lock`: the digests of published versions, in git beside them, so that an edit is seen in review."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from moat.documents import decode, read_yaml
from moat.domain.errors import PromptError, StorageError
from moat.domain.releases import PromptVersion, prompt_digest

LOCK = "prompts.lock"


def read_lock(root: Path) -> dict[str, str]:
    """Digest by `name@version`; empty when there is no lock yet. Raises `PromptError` with file and line."""
    path = root / LOCK
    if not path.exists():
        return {}
    document = read_yaml(path, name=LOCK)
    return decode(document, dict[str, str], error=PromptError) if document.data is not None else {}


def is_edited(lock: dict[str, str], prompt: PromptVersion) -> bool:
    """Was this version published with another content?"""
    return lock.get(prompt.id, "") not in ("", prompt_digest(prompt))


def publish(root: Path, prompts: Iterable[PromptVersion]) -> None:
    """Add versions to the lock, replacing the file at once or not at all; processes take turns.

    Raises `PromptError` when one was published with another content, `StorageError` when the disk refuses.
    """
    with turn(root, LOCK):
        lock = read_lock(root)
        for prompt in prompts:
            if is_edited(lock, prompt):
                raise PromptError(
                    f"{prompt.id} was published with another content",
                    where=LOCK,
                    remedy="Restore the file, and bump the version for the change.",
                )
            lock[prompt.id] = prompt_digest(prompt)
        replace_file(root / LOCK, yaml.safe_dump(lock, sort_keys=True, allow_unicode=True, width=1000))


@contextmanager
def turn(root: Path, lock: str) -> Iterator[None]:
    """Alone among the processes that write a lock. The folder is locked: the file itself is replaced."""
    try:
        folder = os.open(root, os.O_RDONLY)
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=lock) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def replace_file(path: Path, content: str) -> None:
    """Write a file at once or not at all. Raises `StorageError`."""
    temporary = path.with_name(f"{path.name}.new")  # one name: whoever comes next takes what a killed process left
    try:
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=path.name) from error
