"""Which deployments answer at present: breakers, quotas, retry budgets and latencies, in memory.

The event loop asks and tells; a reload, in a thread of its own, exchanges the breakers' rules and forgets what was
learnt of a provider that is another now, each with one assignment.
"""

import asyncio
from collections import Counter
from collections.abc import Collection

import msgspec

from moat.domain.calls import Deployment
from moat.domain.config import BreakerConfig
from moat.domain.errors import (
    CircuitOpen,
    ProviderError,
    ProviderOverloaded,
    ProviderRefused,
    SecretWithheld,
    Unsupported,
)
from moat.domain.quotas import Quota
from moat.pipeline.endings import OVERTAKEN
from moat.ports.clock import Clock
from moat.ports.models import Again, Kind
from moat.routing.breaker import Breaker, State
from moat.routing.budget import RetryBudget
from moat.routing.latency import Latency
from moat.routing.quotas import Quotas
from moat.routing.silence import Silence

SLACK = 0.02
"""Seconds: the timer of a try that waited as long as it was asked to may end a moment early."""


class DeploymentState(msgspec.Struct, frozen=True, kw_only=True):
    """How one deployment stands."""

    deployment: str
    """`provider/model`."""
    state: State
    wait: float
    """Seconds until a call may go there again: the breaker is open, a quota is used up, or it asked for a pause."""
    failures: int
    """In a row, up to now."""
    opened: int
    """How often its breaker opened."""
    latency: float | None
    """Seconds until the first piece of an answer, of late; None before the first."""
    waiting: int
    """Tries that have no first piece yet."""
    tries: int
    failed: int
    """Tries that count against its health."""
    retries: int
    refused_retries: int
    """Retries that were not made: too many were in vain."""
    fallbacks: int
    """Calls that came here because another failed or was left alone."""
    hedges: int
    """Calls that came here because another was slow."""


class _Known:
    """What is known of one deployment."""

    def __init__(self, config: BreakerConfig, number: int) -> None:
        self.breaker = Breaker(config, number)
        self.silence = Silence()
        self.quotas = Quotas()
        self.budget = RetryBudget()
        self.latency = Latency()
        self.counts: Counter[str] = Counter()

    def dark(self, now: float) -> bool:
        """Is it silent, so that its breaker should open? A try that waits for too long counts as failed."""
        missing = self.breaker.config.failures - self.breaker.in_a_row
        return self.breaker.state == "closed" and self.silence.dark(now, max(1, missing))


class DeploymentHealth:
    """Implements `moat.ports.models.Health`."""

    def __init__(self, clock: Clock, config: BreakerConfig | None = None) -> None:
        self._clock = clock
        self._config = config or BreakerConfig()
        self._known: dict[Deployment, _Known] = {}
        self._number = 0
        """The highest of any try: what is learnt anew of a deployment begins above it."""

    def configure(self, config: BreakerConfig) -> None:
        """Other rules from now on; what is known stays."""
        self._config = config
        for known in list(self._known.values()):
            known.breaker.config = config

    def forget(self, providers: Collection[str]) -> None:
        """These are others now, under the same names, or are gone."""
        self._known = {at: known for at, known in list(self._known.items()) if at.provider not in providers}

    def check(self, deployment: Deployment, tokens: int = 0, kind: Kind = ("chat", False)) -> int:
        """See `moat.ports.models.Health`."""
        known, now = self._of(deployment), self._now()
        if known.dark(now):
            known.breaker.suspect(now)
        wait = known.breaker.wait(now)
        if wait > SLACK:
            raise self._open(deployment, _why_open(known), wait, failing=True)
        wait = known.quotas.wait(now, tokens)
        if wait > SLACK:
            raise self._open(deployment, "has no room by its own limits", wait)
        known.quotas.take(tokens)
        known.counts["tries"] += 1
        number = known.breaker.enter(now)
        self._number = max(self._number, number)
        known.silence.begins(now, number, kind)
        return number

    def begun(self, deployment: Deployment, number: int) -> None:
        """See `moat.ports.models.Health`."""
        known = self._of(deployment)
        known.breaker.begun(number)
        known.silence.answered(self._now(), number)

    def note(self, deployment: Deployment, error: BaseException | None, first_token_ns: int, number: int = 0) -> None:
        """See `moat.ports.models.Health`."""
        known, now = self._of(deployment), self._now()
        _hear(known.silence, error, now, number)
        if error is None:
            known.breaker.succeeded(now, number)
            known.budget.answered()
            known.latency.observe(now, first_token_ns / 1e9)
            return
        if isinstance(error, ProviderOverloaded) and error.retry_after is not None:
            known.quotas.pause(now, error.retry_after)
            known.counts["failed"] += 1
            known.breaker.abandoned(now, number)
        elif _is_ill(error):
            known.counts["failed"] += 1
            known.breaker.failed(now, number)
        else:
            known.breaker.abandoned(now, number)
            if isinstance(error, asyncio.CancelledError) and OVERTAKEN in error.args:
                known.latency.at_least(now, first_token_ns / 1e9)

    def again(self, deployment: Deployment, why: Again) -> bool:
        """See `moat.ports.models.Health`."""
        known = self._of(deployment)
        granted = why != "retry" or known.budget.take(self._now())
        known.counts[why if granted else "refused"] += 1
        return granted

    def report(self, deployment: Deployment, quota: Quota) -> None:
        """What an answer's rate-limit headers say."""
        self._of(deployment).quotas.report(self._now(), quota)

    def latency(self, deployment: Deployment) -> float | None:
        """Seconds until the first piece, of late; None when nothing is known."""
        known = self._known.get(deployment)
        return None if known is None else known.latency.mean

    def snapshot(self) -> list[DeploymentState]:
        """Every deployment that was asked or spoken of, by name."""
        now = self._now()
        return sorted((_state(at, known, now) for at, known in list(self._known.items())), key=lambda s: s.deployment)

    def _of(self, deployment: Deployment) -> _Known:
        known = self._known.get(deployment)
        if known is None:
            known = self._known[deployment] = _Known(self._config, self._number)
        return known

    def _now(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    def _open(self, deployment: Deployment, why: str, wait: float, *, failing: bool = False) -> CircuitOpen:
        return CircuitOpen(
            f"{deployment} {why}; it is left alone for another {wait:.1f} s",
            where=f"provider {deployment.provider}",
            retry_after=wait,
            failing=failing,
        )


def _why_open(known: _Known) -> str:
    if known.breaker.suspected:
        return f"has said nothing for a while, with {known.silence.waiting} calls waiting"
    return f"failed {known.breaker.in_a_row} times in a row"


def _hear(silence: Silence, error: BaseException | None, now: float, number: int) -> None:
    """What the end of a try says of a silence."""
    if error is None:
        silence.answered(now, number)
    elif isinstance(error, ProviderRefused) or (isinstance(error, ProviderOverloaded) and error.sent):
        silence.refused(now, number)
    elif isinstance(error, ProviderError):
        silence.ended(number)
    else:
        silence.given_up(now, number)


def _is_ill(error: BaseException) -> bool:
    """Does a deployment that answers so need to be left alone? A request that it refuses says no such thing, nor does
    one that waited in vain for a connection of our own pool.
    """
    if isinstance(error, ProviderOverloaded):
        return error.sent
    excused = ProviderRefused | Unsupported | SecretWithheld | CircuitOpen
    return isinstance(error, ProviderError) and not isinstance(error, excused)


def _state(deployment: Deployment, known: _Known, now: float) -> DeploymentState:
    breaker, counts = known.breaker, known.counts
    dark = known.dark(now)  # the next call finds it so
    return DeploymentState(
        deployment=str(deployment),
        state="open" if dark else breaker.state,
        wait=max(breaker.cooldown if dark else breaker.wait(now), known.quotas.wait(now, 0)),
        failures=breaker.in_a_row,
        opened=breaker.opened,
        latency=known.latency.mean,
        waiting=known.silence.waiting,
        tries=counts["tries"],
        failed=counts["failed"],
        retries=counts["retry"],
        refused_retries=counts["refused"],
        fallbacks=counts["fallback"],
        hedges=counts["hedge"],
    )
