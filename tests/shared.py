"""What takes long to make is made once for all processes of a test run."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, worker: str, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name`, which the first process that wants it fills. `worker` is xdist's `worker_id`.

    It is there whole or not at all: what fails half-way is made anew by the next.
    """
    base = factory.getbasetemp()
    run = base if worker == "master" else base.parent
    folder, draft = run / name, run / f"{name}.draft"
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            make(draft)
            draft.rename(folder)
    return folder
