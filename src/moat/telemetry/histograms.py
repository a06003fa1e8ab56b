"""Histograms with exemplars, as Prometheus has them: how many values are at most so large."""

from bisect import bisect_left
from collections.abc import Sequence

LATENCY = (0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds: 5, from which answers are slow, is a bound, so that shares above it are exact."""
SHARE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Scores."""
GEN_AI_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
GEN_AI_FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
GEN_AI_NEXT = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
GEN_AI_TOKENS = tuple(4.0**power for power in range(14))
"""Bounds that the OpenTelemetry semantic conventions for generative AI advise."""


Exemplar = tuple[str, float, float]
"""One of the values in a bucket: its trace, the value, and when it was, in Unix seconds."""


class Series:
    """The values under one set of labels."""

    __slots__ = ("counts", "exemplars", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        """Each without those below it."""
        self.exemplars: list[Exemplar | None] = [None] * buckets
        self.total = 0.0


class Histogram:
    """Values by labels. `labels` are the names; `add` takes their values in this order."""

    def __init__(self, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self.labels = tuple(labels)
        self.bounds = tuple(bounds)
        self.series: dict[tuple[str, ...], Series] = {}

    def add(self, labels: tuple[str, ...], value: float, exemplar: Exemplar | None = None) -> None:
        """Count one value. The newest exemplar of a bucket stays."""
        series = self.series.get(labels)
        if series is None:
            series = self.series[labels] = Series(len(self.bounds) + 1)
        bucket = bisect_left(self.bounds, value)
        series.counts[bucket] += 1
        series.total += value
        if exemplar is not None:
            series.exemplars[bucket] = exemplar
