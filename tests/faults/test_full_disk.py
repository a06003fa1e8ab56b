"""A real server whose disk takes nothing for a while: it refuses, loses nothing that it took, and goes on by itself."""

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bootstrap.projects import Project, Server, eventually

JSON = "application/json"
SPANS = 20
FREE = 600_000
"""Bytes that are left on the disk: enough for the spool to take some, too little for the trace store."""


class Sender:
    """Sends spans and opinions, and knows which were taken."""

    def __init__(self, server: Server, key: str) -> None:
        self._server = server
        self._key = key
        self._sent = 0
        self.spans: set[str] = set()
        self.opinions: set[str] = set()

    def send(self) -> tuple[int, int]:
        """One request of each kind, each with new ids; both statuses."""
        self._sent += 1
        ids = [f"{self._sent * SPANS + number:016x}" for number in range(SPANS)]
        status, _ = self._server.send("POST", "/v1/traces", request(ids), self._key, content_type=JSON)
        if status == 200:
            self.spans |= set(ids)
        about = f"req_{self._sent}"
        opinion = {"request_id": about, "rating": 1, "id": f"o{self._sent}", "comment": "x" * 1000}
        said, _ = self._server.send("POST", "/v1/feedback", opinion, self._key, content_type=JSON)
        if said == 200:
            self.opinions.add(about)
        return status, said

    def found(self) -> bool:
        """Is all that was taken in the store, and nothing else?"""
        status, kept = self._server.get("/api/v1/kept")
        return status == 200 and (kept["spans"], kept["opinions"]) == (len(self.spans), len(self.opinions))


def request(ids: list[str]) -> Any:
    """An OTLP request: spans of 2 KB."""
    now = str(time.time_ns())
    said = [{"key": "input.value", "value": {"stringValue": os.urandom(1000).hex()}}]
    spans = [
        {"traceId": i * 2, "spanId": i, "startTimeUnixNano": now, "endTimeUnixNano": now, "attributes": said}
        for i in ids
    ]
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own; skips the test where that is not allowed."""
    folder.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that leaves `FREE` bytes."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - FREE)
    return ballast


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(project: Project) -> None:
    """Spool, trace store and state on one small disk: half of a record is written, and a commit fails.

    The test below proves what is promised where no disk can be mounted.
    """
    key, state = project.key(), project.root / ".moat"
    moved = state.rename(project.root / "before")
    with small_disk(state, 64):
        subprocess.run(["cp", "-a", f"{moved}/.", str(state)], check=True)
        with project.serving() as server:
            sender = Sender(server, key)
            assert sender.send() == (200, 200)
            eventually(sender.found)
            ballast = fill(state)
            taken = len(sender.spans)
            eventually(lambda: sender.send()[0] == 503)
            assert len(sender.spans) > taken, "there was room for some"
            eventually(lambda: {sender.send() for _ in range(3)} == {(503, 503)})
            assert server.get("/healthz")[0] == 200
            ballast.unlink()
            eventually(lambda: sender.send() == (200, 200))
            eventually(sender.found)


@pytest.mark.promise("keep-1")
@pytest.mark.promise("keep-2")
def test_a_disk_that_takes_no_byte_for_a_while_costs_no_restart(project: Project) -> None:
    """By the kernel's limit on the size of files, set from outside: every write of the server fails."""
    key = project.key()
    with project.serving() as server:
        sender = Sender(server, key)
        assert sender.send() == (200, 200)
        pid, (_, hard) = server.process.pid, resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        try:
            eventually(lambda: sender.send() == (503, 503))
            assert {sender.send() for _ in range(3)} == {(503, 503)}
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        eventually(lambda: sender.send() == (200, 200))
        eventually(sender.found)
