"""The Linux side: which processor runs what, and what a process tree costs."""

import os
import platform
import socket
from pathlib import Path

import msgspec

from bench.errors import Unavailable

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Processors(msgspec.Struct, frozen=True):
    """The measured program has one processor to itself; upstream and load generator share the others."""

    gateway: frozenset[int]
    load: frozenset[int]


def processors() -> Processors:
    """Split the processors this process may use. Raises Unavailable when there is only one."""
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise Unavailable("needs two processors: one for the gateway, one for the load")
    return Processors(gateway=frozenset({first}), load=frozenset(others))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody accepts connections on `port` of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Stat(msgspec.Struct, frozen=True):
    """What `/proc/<pid>/stat` says of one process."""

    parent: int
    cpu_seconds: float
    """User and system time, with that of its finished children."""
    resident_bytes: int


def parse_stat(line: str) -> Stat:
    """Read one `/proc/<pid>/stat` line (proc_pid_stat(5)); the program's name may hold spaces and brackets."""
    fields = line.rpartition(")")[2].split()
    ticks = sum(int(field) for field in fields[11:15])
    return Stat(int(fields[1]), ticks / TICKS_PER_SECOND, int(fields[21]) * PAGE_BYTES)


def process_tree(root: int) -> list[Stat]:
    """`root` and all that descend from it. Empty when it has ended."""
    stats: dict[int, Stat] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stats[int(entry.name)] = parse_stat((entry / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue
    members = {root} & stats.keys()
    grown = 0
    while len(members) > grown:
        grown = len(members)
        members |= {pid for pid, stat in stats.items() if stat.parent in members}
    return [stats[pid] for pid in members]


def cpu_seconds(root: int) -> float:
    """Processor time of a process tree so far."""
    return sum(stat.cpu_seconds for stat in process_tree(root))


def resident_mib(root: int) -> float:
    """Resident memory of a process tree in MiB; pages that its processes share count for each."""
    return sum(stat.resident_bytes for stat in process_tree(root)) / 2**20


def describe() -> dict[str, str]:
    """What the numbers depend on: processor, kernel, interpreter, and how busy the machine already was."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": f"{len(models)} x {models[0]}" if models else platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }
