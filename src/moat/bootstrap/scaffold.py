"""Making a new project from the example that ships with Moat."""

import shutil
import tempfile
from pathlib import Path

from moat.adapters.git import GitRepository
from moat.bootstrap.settings import environment
from moat.domain.errors import ConflictError, InputError

EXAMPLE = "support-assistant"


def example_folder() -> Path:
    """The example: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "_examples" / EXAMPLE
    return installed if installed.is_dir() else package.parent.parent / "examples" / EXAMPLE


def create_project(target: Path, *, openai: bool) -> None:
    """Copy the example to a new folder and commit it to a new git repository.

    Built beside the target and renamed into place: it is there whole, or not at all. Raises `ConflictError`
    when the target exists and is not empty.
    """
    target = target.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConflictError("exists already and is not empty", where=str(target), remedy="Choose another folder.")
    if not target.parent.is_dir():
        raise InputError("no such folder", where=str(target.parent), remedy="Make it first.")
    with tempfile.TemporaryDirectory(prefix=".moat-init-", dir=target.parent) as temporary:
        draft = Path(temporary) / target.name
        shutil.copytree(example_folder(), draft, ignore=shutil.ignore_patterns(".moat", "__pycache__"))
        if openai:
            (draft / "moat.openai.yaml").replace(draft / "moat.yaml")
        repository = GitRepository(draft, environment())
        repository.init()
        repository.commit_all("Start from Moat's support-assistant example")
        draft.rename(target)
