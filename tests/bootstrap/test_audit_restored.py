"""`kill -9` at every step of a restore: there is no restored state whose log does not say so."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bootstrap.projects import Project
from tests.bootstrap.test_backup import emptied, record

PROGRAM = """
import os, shutil, signal, sys
from pathlib import Path
import duckdb
import moat.adapters.duckdb
from moat.adapters.sqlite import SqliteAudit, SqliteState
from moat.bootstrap.backup import restore
from moat.bootstrap.project import Project
from moat.domain.audit import AuditQuery

root, backup = Path(sys.argv[1]), Path(sys.argv[2])
os.sync = lambda: None  # it waits for the disks of the whole machine, and a kill loses none of their pages

def killed_at(number):
    count = 0
    def look(event, arguments):
        nonlocal count
        if event not in ("os.rename", "os.rmdir", "sqlite3.connect"):
            return
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(look)
    restore(Project(root), backup)

def in_a_child(work, *arguments):
    child = os.fork()
    if child == 0:
        try:
            work(*arguments)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def check():
    state = SqliteState.open(root / ".moat" / "state.db")
    last = SqliteAudit(state).entries(AuditQuery(), 1)[0].entry
    found = SqliteAudit(state).verify()
    assert (last.action, last.subject) == ("backup.restore", str(backup)), last
    assert found.intact, found.problems

number, unfinished, finished = 0, 0, 0
ended = -signal.SIGKILL
while ended == -signal.SIGKILL:
    number += 1
    shutil.rmtree(root / ".moat", ignore_errors=True)
    ended = in_a_child(killed_at, number)
    if (root / ".moat" / "state.db").exists():
        assert in_a_child(check) == 0, number
        finished += 1
    else:
        unfinished += 1
        assert in_a_child(killed_at, 0) == 0, "it can be done again"
        assert in_a_child(check) == 0, number
print("", flush=True)  # after what DuckDB draws for a program that is no file
print(ended, unfinished, finished)
"""


@pytest.mark.promise("guard-4")
@pytest.mark.promise("keep-4")
@pytest.mark.no_cover
def test_a_restored_state_says_that_it_was_restored_wherever_it_was_killed(project: Project, tmp_path: Path) -> None:
    record(project, 1, 2)
    project.ok("keys", "create", "--name", "app")
    project.ok("traces")
    backup = tmp_path / "backup"
    project.ok("backup", str(backup))
    emptied(project)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(project.root), str(backup)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ended, unfinished, finished = map(int, done.stdout.splitlines()[-1].split())
    assert (ended, finished) == (0, 1), "the state is there with the last step, and not before"
    assert unfinished >= 8


@pytest.mark.promise("guard-4")
@pytest.mark.parametrize("spoilt", [None, "nonsense\nand more"])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_that_the_end_of_the_log_was_lost_is_told_after_a_restore_too(
    project: Project, tmp_path: Path, spoilt: str | None, elsewhere: bool
) -> None:
    backup, head = tmp_path / "backup", project.root / ".moat" / "audit.head"
    for number in range(9):
        project.ok("keys", "create", "--name", f"app{number}")
    if not elsewhere:
        project.ok("backup", str(backup))
    head.unlink() if spoilt is None else head.write_text(spoilt)
    project.ok("keys", "create", "--name", "later")
    assert "begun anew" in project.run("audit", "verify").out
    if elsewhere:
        project.ok("backup", str(backup))
        emptied(project)
    else:
        (project.root / ".moat" / "state.db").rename(tmp_path / "state.db")
    project.ok("restore", str(backup))
    assert "begun anew" in project.run("audit", "verify").out
    said = project.ok("audit", "list", "--json").out
    assert "begun anew" not in said


@pytest.mark.promise("guard-4")
def test_a_log_that_lost_nothing_is_whole_after_a_restore(project: Project, tmp_path: Path) -> None:
    project.ok("keys", "create", "--name", "app")
    project.ok("backup", str(tmp_path / "backup"))
    emptied(project)
    project.ok("restore", str(tmp_path / "backup"))
    project.ok("audit", "verify")
