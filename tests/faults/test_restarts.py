"""A server that is killed, stopped and started at fifty requests a second, with its state store held by somebody."""

import http.client
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from moat.bootstrap.project import Project as Files
from moat.bootstrap.traces import open_traces
from moat.ports.traces import TraceFilter
from tests.bootstrap.projects import Project, eventually

CLIENTS = 5
PACE = 0.1
"""Seconds from one request of a client to its next."""


class Clients:
    """They ask, and say what they think of the answers, whether or not somebody is there."""

    def __init__(self, port: int, key: str) -> None:
        self.statuses: Counter[int] = Counter()
        """0: nobody was there, or was killed meanwhile."""
        self.answered: set[str] = set()
        self.heard: set[str] = set()
        """Requests and opinions that were acknowledged."""
        self._port, self._key = port, key
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        hello = {"model": "assistant", "messages": [{"role": "user", "content": "Hello"}]}
        while not self._over.wait(PACE):
            request = self._send("/v1/chat/completions", hello)
            if request is None:
                continue
            self.answered.add(request)
            if self._send("/v1/feedback", {"request_id": request, "thumbs": "up"}) is not None:
                self.heard.add(request)

    def _send(self, path: str, body: object) -> str | None:
        """The id of a request that was answered with 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self.statuses[0] += 1
            return None
        finally:
            connection.close()
        self.statuses[answer.status] += 1
        return answer.headers["x-request-id"] if answer.status == 200 else None


@contextmanager
def held(project: Project) -> Iterator[None]:
    """Somebody else has the state store for himself."""
    with closing(sqlite3.connect(Files(project.root).state_path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.promise("up-6")
@pytest.mark.promise("keep-1")
def test_no_acknowledgement_is_lost_and_nobody_is_told_401(project: Project) -> None:
    key = project.key("--tenant", "acme")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Clients(port, key) as clients:

        def more(count: int) -> None:
            known = len(clients.answered)
            eventually(lambda: len(clients.answered) >= known + count)

        for end in (signal.SIGKILL, signal.SIGTERM):
            with project.serving("--port", str(port), "--workers", "1") as server:
                more(30)
                with held(project):
                    more(30)
                os.kill(server.process.pid, end)
                server.process.wait()
        with held(project):  # a server that begins meanwhile waits, and lets nobody in whom it cannot know
            beginning = project.spawn("serve", "--port", str(port))
            time.sleep(1)
        try:
            more(30)
        finally:
            beginning.send_signal(signal.SIGTERM)
            beginning.communicate(timeout=60)
    assert set(clients.statuses) <= {0, 200, 503}, clients.statuses
    assert clients.statuses[200] > clients.statuses[503]
    with open_traces(Files(project.root)) as traces:
        recorded = {span.request_id for span in traces.search(TraceFilter(), 100_000)}
        said = {one.request_id for one in traces.opinions(TraceFilter(), 100_000)}
    assert clients.answered - recorded == set()
    assert clients.heard - said == set()
