"""`GET /metrics`: numbers for Prometheus, read from what is served at the moment of the scrape.

One function a subject yields its metric families; to add a subject: one function, one line in `Metrics`. Labels are
names from the project's files and its releases, never a caller's words, so that their number is bounded.

Only this module imports prometheus_client, which takes 30 ms, and only the first scrape imports this module.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from moat import __version__
from moat.caching.report import CacheState, count_states
from moat.domain.keys import LADDER
from moat.domain.releases import Arm
from moat.domain.usage import PICODOLLARS
from moat.gateway.admission import authenticate, check_binding, read_headers
from moat.gateway.http import Receive, Scope, Send, respond
from moat.gateway.measured import EvalScore, Measured, Processes, Sending
from moat.gateway.metrics_births import Births, Shown
from moat.gateway.metrics_calls import Calls
from moat.gateway.refusals import Count
from moat.gateway.serving import Live, Serving
from moat.ports.spool import Spool
from moat.routing.health import DeploymentState
from moat.spend.counters import Balance
from moat.telemetry.counting import Lag

Subject = Callable[[], Iterable[Metric]]

RELEASE_LABELS = ("environment", "prompt", "version", "release")


UNITS = {"money": "dollars"}
"""Of limits, where they are called otherwise than what is measured."""


class Metrics:
    """The page, in the Prometheus text format or, when the client asks for it, OpenMetrics 1.0."""

    def __init__(self, live: Live, spool: Spool, measured: Measured) -> None:
        self._live = live
        self._measured = measured
        self._births = Births()
        self._subjects: tuple[Subject, ...] = (
            build,
            lambda: snapshot(live),
            lambda: processes(measured.processes()),
            lambda: records(spool, measured.lag()),
            lambda: releases(live.serving),
            lambda: drift(live.serving),
            lambda: evals(measured.evals()),
            lambda: shadows(measured.dropped()),
            lambda: collectors(measured.sending()),
            lambda: [messages(measured.messages())],
            lambda: deployments(live.deployments()),
            lambda: limits(live.balances()),
            lambda: caches(live.caches()),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one scrape. It tells what is deployed, so a viewer's key is needed."""
        check_binding(authenticate(read_headers(scope), self._live.serving.keys, LADDER))
        accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
        shown = self._births.shown(scope)
        body, content_type = await asyncio.to_thread(self._page, accept.decode("latin-1"), shown)
        await respond(send, 200, body, [(b"content-type", content_type.encode("latin-1"))])

    def families(self, shown: Shown) -> Iterator[Metric]:
        """All families of all subjects, for whoever has seen so much."""
        for subject in self._subjects:
            yield from subject()
        yield refusals(self._live.refusals.all, shown)
        if self._measured.measures is not None:
            yield from Calls(self._measured.measures, shown)()

    def _page(self, accept: str, shown: Shown) -> tuple[bytes, str]:
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is none
            encode, content_type = choose_encoder("")
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Once(self.families(shown)))
        ProcessCollector(registry=registry)
        return encode(registry), content_type


class _Once(Collector):
    """What a registry asks for one page."""

    def __init__(self, families: Iterator[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """All of it; `describe` is not needed."""
        return self._families


def build() -> Iterator[Metric]:
    """Which Moat this is."""
    yield InfoMetricFamily("moat_build", "Version of Moat.", {"version": __version__})


def snapshot(live: Live) -> Iterator[Metric]:
    """How well the server keeps up with its files and its store."""
    problems = len(live.serving.problems)
    age = time.monotonic() - live.looked
    yield GaugeMetricFamily("moat_serving_problems", "Broken parts, served as they last were.", problems)
    yield GaugeMetricFamily("moat_reload_age_seconds", "Since files and store were last looked at.", age)


def processes(found: Processes) -> Iterator[Metric]:
    """Who answers calls."""
    yield GaugeMetricFamily("moat_workers", "Worker processes that are ready.", found.workers)
    yield CounterMetricFamily("moat_workers_replaced", "Workers that ended unasked.", found.replaced)
    yield GaugeMetricFamily("moat_requests_under_way", "In all processes.", found.requests)


def records(spool: Spool, lag: Lag) -> Iterator[Metric]:
    """Can calls be recorded, and so answered? And how far behind them is the trace store?"""
    yield GaugeMetricFamily("moat_spool_refusing", "1 while the disk takes no records.", bool(spool.problem))
    yield GaugeMetricFamily("moat_spool_segments", "Sealed and not shipped.", lag.segments)
    yield GaugeMetricFamily("moat_spool_bytes", "Of them.", lag.bytes)
    yield GaugeMetricFamily("moat_spool_oldest_seconds", "Age of the oldest; 0: all is shipped.", lag.oldest)
    yield GaugeMetricFamily("moat_spool_rejected_segments", "That no store would take.", lag.rejected)


def evals(found: Sequence[EvalScore]) -> Iterator[Metric]:
    """The newest finished run of each suite."""
    by = ("suite", "prompt", "version", "model")
    score = GaugeMetricFamily("moat_eval_score", "Mean of the gated scores, 0 to 1.", labels=by)
    finished = GaugeMetricFamily("moat_eval_finished_timestamp_seconds", "When it ended.", labels=by)
    verdict = GaugeMetricFamily("moat_eval_regressed", "1 when a gate found it worse.", labels=by)
    for one in found:
        series = (one.suite, one.prompt, one.version, one.model)
        score.add_metric(series, one.score)
        finished.add_metric(series, one.finished)
        verdict.add_metric(series, one.verdict == "regressed")
    yield from (score, finished, verdict)


def releases(serving: Serving) -> Iterator[Metric]:
    """What is served to whom."""
    share = GaugeMetricFamily("moat_release_share", "Share of the calls, 0 to 1.", labels=(*RELEASE_LABELS, "arm"))
    shadow = GaugeMetricFamily("moat_shadow_share", "Share of the calls that is copied, 0 to 1.", labels=RELEASE_LABELS)
    rollouts = GaugeMetricFamily(
        "moat_rollout_open", "1 for each rollout under way.", labels=("environment", "prompt", "strategy", "progress")
    )
    for assignment in serving.assignments.values():
        place = (assignment.environment, assignment.prompt)

        def labels(arm: Arm, place: tuple[str, str] = place) -> tuple[str, ...]:
            return (*place, serving.releases[arm.release].version, arm.release)

        for arm in assignment.arms:
            share.add_metric((*labels(arm), arm.name), assignment.share(arm))
        if assignment.shadow is not None:
            shadow.add_metric(labels(assignment.shadow), assignment.shadow.weight)
        if assignment.progress != "closed":
            rollouts.add_metric((*place, assignment.strategy, assignment.progress), 1)
    yield from (share, shadow, rollouts)


def drift(serving: Serving) -> Iterator[Metric]:
    """What no longer stands as it was released; a kind that is not there has no series."""
    family = GaugeMetricFamily("moat_prompt_drift", "1 for each kind.", labels=("environment", "prompt", "kind"))
    for series in sorted({(found.environment, found.prompt, found.kind) for found in serving.drift}):
        family.add_metric(series, 1)
    yield family


def shadows(dropped: int) -> Iterator[Metric]:
    """Copies of calls for releases on trial."""
    yield CounterMetricFamily("moat_shadow_dropped", "Copies given up: too many were under way.", dropped)


def refusals(counts: Iterable[Count], shown: Shown) -> CounterMetricFamily:
    """Requests that never became calls, and so are in no other figure."""
    name = "moat_refused_requests"
    family = CounterMetricFamily(name, "Refused before they were calls.", labels=("where", "status"))
    for where, status, count in counts:
        series = (where, str(status))
        family.add_metric(series, count if shown(name, series) else 0)
    return family


def collectors(found: Iterable[Sending]) -> Iterator[Metric]:
    """What is sent on to OpenTelemetry collectors; two on one host and port are one."""
    by = ("collector",)
    sent = CounterMetricFamily("moat_otlp_sent_spans", "That it took.", labels=by)
    refused = CounterMetricFamily("moat_otlp_refused_spans", "That it will never take.", labels=by)
    failures = CounterMetricFamily("moat_otlp_failures", "Requests to it that were in vain.", labels=by)
    given_up = CounterMetricFamily("moat_otlp_given_up_segments", "That it did not take in time.", labels=by)
    waiting = GaugeMetricFamily("moat_otlp_waiting_bytes", "Of spans that it has not got.", labels=by)
    families: tuple[CounterMetricFamily | GaugeMetricFamily, ...] = (sent, refused, failures, given_up, waiting)
    total: dict[str, list[int]] = {}
    for one in found:
        figures = total.setdefault(one.collector, [0] * len(families))
        figures[:] = [before + now for before, now in zip(figures, one[1:], strict=True)]
    for collector, figures in total.items():
        for family, figure in zip(families, figures, strict=True):
            family.add_metric((collector,), figure)
    yield from families


def messages(waiting: Mapping[str, int]) -> GaugeMetricFamily:
    """Of alerts: those that no channel took yet."""
    family = GaugeMetricFamily("moat_alert_messages_waiting", "Not sent yet.", labels=("channel",))
    for channel, count in waiting.items():
        family.add_metric((channel,), count)
    return family


def deployments(known: Sequence[DeploymentState]) -> Iterator[Metric]:
    """How the deployments stand that were asked, and what was done when they did not answer."""
    by = ("deployment",)
    opened = GaugeMetricFamily("moat_breaker_open", "1 while it is left alone, or probed, after failures.", labels=by)
    wait = GaugeMetricFamily("moat_deployment_wait_seconds", "Until it may be asked again; 0: now.", labels=by)
    latency = GaugeMetricFamily("moat_deployment_latency_seconds", "To the first piece, of late.", labels=by)
    tries = CounterMetricFamily("moat_tries", "Tries at a deployment.", labels=by)
    failed = CounterMetricFamily("moat_tries_failed", "Tries that count against its health.", labels=by)
    trips = CounterMetricFamily("moat_breaker_trips", "How often its breaker opened.", labels=by)
    retries = CounterMetricFamily("moat_retries", "Tries again at the same deployment.", labels=by)
    denied = CounterMetricFamily("moat_retries_denied", "Retries not made: too many in vain.", labels=by)
    fallbacks = CounterMetricFamily("moat_fallbacks", "Calls that came from another that failed.", labels=by)
    hedges = CounterMetricFamily("moat_hedges", "Calls that came from another that was slow.", labels=by)
    for found in known:
        series = (found.deployment,)
        opened.add_metric(series, found.state != "closed")
        wait.add_metric(series, found.wait)
        if found.latency is not None:
            latency.add_metric(series, found.latency)
        tries.add_metric(series, found.tries)
        failed.add_metric(series, found.failed)
        trips.add_metric(series, found.opened)
        retries.add_metric(series, found.retries)
        denied.add_metric(series, found.refused_retries)
        fallbacks.add_metric(series, found.fallbacks)
        hedges.add_metric(series, found.hedges)
    yield from (opened, wait, latency, tries, failed, trips, retries, denied, fallbacks, hedges)


def limits(balances: Iterable[Balance]) -> Iterator[Metric]:
    """How full the fullest counter of each limit is. Whose it is `moat limits` says: callers are no labels."""
    by = ("limit", "unit")
    used = GaugeMetricFamily("moat_limit_used_share", "Of its fullest counter, held room included.", labels=("limit",))
    left = GaugeMetricFamily("moat_limit_left", "Of its fullest counter.", labels=by)
    amount = GaugeMetricFamily("moat_limit_amount", "Of each of its counters.", labels=by)
    counters = GaugeMetricFamily("moat_limit_counters", "Counters in the present window.", labels=("limit",))
    known: dict[str, list[Balance]] = {}
    for found in balances:
        known.setdefault(found.limit.name, []).append(found)
    for name, found_there in known.items():
        limit = found_there[0].limit
        taken = max(found.used + found.held for found in found_there)
        scale = PICODOLLARS if limit.measure == "money" else 1
        series = (name, UNITS.get(limit.measure, limit.measure))
        used.add_metric((name,), taken / limit.amount if limit.amount else 1.0)
        left.add_metric(series, max(0, limit.amount - taken) / scale)
        amount.add_metric(series, limit.amount / scale)
        counters.add_metric((name,), len(found_there))
    yield from (used, left, amount, counters)


def caches(found: Sequence[CacheState]) -> Iterator[Metric]:
    """What the caches did and hold, and how often similar questions were wrong."""
    by = ("alias",)
    hits = CounterMetricFamily("moat_cache_hits", "Answers given again to the same question.", labels=by)
    misses = CounterMetricFamily("moat_cache_misses", "Questions that went to a model.", labels=by)
    similar = CounterMetricFamily("moat_cache_similar", "Answers given to a similar question.", labels=by)
    saved = CounterMetricFamily("moat_cache_saved_dollars", "What these cost when they were made.", labels=by)
    failed = CounterMetricFamily("moat_cache_embedding_failures", "Questions without a vector.", labels=by)
    entries = GaugeMetricFamily("moat_cache_entries", "Answers that are held.", labels=by)
    held = GaugeMetricFamily("moat_cache_bytes", "Memory that they take, about.", labels=by)
    compared = GaugeMetricFamily("moat_cache_compared", "Would-be hits that were compared, all releases.", labels=by)
    false = GaugeMetricFamily("moat_cache_false_hits", "Those that were wrong.", labels=by)
    serving = GaugeMetricFamily("moat_cache_semantic_serving", "Releases answered by similarity.", labels=by)
    for state in found:
        now = [one for one in state.measured if one.state != "former"]
        hits.add_metric((state.alias,), state.hits)
        misses.add_metric((state.alias,), state.misses)
        similar.add_metric((state.alias,), state.similar)
        saved.add_metric((state.alias,), state.saved / PICODOLLARS)
        failed.add_metric((state.alias,), state.failed)
        entries.add_metric((state.alias,), state.entries)
        held.add_metric((state.alias,), state.bytes)
        compared.add_metric((state.alias,), sum(one.compared for one in now))
        false.add_metric((state.alias,), sum(one.false for one in now))
        serving.add_metric((state.alias,), count_states(now, "serving"))
    yield from (hits, misses, similar, saved, failed, entries, held, compared, false, serving)
