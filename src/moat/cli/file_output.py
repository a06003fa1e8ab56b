"""Texts that commands write into files."""

from pathlib import Path

from moat.domain.errors import StorageError


def write(path: Path, text: str) -> None:
    """A file, with the folders above it. Raises `StorageError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=str(path)) from None
