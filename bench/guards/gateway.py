"""The gateway with the default policy beside the gateway with none: `python -m bench.guards.gateway`.

One worker, nginx as the provider, questions of 2 KB; rounds of both, one after the other.
"""

import argparse
import json
import shutil
import statistics
import tempfile
from pathlib import Path

import msgspec

from bench import nginx
from bench.errors import Unavailable
from bench.guards.policy import DEFAULT
from bench.guards.texts import SIZES, cut
from bench.machine import processors
from bench.measure import Cost, Sample, Site, measure
from bench.peers.moat import Moat
from bench.peers.peer import Service, Upstream
from bench.traffic import Request


class Asked(Moat):
    """Asked questions of 2 KB, under no policy."""

    name = "no policy"

    def configure(self, home: Path, directory: Path, port: int, upstream: Upstream) -> Service:
        """As `Moat`, with longer questions."""
        service = super().configure(home, directory, port, upstream)
        return msgspec.structs.replace(service, plain=_longer(service.plain), stream=_longer(service.stream))


class Guarded(Asked):
    """The same under the default policy."""

    name = "default policy"

    def configure(self, home: Path, directory: Path, port: int, upstream: Upstream) -> Service:
        """And with the policy."""
        service = super().configure(home, directory, port, upstream)
        (directory / "policies").mkdir()
        shutil.copy(DEFAULT, directory / "policies")
        return service


def _longer(request: Request) -> Request:
    body = json.loads(request.body)
    body["messages"][-1]["content"] = cut("law", SIZES["2 KB"], 1)[0]
    return msgspec.structs.replace(request, body=json.dumps(body))


def main() -> int:
    """Print one line for each round and one for the medians; 2 when it cannot be measured here."""
    parser = argparse.ArgumentParser(prog="python -m bench.guards.gateway")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    arguments = parser.parse_args()
    samples: dict[str, list[tuple[Sample, Cost]]] = {}
    try:
        split = processors()
        nginx.install()
        with (
            tempfile.TemporaryDirectory(prefix="moat-bench-") as folder,
            nginx.upstream(Path(folder) / "upstream", split.load) as at,
        ):
            for number in range(arguments.rounds):
                for peer in (Asked(), Guarded()):
                    site = Site(Path(folder) / f"{number}-{peer.name}", at, split, arguments.seconds, 2)
                    sample = measure(peer, Path(folder), site)
                    assert sample.cost is not None, "only an upstream has none"
                    samples.setdefault(peer.name, []).append((sample, sample.cost))
    except Unavailable as reason:
        print(f"cannot measure here: {reason}")
        return 2
    print("| | requests/s | CPU us per request | p50 ms | p99 ms | streams/s | CPU us per stream | MiB after |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for name, taken in samples.items():
        rows = [
            (s.requests_per_s, c.cpu_us, s.p50_ms, s.p99_ms, s.streams_per_s, c.stream_cpu_us, c.loaded_mib)
            for s, c in taken
        ]
        middle = [statistics.median(column) for column in zip(*rows, strict=True)]
        written = (f"{value:.2f}" if at in (2, 3) else f"{value:,.0f}" for at, value in enumerate(middle))
        print(f"| {name} | {' | '.join(written)} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
