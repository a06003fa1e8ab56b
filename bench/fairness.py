"""What one tenant's flood does to another: `python -m bench.fairness`.

A calm tenant asks at a steady pace on one connection, while another floods on 64, each one request at a time. The same
flood aimed at an idle process beside the gateway is the control: it takes as much of the load side's processor, so that
what is left is the gateway's own.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from bench import nginx, wrk
from bench.errors import Unavailable
from bench.machine import cpu_seconds, free_port, listens, processors
from bench.peers.moat import PROGRAM
from bench.process import last_line, on, run, running
from bench.traffic import Request, chat, plain_answer

FLOOD = 64
"""Connections of the flood."""
PACE = 0.005
"""Seconds from one request of the calm tenant to the next."""
SINK_SECONDS = 0.014
"""How long the idle process lets a flooding connection wait: about as long as the gateway does."""
ROOM = 100
"""Requests a minute that the refused flood may make."""


class Calm(msgspec.Struct, frozen=True):
    """What the calm tenant saw."""

    p50_ms: float
    p99_ms: float
    worst_ms: float


def probe(port: int, request: Request, seconds: float) -> Calm:
    """Ask at `PACE` on one connection. Raises Unavailable for an answer that is none."""
    message = raw(request)
    with suppress(PermissionError):  # what the load side waits for its processor is not the gateway's doing
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    took = list[float]()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            connection.sendall(message)
            answer = connection.recv(65536)
            took.append(time.monotonic() - began)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise Unavailable(f"the calm tenant was answered {answer[:60]!r}")
            time.sleep(max(0.0, began + PACE - time.monotonic()))
    took.sort()
    return Calm(*(1e3 * took[min(len(took) - 1, int(len(took) * share))] for share in (0.5, 0.99, 1.0)))


def raw(request: Request) -> bytes:
    """The bytes of a request."""
    headers = {"host": "127.0.0.1", "content-length": str(len(request.body)), **request.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {request.path} HTTP/1.1\r\n{lines}\r\n{request.body}".encode()


class Sink(asyncio.Protocol):
    """Answers everything after a while."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A flooding connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """One request; wrk sends each in one piece."""
        answer = plain_answer().encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer)
        asyncio.get_running_loop().call_later(SINK_SECONDS, self._transport.write, head + answer)


async def sink(port: int) -> None:
    """The idle process."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


def configure(directory: Path, upstream: int) -> dict[str, Request]:
    """A project whose third tenant may make `ROOM` requests a minute; a request of each tenant."""
    project = {
        "project": "bench",
        "providers": {
            "up": {"kind": "openai", "base_url": f"http://127.0.0.1:{upstream}/plain/v1", "api_key": "${PROVIDER_KEY}"}
        },
        "models": {"plain": {"use": ["up/bench"], "price": {"input": "0.60", "output": "2.40"}}},
        "limits": [{"name": "room", "match": {"tenant": ["refused"]}, "requests": ROOM, "window": "minute"}],
    }
    (directory / "moat.yaml").write_bytes(msgspec.json.encode(project))
    found = {}
    for tenant in ("calm", "allowed", "refused"):
        argv = (PROGRAM, "keys", "create", "--name", tenant, "--tenant", tenant, "--json")
        secret = msgspec.json.decode(run(argv, directory, 60), type=dict[str, object])["secret"]
        found[tenant] = chat("plain", authorization=f"Bearer {secret}")
    return found


@contextmanager
def flooding(port: int, request: Request, directory: Path, pinned: frozenset[int], seconds: float) -> Iterator[None]:
    """A flood that lasts a little longer than it is needed."""
    lua = directory / "flood.lua"
    lua.write_text(wrk.script(request))
    url = f"http://127.0.0.1:{port}{request.path}"
    argv = ("wrk", "-t1", f"-c{FLOOD}", f"-d{seconds + 2:.0f}s", "--timeout", "20s", "-s", str(lua), url)
    with on(pinned):
        flood = subprocess.Popen(argv, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        time.sleep(1.0)
        yield
    finally:
        flood.kill()
        flood.wait()


def measured(folder: Path, seconds: float, rounds: int, environment: dict[str, str]) -> dict[str, list[Calm]]:
    """What the calm tenant sees in each round, by flood. Raises Unavailable."""
    split, directory, port, idle = processors(), folder / "moat", free_port(), free_port()
    nginx.install()
    directory.mkdir()
    (folder / "sink").mkdir()
    with nginx.upstream(folder / "upstream", split.load) as upstream:
        requests = configure(directory, upstream)
        floods = {"none": None, "idle": (idle, "allowed"), "allowed": (port, "allowed"), "refused": (port, "refused")}
        serve = (PROGRAM, "serve", "--host", "127.0.0.1", "--port", str(port))
        beside = (sys.executable, "-m", "bench.fairness", "--sink", str(idle))
        place = {"PYTHONPATH": str(Path(__file__).parents[1])}
        told = {**environment, "PROVIDER_KEY": "bench"}
        with (
            running(serve, directory, split.gateway, told) as process,
            running(beside, folder / "sink", split.gateway, place),
        ):
            while not (listens(port) and listens(idle)):
                if process.poll() is not None:
                    raise Unavailable(f"the gateway ended: {last_line((directory / 'output.log').read_text())}")
                time.sleep(0.05)
            found: dict[str, list[Calm]] = {name: [] for name in floods}
            asked = folder / "calm.json"
            asked.write_bytes(msgspec.json.encode(requests["calm"]))
            _calm(port, asked, split.load, 2.0)
            for _ in range(rounds):
                for name, flood in floods.items():
                    before, began = cpu_seconds(process.pid), time.monotonic()
                    if flood is None:
                        seen = _calm(port, asked, split.load, seconds)
                    else:
                        with flooding(flood[0], requests[flood[1]], directory, split.load, seconds):
                            seen = _calm(port, asked, split.load, seconds)
                    busy = (cpu_seconds(process.pid) - before) / (time.monotonic() - began)
                    print(f"{name:8} {seen} gateway busy {busy:.0%}", file=sys.stderr)
                    found[name].append(seen)
            return found


def _calm(port: int, asked: Path, pinned: frozenset[int], seconds: float) -> Calm:
    """`probe` in a process of its own."""
    argv = (sys.executable, "-m", "bench.fairness", "--probe", str(port), str(asked), str(seconds))
    with on(pinned):
        done = subprocess.run(argv, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(last_line(done.stderr))
    return msgspec.json.decode(done.stdout, type=Calm)


def table(found: dict[str, list[Calm]]) -> Table:
    """Medians over the rounds."""
    shown = Table("flood", "p50 ms", "p99 ms", "worst ms", title="what the calm tenant sees")
    for name, seen in found.items():
        columns = zip(*(msgspec.structs.astuple(calm) for calm in seen), strict=True)
        shown.add_row(name, *(f"{sorted(column)[len(column) // 2]:.2f}" for column in columns))
    return shown


def main() -> int:
    """0 when it was measured, 2 when it could not be."""
    match sys.argv[1:]:
        case ["--sink", port]:
            uvloop.run(sink(int(port)))
            return 0
        case ["--probe", port, asked, seconds]:
            request = msgspec.json.decode(Path(asked).read_bytes(), type=Request)
            print(msgspec.json.encode(probe(int(port), request, float(seconds))).decode())
            return 0
    parser = argparse.ArgumentParser(prog="python -m bench.fairness", description="One tenant's flood and another.")
    parser.add_argument("--seconds", type=float, default=6, help="length of each load (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved (default: %(default)s)")
    arguments = parser.parse_args()
    console = Console()
    try:
        with tempfile.TemporaryDirectory(prefix="moat-fairness-") as folder:
            console.print(table(measured(Path(folder), arguments.seconds, arguments.rounds, {})))
    except Unavailable as reason:
        console.print(f"cannot measure here: {reason}", markup=False)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
