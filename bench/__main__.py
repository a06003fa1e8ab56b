"""`python -m bench`: measure the gateways side by side."""

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench import nginx
from bench.errors import Unavailable
from bench.machine import Processors, describe, processors
from bench.measure import Sample, Site, measure, measure_direct
from bench.peers import PEERS
from bench.report import HERE, save, show
from bench.results import DIRECT, Results

ROUNDS, SECONDS, WARM_UP_SECONDS = 3, 6, 12
QUICK_SECONDS = 3


def main() -> int:
    """0 when every row was measured, 1 when one failed, 2 when nothing could be."""
    arguments = _arguments()
    console = Console()
    try:
        split = processors()
        nginx.install()
    except Unavailable as reason:
        console.print(f"cannot measure here: {reason}", markup=False)
        return 2
    results = Results(
        taken=datetime.now(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z",
        rounds=1 if arguments.quick else arguments.rounds,
        seconds=QUICK_SECONDS if arguments.quick else arguments.seconds,
        warm_up_seconds=QUICK_SECONDS if arguments.quick else arguments.warm_up,
        machine=describe(),
        versions={DIRECT: nginx.version()},
    )
    complete = not arguments.quick and arguments.only == list(PEERS)
    _install(arguments.only, results, console)
    try:
        with tempfile.TemporaryDirectory(prefix="moat-bench-") as folder:
            with nginx.upstream(Path(folder) / "upstream", split.load) as port:
                _rounds(results, Path(folder), port, split, console)
    except KeyboardInterrupt:
        console.print("stopped: what follows is what was measured so far")
        complete = False
    show(results, console)
    console.print(f"written: {save(results, readme=complete)}", markup=False)
    return 1 if results.failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the gateway beside its peers.")
    names = {name.lower(): name for name in PEERS}

    def chosen(text: str) -> list[str]:
        try:
            wanted = {names[word.strip().lower()] for word in text.split(",")}
        except KeyError as missing:
            raise argparse.ArgumentTypeError(f"no peer {missing}; there are {', '.join(names)}") from None
        return [name for name in PEERS if name in wanted]

    parser.add_argument("--only", type=chosen, default=list(PEERS), help=f"some of {','.join(names)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds over all peers (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="length of each load (default: %(default)s)")
    parser.add_argument("--warm-up", type=int, default=WARM_UP_SECONDS, help="seconds before (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="one short round: does it all still run?")
    arguments = parser.parse_args()
    if min(arguments.rounds, arguments.seconds, arguments.warm_up) < 1:
        parser.error("--rounds, --seconds and --warm-up start at 1")
    return arguments


def _install(names: list[str], results: Results, console: Console) -> None:
    for name in names:
        with console.status(f"installing {name}"):
            try:
                results.versions[name] = PEERS[name].install(HERE / ".peers" / name.lower())
            except Unavailable as reason:
                results.failures[name] = f"not installed: {reason}"


def _rounds(results: Results, folder: Path, port: int, split: Processors, console: Console) -> None:
    """Measure all rows once per round, each round beginning with another; a row that fails is left out after."""
    names = list(results.versions)
    for number in range(results.rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            if name in results.failures:
                continue
            site = Site(folder / f"{number}-{name.lower()}", port, split, results.seconds, results.warm_up_seconds)
            try:
                sample = _sample(name, site, console)
            except Unavailable as reason:
                results.failures[name] = str(reason)
                console.print(f"round {number + 1} {name}: {reason}", markup=False)
            else:
                results.samples.setdefault(name, []).append(sample)
                console.print(f"round {number + 1} {name}: {sample.requests_per_s:,.0f} requests/s", markup=False)


def _sample(name: str, site: Site, console: Console) -> Sample:
    with console.status(f"measuring {name}"):
        if name == DIRECT:
            site.directory.mkdir()
            return measure_direct(site)
        return measure(PEERS[name], HERE / ".peers" / name.lower(), site)


if __name__ == "__main__":
    sys.exit(main())
