"""A whole `moat serve` process between clients and a failing provider: memory, descriptors, and its end."""

import json
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from moat.bootstrap.project import Project as Files
from moat.bootstrap.traces import open_traces
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter
from moat.testing.faults import Script
from moat.testing.faults_server import FaultServer, faulty
from tests.bootstrap.projects import Project, Server, eventually
from tests.faults.world import DEADLINE, Reply, read_reply

FAULTS = (
    "huge-body",
    "huge-event",
    "many-chunks",
    "503",
    "reset",
    "close-body",
    "idle",
    "invalid-json",
    "usage-missing",
)
HELLO = [{"role": "user", "content": "Hello"}]
MEGABYTE = 2**20


def configure(project: Project, url: str) -> None:
    """Aliases of the faults, and `good`, which has none."""
    aliases = {"good": "good"} | {fault: f"fault:{fault}" for fault in FAULTS}
    lines = [f"  {alias!r}: {{use: ['faulty/{model}'], retries: 0}}" for alias, model in aliases.items()]
    provider = f"  faulty: {{kind: openai, base_url: {url}/v1, timeouts: {{first_token: 30, idle: 1}}}}"
    project.replace(
        "moat.yaml", {"providers:\n": f"providers:\n{provider}\n", "models:\n": "models:\n" + "\n".join(lines) + "\n"}
    )


@contextmanager
def serving(project: Project, script: Script) -> Iterator[tuple[Server, FaultServer]]:
    """The product over a server that fails."""
    with faulty(script) as faults:
        configure(project, faults.url)
        with project.serving() as server:
            yield server, faults


def connect(server: Server) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=DEADLINE)


def request(server: Server, model: str, *, stream: bool) -> bytes:
    content = json.dumps({"model": model, "messages": HELLO, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {server.token}\r\n"
    return f"{head}connection: close\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content


def read_all(client: socket.socket) -> bytes:
    got = bytearray()
    while piece := client.recv(65536):
        got += piece
    return bytes(got)


def ask(server: Server, model: str, *, stream: bool = False) -> Reply:
    with connect(server) as client:
        client.sendall(request(server, model, stream=stream))
        return read_reply(read_all(client))


def resident(server: Server, field: str = "VmRSS") -> int:
    """Bytes of memory: now, or (`VmHWM`) at most so far."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(field))


def descriptors(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def recorded(project: Project) -> list[Span]:
    """All calls, when the server has ended."""
    with open_traces(Files(project.root)) as traces:
        return list(traces.search(TraceFilter(), 100_000))


@pytest.mark.promise("up-3")
@pytest.mark.no_cover
def test_memory_is_bounded_whatever_a_provider_sends(project: Project) -> None:
    with serving(project, Script(words=5)) as (server, _):
        assert ask(server, "good").status == 200
        before = resident(server, "VmHWM")
        outcomes = {}
        for stream in (True, False):
            for fault in ("huge-event", "many-chunks", "huge-body"):
                reply = ask(server, fault, stream=stream)
                outcomes[fault, stream] = reply.status
                grown = resident(server, "VmHWM") - before
                # An answer in one piece may be 64 MiB, and is joined from its pieces.
                assert grown < (64 if stream else 200) * MEGABYTE, (fault, stream, grown // MEGABYTE)
        assert outcomes == {
            ("huge-event", True): 502,
            ("huge-event", False): 502,
            ("many-chunks", True): 200,
            ("many-chunks", False): 200,
            ("huge-body", True): 200,
            ("huge-body", False): 502,
        }
        assert ask(server, "good").status == 200


@pytest.mark.promise("up-5")
@pytest.mark.no_cover
def test_memory_and_descriptors_stay_flat(project: Project) -> None:
    """By slope, not by time. DuckDB's caches still fill; what keeps a whole call alive would keep more than this."""
    warm, rounds, calls = 3, 6, 800
    mix = ("good", "good", "good", "503", "reset", "close-body", "invalid-json", "usage-missing")
    with serving(project, Script(words=5)) as (server, faults):

        def one(number: int) -> int:
            return ask(server, mix[number % len(mix)], stream=number % 2 == 0).status

        measured = []
        with ThreadPoolExecutor(8) as pool:
            for _ in range(rounds):
                statuses = list(pool.map(one, range(calls)))
                assert set(statuses) <= {200, 502, 503}, "503 while the breaker of a failing model is open"
                assert statuses.count(200) >= calls / 2
                eventually(lambda: faults.books.open <= 8)
                measured.append((resident(server), descriptors(server)))
        memory, files = zip(*measured, strict=True)
        slope = (memory[-1] - memory[warm - 1]) / ((rounds - warm) * calls)
        assert slope < 8192, f"{slope:.0f} bytes a call: {[size // 1024 for size in memory]} KiB"
        assert max(files[warm:]) - min(files[warm:]) <= 12, files


@pytest.mark.promise("money-4")
def test_a_stop_under_load_loses_nothing(project: Project) -> None:
    """Streams that are under way end rightly, or with an explicit error; every call and every try has its row."""
    with serving(project, Script(words=30, pace=0.05)) as (server, faults):
        clients = [connect(server) for _ in range(24)]
        for number, client in enumerate(clients):
            client.sendall(request(server, "idle" if number % 6 == 5 else "good", stream=number % 2 == 0))
        eventually(lambda: faults.books.billed.requests == len(clients))
        answers: dict[int, bytes] = {}

        def read(number: int) -> None:
            answers[number] = read_all(clients[number])

        readers = [threading.Thread(target=read, args=(number,)) for number in range(len(clients))]
        [reader.start() for reader in readers]
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: refused(server))
        [reader.join(DEADLINE) for reader in readers]
        [client.close() for client in clients]
        assert server.process.wait(DEADLINE) == 0
    for number in range(len(clients)):
        reply = read_reply(answers[number])
        assert reply.ended, "HTTP's own end"
        failing = number % 6 == 5
        if number % 2 == 0:
            assert (b"[DONE]" in reply.body) != (b'"error"' in reply.body)
            assert (b"[DONE]" in reply.body) != failing
        else:
            assert reply.status == (504 if failing else 200)
    calls = recorded(project)
    assert len(calls) == len(clients) == faults.books.billed.requests
    assert sum(1 for call in calls if call.error) == 4
    with open_traces(Files(project.root)) as traces:
        assert [row.requests for row in traces.spending([], TraceFilter())] == [len(clients)], "a row for each try"


def refused(server: Server) -> bool:
    """Does it take no new connection?"""
    try:
        with connect(server) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return not client.recv(1)
    except ConnectionError:
        return True


@pytest.mark.promise("money-4")
def test_a_second_signal_cuts_streams_with_an_explicit_error(project: Project) -> None:
    with serving(project, Script(words=5000, pace=0.02)) as (server, faults):
        clients = [connect(server) for _ in range(6)]
        for client in clients:
            client.sendall(request(server, "good", stream=True))
        eventually(lambda: faults.books.billed.output >= 30)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: refused(server))
        server.process.send_signal(signal.SIGTERM)
        replies = [read_reply(read_all(client)) for client in clients]
        [client.close() for client in clients]
        assert server.process.wait(DEADLINE) == 0
    assert all(b"[DONE]" not in reply.body and b'"code":"stopped"' in reply.body for reply in replies)
    calls = recorded(project)
    assert [call.error for call in calls] == ["stopped"] * len(clients)
    assert all(call.usage_estimated and call.output_tokens > 0 for call in calls)


def test_the_counts_of_the_fault_server_can_be_asked_for() -> None:
    with faulty() as faults:
        with urllib.request.urlopen(f"{faults.url}/simulated/counts", timeout=DEADLINE) as response:
            counts: Any = json.loads(response.read())
    assert counts["simulated"] is True
    assert counts["requests"] == 0
