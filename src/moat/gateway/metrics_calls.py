"""Metric families of what calls came to: how fast, how expensive, how reliable, how good."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, Exemplar, HistogramMetricFamily, Metric

from moat.domain.usage import PICODOLLARS
from moat.gateway.metrics_births import Shown
from moat.telemetry.histograms import Histogram, Series
from moat.telemetry.measures import PLACE, SAID, WHOSE, Measures

NANOSECONDS = 1e9


Counts = Mapping[tuple[str, ...], int]


class Calls:
    """Yields the families, for whoever has seen what `shown` says."""

    def __init__(self, found: Measures, shown: Shown) -> None:
        self._found = found
        self._shown = shown

    def __call__(self) -> Iterator[Metric]:
        """All families. The counts do not change while they are read."""
        with self._found.lock:
            families = [*self._counters(), *self._histograms(), *self._conventions()]
        yield from families

    def _counters(self) -> Iterator[Metric]:
        found, by_kind = self._found, (*WHOSE, "kind")
        yield self._counter("llm_requests", "Calls, by how they ended.", (*WHOSE, "error"), found.requests)
        yield self._counter("llm_tokens", "Tokens that providers counted.", (*WHOSE, "type"), found.tokens)
        yield self._counter("llm_tokens_of", "Kinds of tokens among them.", by_kind, found.parts)
        yield self._counter("llm_cost_dollars", "Of requests to providers.", WHOSE, found.cost, PICODOLLARS)
        yield self._counter("llm_unpriced_attempts", "Requests to providers of unknown cost.", WHOSE, found.unpriced)
        yield self._counter("llm_streamed_tokens", "Of answers that were streamed.", PLACE, found.streamed_tokens)
        yield self._counter(
            "llm_streaming_seconds", "From first token to last.", PLACE, found.streaming_ns, NANOSECONDS
        )
        yield self._counter("llm_guard_actions", "Calls that a guard changed.", (*PLACE, "action"), found.guards)

        yield self._counter("llm_scores_low", "Below 0.5.", SAID, found.low_scores)

    def _histograms(self) -> Iterator[Metric]:
        found = self._found
        yield self._histogram("llm_latency_seconds", "Calls, from start to end.", found.latency)
        yield self._histogram("llm_first_token_seconds", "Streamed calls, to the first token.", found.first_token)
        yield self._histogram("llm_score", "What people and scorers thought of answers, 0 to 1.", found.score)

    def _conventions(self) -> Iterator[Metric]:
        """Under the names that OpenTelemetry gives them."""
        found = self._found
        yield self._histogram("gen_ai_client_operation_duration_seconds", "Asking providers.", found.client_seconds)
        yield self._histogram("gen_ai_client_token_usage", "Of each request to a provider.", found.client_tokens)
        yield self._histogram("gen_ai_server_request_duration_seconds", "Calls of clients.", found.server_seconds)
        yield self._histogram("gen_ai_server_time_to_first_token_seconds", "Of calls.", found.server_first)
        yield self._histogram("gen_ai_server_time_per_output_token_seconds", "After the first.", found.server_next)

    def _counter(self, name: str, meaning: str, labels: tuple[str, ...], counts: Counts, unit: float = 1) -> Metric:
        family = CounterMetricFamily(name, meaning, labels=labels)
        for series, count in counts.items():
            family.add_metric(series, count / unit if self._shown(name, series) else 0)
        return family

    def _histogram(self, name: str, meaning: str, found: Histogram) -> Metric:
        family = HistogramMetricFamily(name, meaning, labels=found.labels)
        bounds = [*(repr(bound) for bound in found.bounds), "+Inf"]
        for labels, series in found.series.items():
            if self._shown(name, labels):
                family.add_metric(labels, list(_buckets(bounds, series)), series.total)
            else:
                family.add_metric(labels, [(bound, 0) for bound in bounds], 0)
        return family


def _buckets(bounds: list[str], series: Series) -> Iterator[tuple[str, float] | tuple[str, float, Exemplar]]:
    """Cumulated, as Prometheus has them."""
    below = 0
    for bound, count, exemplar in zip(bounds, series.counts, series.exemplars, strict=True):
        below += count
        if exemplar is None:
            yield bound, below
        else:
            yield bound, below, Exemplar({"trace_id": exemplar[0]}, exemplar[1], exemplar[2])
