"""Making a new project from the example that ships with Moat."""

import shutil
import tempfile
from pathlib import Path

from moat.adapters.git import GitRepository
from moat.bootstrap.settings import CONFIG_FILE, environment
from moat.domain.errors import ConflictError, InputError, StorageError

EXAMPLE = "support-assistant"


def example_folder() -> Path:
    """The example: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "_examples" / EXAMPLE
    return installed if installed.is_dir() else package.parent.parent / "examples" / EXAMPLE


def create_project(target: Path, *, openai: bool) -> None:
    """Copy the example to a new folder and commit it to a new git repository.

    Built aside and renamed into place: it is there whole, or not at all. Raises `ConflictError` when the target
    exists and is not empty, `InputError` for one that cannot be, `StorageError` when the disk refuses.
    """
    try:
        target = target.resolve()
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ConflictError("exists already and is not empty", where=str(target), remedy="Choose another folder.")
        if not target.parent.is_dir():
            raise InputError("no such folder", where=str(target.parent), remedy="Make it first.")
    except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself
        what = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be the project: {what}", where=str(target), remedy="Choose another folder.") from None
    # An empty folder that is there stays the same folder: somebody may stand in it.
    nearby = target if target.exists() else target.parent
    try:
        with tempfile.TemporaryDirectory(prefix=".moat-init-", dir=nearby) as temporary:
            draft = Path(temporary) / target.name
            _fill(draft, openai=openai)
            if target.exists():
                _move_into(target, draft)
            else:
                draft.rename(target)
    except (OSError, shutil.Error) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise StorageError(f"the project cannot be written: {what}", where=str(target)) from None


def _fill(draft: Path, *, openai: bool) -> None:
    shutil.copytree(example_folder(), draft, ignore=shutil.ignore_patterns(".moat", "__pycache__"))
    if openai:
        (draft / "moat.openai.yaml").replace(draft / "moat.yaml")
    repository = GitRepository(draft, environment())
    repository.init()
    repository.commit_all("Start from Moat's support-assistant example")


def _move_into(target: Path, draft: Path) -> None:
    """moat.yaml comes last: before it is there, the folder is no project."""
    for entry in sorted(draft.iterdir(), key=lambda entry: entry.name == CONFIG_FILE):
        entry.rename(target / entry.name)
