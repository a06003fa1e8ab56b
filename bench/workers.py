"""`python -m bench.workers`: what a second worker process brings.

A machine with few processors cannot show it directly: load generator, upstream and gateway would share them. So each
process of the gateway gets a fifth of a processor (a CPU quota of its own control group, which takes root), and what
counts is how much more two workers answer than one, in alternating rounds of one run.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import nginx, wrk
from bench.errors import Unavailable
from bench.machine import cpu_seconds, free_port, listens
from bench.peers.moat import Moat
from bench.peers.peer import Service, Upstream
from bench.process import running

GROUPS = Path("/sys/fs/cgroup/cpu")
PERIOD_US = 20_000
SHARE = 0.4
"""Of a processor, for each process."""
CONNECTIONS = 64


def main() -> int:
    """0 when it was measured, 2 when it cannot be."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description="One worker against two.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    asked = parser.parse_args()
    try:
        nginx.install()
        rates: dict[int, list[float]] = {1: [], 2: []}
        with tempfile.TemporaryDirectory(prefix="moat-bench-") as folder:
            with nginx.upstream(Path(folder) / "upstream", frozenset(os.sched_getaffinity(0))) as port:
                for number in range(asked.rounds):
                    for workers in rates:
                        directory = Path(folder) / f"{number}-{workers}"
                        rates[workers].append(_measure(directory, port, workers, asked.seconds))
    except Unavailable as reason:
        print(f"cannot measure here: {reason}")
        return 2
    one, two = (statistics.median(rates[workers]) for workers in (1, 2))
    print(f"{asked.rounds} rounds of {asked.seconds} s; each process has {SHARE:.0%} of a processor")
    for workers, found in rates.items():
        shown = ", ".join(f"{rate:,.0f}" for rate in found)
        print(f"workers {workers}: {shown} requests/s")
    print(f"two are {two / one:.2f} times one")
    return 0


def _measure(directory: Path, upstream: int, workers: int, seconds: int) -> float:
    """Requests a second."""
    directory.mkdir()
    port, everywhere = free_port(), frozenset(os.sched_getaffinity(0))
    base = f"http://127.0.0.1:{upstream}"
    service = Moat().configure(directory, directory, port, Upstream(f"{base}/plain/v1", f"{base}/stream/v1"))
    argv = (*service.argv, "--workers", str(workers))
    with running(argv, directory, everywhere, service.environment) as process:
        processes = _ready(process.pid, port, workers)
        with _limited(processes):
            _drive(port, service, directory, 2)
            before = [cpu_seconds(pid) for pid in processes[1:]]
            load = _drive(port, service, directory, seconds)
            used = [cpu_seconds(pid) - start for pid, start in zip(processes[1:], before, strict=True)]
    print(f"  workers {workers}: {load.rate:,.0f} requests/s, CPU seconds {', '.join(f'{s:.2f}' for s in used)}")
    return load.rate


def _drive(port: int, service: Service, directory: Path, seconds: int) -> wrk.Load:
    everywhere = frozenset(os.sched_getaffinity(0))
    return wrk.drive(port, service.plain, directory, everywhere, connections=CONNECTIONS, seconds=seconds)


def _ready(pid: int, port: int, workers: int) -> list[int]:
    """The keeper and its workers. Raises `Unavailable`."""
    for _ in range(600):
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        if listens(port) and len(children) == workers:
            return [pid, *children]
        time.sleep(0.1)
    raise Unavailable("the workers did not start")


@contextmanager
def _limited(processes: list[int]) -> Iterator[None]:
    """Each in a control group with a quota."""
    groups = [GROUPS / f"moat-bench-{pid}" for pid in processes]
    try:
        for group, pid in zip(groups, processes, strict=True):
            group.mkdir()
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(round(PERIOD_US * SHARE)))
            (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        raise Unavailable(f"control groups cannot be made in {GROUPS}: {error.strerror}") from None
    try:
        yield
    finally:
        for group, pid in zip(groups, processes, strict=True):
            (GROUPS / "cgroup.procs").write_text(str(pid))
            group.rmdir()


if __name__ == "__main__":
    sys.exit(main())
