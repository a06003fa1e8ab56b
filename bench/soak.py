"""`python -m bench.soak`: memory and descriptors under mixed traffic, for as long as you like.

One `moat serve` in its default set-up in front of a provider that fails now and then. Callers ask whole and streamed
answers, leave in the middle, come with a wrong key, a wrong model or a broken body. Every so often the resident memory
of the server (with its children) and its open descriptors are read; what counts is how they grow over the second half,
when caches are full.
"""

import argparse
import http.client
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.errors import Unavailable
from bench.machine import free_port, listens, resident_mib
from bench.peers.moat import Moat
from bench.peers.peer import Service, Upstream
from bench.process import running
from bench.traffic import Request
from moat.testing.faults import Script
from moat.testing.faults_choice import parse_fault
from moat.testing.faults_server import faulty

CALLERS = 16
FAULTS = ("500,rate=0.02", "429,rate=0.02", "reset-body,rate=0.02", "close,rate=0.01")
USERS = 5_000


class Sample(msgspec.Struct, frozen=True):
    """The server at one moment."""

    seconds: float
    mib: float
    descriptors: int
    calls: int


def main() -> int:
    """0 when it was measured, 2 when it cannot be."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Does the gateway stay flat?")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=150, help="calls a second")
    parser.add_argument("--every", type=float, default=30, help="seconds between two looks")
    asked = parser.parse_args()
    script = Script(faults=tuple(map(parse_fault, FAULTS)), words=20)
    try:
        with tempfile.TemporaryDirectory(prefix="moat-soak-") as name, faulty(script) as provider:
            folder, port = Path(name), free_port()
            base = f"{provider.url}/v1"
            service = Moat().configure(folder, folder, port, Upstream(base, base))
            with running(service.argv, folder, frozenset(os.sched_getaffinity(0)), service.environment) as process:
                _wait(port)
                samples = list(_soak(process.pid, port, service, asked))
    except Unavailable as reason:
        print(f"cannot measure here: {reason}")
        return 2
    _report(samples)
    return 0


def _soak(pid: int, port: int, service: Service, asked: argparse.Namespace) -> Iterator[Sample]:
    began = time.monotonic()
    with _traffic(port, service, asked.rate) as counts:
        passed = 0.0
        while passed < asked.minutes * 60:
            time.sleep(asked.every)
            passed = time.monotonic() - began
            sample = Sample(passed, resident_mib(pid), len(list(Path(f"/proc/{pid}/fd").iterdir())), counts.total())
            print(f"{sample.seconds / 60:6.1f} min  {sample.mib:6.1f} MiB  {sample.descriptors:4} fds  {dict(counts)}")
            yield sample


@contextmanager
def _traffic(port: int, service: Service, rate: float) -> Iterator[Counter[str]]:
    """Callers, each at its share of the rate."""
    over, counts = threading.Event(), Counter[str]()

    def call_until_over(seed: int) -> None:
        chance = random.Random(seed)
        while not over.wait(chance.expovariate(rate / CALLERS)):
            counts[_call(port, service, chance)] += 1

    callers = [threading.Thread(target=call_until_over, args=(seed,)) for seed in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        yield counts
    finally:
        over.set()
        for caller in callers:
            caller.join()


def _call(port: int, service: Service, chance: random.Random) -> str:
    """One call of some kind, on a connection of its own; how it ended."""
    request = service.stream if chance.random() < 0.4 else service.plain
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", request.path, _body(request, chance), _headers(request, chance))
        answer = connection.getresponse()
        if request is service.stream and chance.random() < 0.1:
            answer.read(64)
            return "left"
        answer.read()
        return str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def _body(request: Request, chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.02:
        return "{"
    body = json.loads(request.body) | {"user": f"user-{chance.randrange(USERS)}"}
    return json.dumps(body | {"model": f"unknown-{chance.random()}"} if kind < 0.04 else body)


def _headers(request: Request, chance: random.Random) -> dict[str, str]:
    wrong = {"authorization": f"Bearer moat_{chance.getrandbits(128):032x}"}
    return request.headers | (wrong if chance.random() < 0.02 else {})


def _wait(port: int) -> None:
    for _ in range(300):
        if listens(port):
            return
        time.sleep(0.1)
    raise Unavailable("the server did not start")


def _report(samples: list[Sample]) -> None:
    later = samples[len(samples) // 2 :]
    hours = [sample.seconds / 3600 for sample in later]
    memory = statistics.linear_regression(hours, [sample.mib for sample in later]).slope
    descriptors = statistics.linear_regression(hours, [float(sample.descriptors) for sample in later]).slope
    last = samples[-1]
    print(f"{last.calls:,} calls in {last.seconds / 60:.0f} minutes; first look {samples[0].mib:.1f} MiB,")
    print(f"last {last.mib:.1f} MiB, most {max(sample.mib for sample in samples):.1f} MiB")
    print(f"second half: memory {memory:+.1f} MiB an hour, descriptors {descriptors:+.1f} an hour")


if __name__ == "__main__":
    sys.exit(main())
