"""What a whole run found, and its table."""

from collections.abc import Callable, Sequence
from statistics import median

import msgspec

from bench.measure import Cost, Sample

DIRECT = "direct"
FLOOR = "nginx"
WHOLE, FINE, SHARE, PERCENT = ",.0f", ",.2f", ".2g", ".0%"
HEAD = (
    "through",
    "version",
    "requests/s",
    "of nginx",
    "CPU µs per request",
    "of its CPU",
    "added p50 ms",
    "added p99 ms",
    "streams/s",
    "CPU µs per stream",
    "MiB at rest → after load",
    "start s",
)


class Results(msgspec.Struct, frozen=True):
    """One run. Samples of all rows are in the order of their rounds."""

    taken: str
    """UTC, ISO 8601."""
    rounds: int
    seconds: int
    warm_up_seconds: int
    machine: dict[str, str]
    versions: dict[str, str] = {}
    samples: dict[str, list[Sample]] = {}
    failures: dict[str, str] = {}
    """Why a row stopped; its earlier rounds stay."""


def table(results: Results) -> list[tuple[str, ...]]:
    """The rows below HEAD: medians, then the range when rounds differ. A row without samples holds dashes."""
    names = [DIRECT, *(name for name in results.versions if name != DIRECT)]
    names += [name for name in results.failures if name not in names]
    return [_row(name, results) for name in names]


def notes(results: Results) -> list[str]:
    """One sentence for each row that failed."""
    return [
        f"{name} stopped after {len(results.samples.get(name, []))} of {results.rounds} rounds: {reason}"
        for name, reason in results.failures.items()
    ]


def _row(name: str, results: Results) -> tuple[str, ...]:
    samples = results.samples.get(name, [])
    label = (name, results.versions.get(name, ""))
    if not samples:
        return (*label, *["–"] * (len(HEAD) - len(label)))
    direct = results.samples.get(DIRECT, [])
    floor = results.samples.get(FLOOR, [])
    costs = [sample.cost for sample in samples if sample.cost]

    def cost(read: Callable[[Cost], float], form: str) -> str:
        return spread([read(each) for each in costs], form)

    return (
        *label,
        spread([sample.requests_per_s for sample in samples], WHOLE),
        spread([a.requests_per_s / b.requests_per_s for a, b in zip(samples, floor, strict=False)], SHARE),
        cost(lambda each: each.cpu_us, WHOLE),
        spread([each.requests_per_s * each.cost.cpu_us / 1e6 for each in samples if each.cost], PERCENT),
        *_added(name, samples, direct),
        spread([sample.streams_per_s for sample in samples], WHOLE),
        cost(lambda each: each.stream_cpu_us, WHOLE),
        f"{cost(lambda each: each.rest_mib, WHOLE)} → {cost(lambda each: each.loaded_mib, WHOLE)}" if costs else "–",
        cost(lambda each: each.start_s, FINE),
    )


def _added(name: str, samples: Sequence[Sample], direct: Sequence[Sample]) -> tuple[str, str]:
    """Latency over the direct one of the same round; the direct row shows its own, in brackets."""
    if name == DIRECT:
        own = (spread([each.p50_ms for each in samples], FINE), spread([each.p99_ms for each in samples], FINE))
        return f"[{own[0]}]", f"[{own[1]}]"
    rounds = list(zip(samples, direct, strict=False))
    return (
        spread([mine.p50_ms - base.p50_ms for mine, base in rounds], FINE),
        spread([mine.p99_ms - base.p99_ms for mine, base in rounds], FINE),
    )


def spread(values: Sequence[float], form: str) -> str:
    """`median (lowest–highest)`, or just the number when all print alike, or a dash when there is none."""
    if not values:
        return "–"
    low, middle, high = (format(value, form) for value in (min(values), median(values), max(values)))
    return middle if low == high else f"{middle} ({low}–{high})"
