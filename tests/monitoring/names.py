"""All metrics that the page can have, taken from the page itself: a server in which everything happened once."""

from collections.abc import Iterator
from functools import cache
from typing import Any, cast

from prometheus_client.core import Metric

from moat.caching.report import CacheState
from moat.domain.releases import Arm, Assignment, MessageTemplate, PromptVersion, Release
from moat.gateway import metrics
from moat.gateway.measured import EvalScore, Measured, Processes, Sending
from moat.gateway.metrics_births import always
from moat.gateway.serving import Live, Serving
from moat.prompts.drift import Drift
from moat.routing.health import DeploymentState
from moat.spend.counters import Balance
from moat.spend.limits import Limit
from moat.telemetry.labels import Known, Labels
from moat.telemetry.measures import Measures, Opinion, Seen
from moat.testing.fakes import ListSpool

_SPAN = {
    "trace_id": "t",
    "started_ns": 1,
    "duration_ns": 3 * 10**9,
    "first_token_ns": 10**9,
    "stream": True,
    "input_tokens": 5,
    "output_tokens": 5,
    "cached_tokens": 1,
}


@cache
def families() -> dict[str, tuple[str, ...]]:
    """Labels by family, in their order."""
    return {family.name: cast("Any", family)._labelnames for family in _page() if family.name != "moat_build"}


@cache
def samples() -> dict[str, str]:
    """The family of each sample, by the sample's name."""
    return {sample.name: family.name for family in _page() for sample in family.samples}


@cache
def types() -> dict[str, str]:
    """`counter`, `gauge` or `histogram`, by family."""
    return {family.name: family.type for family in _page()}


def _page() -> Iterator[Metric]:
    spool = ListSpool()
    measured = Measured(
        measures=_measures(),
        evals=lambda: [EvalScore("s", "p", "1.0.0", "m", 0.9, "pass", 1.0)],
        processes=lambda: Processes(2, 0, 1),
        sending=lambda: [Sending("http://collector", 1, 0, 0, 0, 0)],
        messages=lambda: {"ops": 2},
    )
    live = Live(_serving())
    live.refusals.add("calls", 401)
    live.deployments = lambda: [_deployment()]
    live.balances = lambda: [_balance()]
    live.caches = lambda: [_cache()]
    return metrics.Metrics(live, spool, measured).families(always)


def _measures() -> Measures:
    found = Measures(Labels(Known))
    found.add([Seen(kind="call", guard="block", **_SPAN), Seen(kind="attempt", **_SPAN)])  # type: ignore[arg-type]
    found.add([Seen(kind="attempt", cost=1, **_SPAN)])  # type: ignore[arg-type]
    found.hear([Opinion(value=0.1)])
    return found


def _serving() -> Serving:
    content = PromptVersion(name="p", version="1.0.0", messages=(MessageTemplate("user", "x"),), model="m")
    arm = Arm("r", 1.0, "stable")
    served = Assignment(
        environment="e",
        prompt="p",
        sequence=1,
        arms=(arm,),
        shadow=arm,
        strategy="canary",
        progress="open",
        actor="",
        reason="",
        created_ns=0,
    )
    drifted = Drift(environment="e", prompt="p", version="1.0.0", release="r", kind="edited", message="", remedy="")
    return Serving(
        cast("Any", None),
        cast("Any", None),
        cast("Any", None),
        assignments={("e", "p"): served},
        releases={"r": Release(id="r", content=content, prompt_digest="d")},
        drift=(drifted,),
    )


def _deployment() -> DeploymentState:
    return DeploymentState(
        deployment="openai/large",
        state="closed",
        wait=0.0,
        failures=0,
        opened=0,
        latency=0.5,
        waiting=0,
        tries=1,
        failed=0,
        retries=0,
        refused_retries=0,
        fallbacks=0,
        hedges=0,
    )


def _balance() -> Balance:
    limit = Limit(
        name="l",
        per=(),
        match={},
        measure="money",
        amount=10**12,
        window="day",
        tz=cast("Any", None),
        action="reject",
    )
    return Balance(limit, (), 1, 0, 0)


def _cache() -> CacheState:
    return CacheState(alias="a", hits=1, misses=1, similar=0, saved=0, failed=0, entries=0, bytes=0, measured=[])
