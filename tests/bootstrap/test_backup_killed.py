"""`kill -9` at every step of a backup and of a restore: afterwards there is one that is whole, or none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from moat.bootstrap.backup import check
from tests.bootstrap.projects import Project
from tests.bootstrap.test_backup import answers, emptied, record

PROGRAM = """
import os, signal, sys, traceback
from pathlib import Path
import duckdb
import moat.adapters.duckdb
from moat.bootstrap.backup import back_up, check, restore
from moat.bootstrap.project import Project

work, root, backup, changes = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), set(sys.argv[4:])
os.sync = lambda: None  # it waits for the disks of the whole machine, and a kill loses none of their pages

def killed_at(number, step):
    count = 0
    def look(event, arguments):
        nonlocal count
        if event not in changes:
            return
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(look)
    step()

def in_a_child(number, step):
    # A fork of this warm process: a kill hits the work, not the imports.
    child = os.fork()
    if child == 0:
        try:
            killed_at(number, step)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def save():
    back_up(Project(root), backup)

def bring():
    restore(Project(root), backup)

step, number, kills = {"backup": save, "restore": bring}[work], 1, 0
while (ended := in_a_child(number, step)) == -signal.SIGKILL:
    kills += 1
    if work == "backup" and backup.exists():
        check(backup)
        backup.rename(backup.with_name(f"whole{number}"))
    number += 1
print(ended, kills)
"""


def killed(project: Project, backup: Path, work: str, *changes: str) -> int:
    """Do it until it ends by itself, killed before each of these changes (audit events of Python); how often it was."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, work, str(project.root), str(backup), *changes],
        capture_output=True,
        text=True,
        check=True,
    )
    ended, kills = map(int, done.stdout.split())
    assert ended == 0, done.stderr
    return kills


@pytest.mark.promise("keep-4")
@pytest.mark.no_cover
def test_a_kill_leaves_a_whole_backup_or_none(project: Project, tmp_path: Path) -> None:
    record(project, 1, 2)
    project.ok("traces")
    record(project, 3)
    backup = tmp_path / "backup"
    assert killed(project, backup, "backup", "os.rename", "shutil.move") >= 3
    assert check(backup).parts
    assert sorted(path.name for path in tmp_path.glob(".*.new")) == []
    assert len(project.ok("traces", "--json").json) == 3
    assert not list((project.root / ".moat").glob("copy-*"))


@pytest.mark.promise("keep-4")
@pytest.mark.no_cover
def test_a_restore_that_was_killed_is_done_again(project: Project, tmp_path: Path) -> None:
    """Each next one begins with what the killed one left."""
    record(project, 1, 2)
    project.ok("keys", "create", "--name", "app")
    project.ok("traces")
    backup, before = tmp_path / "backup", answers(project)
    project.ok("backup", str(backup))
    emptied(project)
    assert killed(project, backup, "restore", "os.rename", "os.rmdir") >= 4
    assert answers(project) == before
    assert not (project.root / ".moat" / "restore.new").exists()
    assert json.loads((backup / "manifest.json").read_text("utf-8"))["parts"]
