"""`python -m bench.traces`: the trace store and the way to it, measured beside Phoenix and MLflow.

    python -m bench.traces [--spans 1000000] [--seconds 20] [--only Moat,Phoenix] [--folder DIR]

First each server takes the same spans over a socket (`bench.trace_load`); peers are installed below `bench/.peers`,
once, and one that cannot be installed, or loses spans, is left out with the reason. Then Moat's store holds a million
(`bench.trace_store`). At the end all goals stand beside what was measured. Exit code 0: all were met, 1: not all, 2:
nothing was measured.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.errors import Unavailable
from bench.machine import describe
from bench.trace_load import Found, measured
from bench.trace_servers import SERVERS
from bench.trace_store import Took, store_measured


class Goal(NamedTuple):
    """A number that is wanted."""

    what: str
    key: str
    """Of what was measured."""
    least: bool
    """It is a lower bound."""
    bound: float
    unit: str


GOALS = (
    Goal("ingest by OTLP/HTTP to a question, one core", "served", True, 5000, "spans/s"),
    Goal("ingest from spool to store, one core", "shipped", True, 5000, "spans/s"),
    Goal("a span is found after its 200, under load, at most", "delay", False, 2, "s"),
    Goal("on the disk, per span", "disk", False, 1024, "bytes"),
    Goal("memory of the server under load", "server memory", False, 400, "MiB"),
    Goal("memory of the store", "memory", False, 400, "MiB"),
    Goal("last 50", "last 50", False, 50, "ms"),
    Goal("last 50 of a user", "last 50 of a user", False, 50, "ms"),
    Goal("by request id", "one by request id", False, 50, "ms"),
    Goal("cost by model per hour, a day", "cost by model per hour, a day", False, 50, "ms"),
    Goal("cost by model per hour, all ten days", "cost by model per hour, all", False, 50, "ms"),
    Goal("text in a day", "text in a day", False, 300, "ms"),
    Goal("100 calls, a page in the middle", "100 calls, a page in the middle", False, 50, "ms"),
    Goal("calls over time, all ten days", "calls over time, all", False, 200, "ms"),
    Goal("what an overview of a day asks", "what an overview of a day asks", False, 300, "ms"),
    Goal("a day's spans expire: a question waits at most", "a day's spans: question", False, 1, "s"),
    Goal("a day's spans expire: an ingest waits at most", "a day's spans: ingest", False, 1, "s"),
)
"""As the design has them. "Without stalls" is taken as: nobody waits for a second."""

HEAD = (
    *("server", "version", "accepted spans/s", "found spans/s", "found per s of its CPU", "refused requests"),
    *("stream spans/s", "found after s: p50", "at most", "MiB at rest → most", "bytes per span", "start s"),
)


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench.traces", description="The trace store and its peers.")
    parser.add_argument("--spans", type=int, default=1_000_000, help="of the store; 0: do not measure it")
    parser.add_argument("--seconds", type=float, default=20, help="of each load of a server")
    parser.add_argument("--only", default=",".join(SERVERS), help="servers, with commas; empty: none")
    parser.add_argument("--folder", type=Path, help="where there is room (default: the system's temporary folder)")
    asked = parser.parse_args()
    names = [name for name in asked.only.split(",") if name]
    if unknown := set(names) - set(SERVERS):
        parser.error(f"no such server: {', '.join(sorted(unknown))}; there are {', '.join(SERVERS)}")
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print(", ".join(f"{name} {value}" for name, value in describe().items()), markup=False)
    found: dict[str, Took] = {}
    with tempfile.TemporaryDirectory(prefix="moat-bench-", dir=asked.folder) as scratch:
        folder = Path(scratch)
        served = _served(folder, names, asked.seconds, console)
        if own := served.get("Moat"):
            found |= {
                "served": Took(own.visible, own.per_cpu),
                "delay": Took(max(own.delays)),
                "server memory": Took(own.most_mib),
            }
        if asked.spans:
            store = folder / "store"
            store.mkdir()
            measures = store_measured(store, asked.spans, lambda what: console.print(f"... {what}", markup=False))
            found |= measures
            _show_all(measures, console)
    missed = _show_goals(found, console)
    return 2 if not found else 1 if missed else 0


def _served(folder: Path, names: list[str], seconds: float, console: Console) -> dict[str, Found]:
    found, versions = dict[str, Found](), dict[str, str]()
    for name in names:
        console.print(f"... {name}", markup=False)
        try:
            versions[name] = SERVERS[name].install()
            found[name] = measured(SERVERS[name], folder / name, seconds)
        except Unavailable as reason:
            console.print(f"{name} is left out: {reason}", markup=False)
    table = Table(show_header=False)
    rows = [_row(name, versions[name], one) for name, one in found.items()]
    for line in zip(HEAD, *rows, strict=True):
        table.add_row(*line)
    if rows:
        console.print(table)
    return found


def _row(name: str, version: str, one: Found) -> tuple[str, ...]:
    return (
        name,
        version,
        f"{one.accepted:,.0f}",
        f"{one.visible:,.0f}",
        f"{one.per_cpu:,.0f}",
        f"{one.refused}",
        f"{one.rate:,.0f}",
        f"{median(one.delays):.2f}",
        f"{max(one.delays):.2f}",
        f"{one.rest_mib:,.0f} → {one.most_mib:,.0f}",
        f"{one.disk:,.0f}",
        f"{one.start_s:.1f}",
    )


def _show_all(found: Mapping[str, Took], console: Console) -> None:
    """Everything that was measured of the store, goals or not."""
    table = Table("store", "measured", "of a processor")
    for name, took in found.items():
        table.add_row(name, f"{took.value:,.2f}", "" if took.cpu is None else f"{took.cpu:,.2f}")
    console.print(table)


def _show_goals(found: Mapping[str, Took], console: Console) -> int:
    """All goals; how many were missed. What was not measured says so."""
    table = Table("number", "goal", "measured", "of a processor", "")
    missed = 0
    for goal in GOALS:
        sign = "≥" if goal.least else "<"
        took = found.get(goal.key)
        if took is None:
            table.add_row(goal.what, f"{sign} {goal.bound:,.0f} {goal.unit}", "not measured", "", "")
            continue
        met = took.value >= goal.bound if goal.least else took.value < goal.bound
        missed += not met
        shown = f"{took.value:,.2f}" if goal.bound < 10 else f"{took.value:,.0f}"
        cpu = "" if took.cpu is None else f"{took.cpu:,.0f}"
        table.add_row(goal.what, f"{sign} {goal.bound:,.0f} {goal.unit}", shown, cpu, "met" if met else "MISSED")
    console.print(table)
    return missed


if __name__ == "__main__":
    sys.exit(main())
