"""A command that comes while a server starts: it waits for it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from moat.adapters.remote import RemoteTraces
from moat.bootstrap import traces
from moat.bootstrap.project import Project
from moat.bootstrap.traces import open_traces
from moat.domain.errors import Unavailable

HOLDER = """
import sys, time
from pathlib import Path
from moat.adapters.duckdb import DuckTraces
from moat.bootstrap.announcement import ServerFile, announced
store, server = map(Path, sys.argv[1:3])
kept = DuckTraces.open(store)
print("open", flush=True)
time.sleep(0.5)
if len(sys.argv) > 3:
    with announced(server, ServerFile(url="http://127.0.0.1:1", pid=1, token="t")):
        sys.stdin.read()
sys.stdin.read()
"""


@contextmanager
def held(project: Project, *more: str) -> Iterator[None]:
    """Another process has the trace store; with `more` it becomes a server half a second later."""
    argv = [sys.executable, "-c", HOLDER, str(project.traces_path), str(project.server_path), *more]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        yield


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "moat.yaml").write_text(
        "providers: {simulated: {kind: simulated}}\nmodels: {assistant: {use: [simulated/small]}}\n"
    )
    found = Project.find(tmp_path)
    found.traces_path.parent.mkdir(exist_ok=True)
    return found


def test_a_command_waits_for_a_server_that_starts(project: Project) -> None:
    with held(project, "server"), open_traces(project) as found:
        assert isinstance(found, RemoteTraces)


def test_it_does_not_wait_for_ever(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "STARTING_SECONDS", 0.2)
    with held(project), pytest.raises(Unavailable, match="another process"), open_traces(project):
        raise AssertionError("the store is somebody else's")
