"""Where a call was tried, and where it is tried next."""

import random
from collections import deque

from moat.domain.calls import Call, Deployment, Plan
from moat.domain.errors import (
    CircuitOpen,
    ContextOverflow,
    DataRefused,
    DeadlinePassed,
    ProviderError,
    ProviderRefused,
    ProviderTimeout,
    Unsupported,
)
from moat.pipeline.ports import Ports
from moat.ports.models import Again

BACKOFF_BASE = 0.2
BACKOFF_CAP = 5.0
PULSE_NS = 1_000_000_000
"""Between two signs of life that a deployment's health is told of, while pieces of an answer come."""


class Try:
    """One try at a deployment, and what its health is told of it."""

    def __init__(self, ports: Ports, deployment: Deployment, number: int, retry: int) -> None:
        self.deployment = deployment
        self.retry = retry
        """How many came before it at this deployment."""
        self.begun = False
        """Did a piece of its answer come?"""
        self._ports = ports
        self._number = number
        self._began = ports.clock.monotonic_ns()
        self._first = 0
        self._pulse = 0

    def begin(self) -> None:
        """The first piece came."""
        self.begun = True
        self._first = self.lasted
        self._tell(self._began + self._first)

    def go_on(self, now_ns: int) -> None:
        """A further piece came at this time."""
        if now_ns - self._pulse >= PULSE_NS:
            self._tell(now_ns)

    def _tell(self, now_ns: int) -> None:
        self._pulse = now_ns
        if self._ports.health is not None:
            self._ports.health.begun(self.deployment, self._number)

    def end(self, error: BaseException | None) -> None:
        """It is over."""
        if self._ports.health is not None:
            self._ports.health.note(self.deployment, error, self._first or self.lasted, self._number)

    @property
    def lasted(self) -> int:
        """Nanoseconds since it began."""
        return self._ports.clock.monotonic_ns() - self._began


def is_final(error: ProviderError) -> bool:
    """Would no other try mend it?"""
    return isinstance(error, ProviderRefused) and error.status < 500 and not isinstance(error, ContextOverflow)


class Course:
    """The deployments that are left for a call. Two lanes of one call, when it is hedged, share its course."""

    def __init__(self, call: Call, ports: Ports) -> None:
        assert call.plan is not None, "Route makes the plan"
        self.call = call
        """As it goes out now: its plan may be another's, its conversation shorter."""
        self._ports = ports
        self._kind = (call.operation, call.stream)
        self._left = deque(call.plan.deployments)
        self._errors: list[ProviderError] = []
        self._lanes = 0
        self._answered = False
        patience = call.patience_ns
        self._impatient = bool(patience) and patience < call.plan.deadline_ns
        self._limit = patience if self._impatient else call.plan.deadline_ns
        self.deadline_ns = ports.clock.monotonic_ns() + self._limit

    def enter(self) -> Again | None:
        """A lane begins: what its first try is, when it is not the call's first."""
        self._lanes += 1
        return "hedge" if self._lanes > 1 else None

    def leave(self) -> None:
        """A lane is over. Errors hold, by their tracebacks, what holds them: they would wait for the collector."""
        if not self._plan().hedge_ns:
            self._errors.clear()

    def claim(self) -> bool:
        """An answer begins in a lane; False: one has begun in the other."""
        first, self._answered = not self._answered, True
        return first

    def retry(self, tried: Try) -> Try:
        """The same deployment once more, or the next if it should be left alone by now."""
        try:
            return self._try(tried.deployment, tried.retry + 1)
        except CircuitOpen as error:
            self._leave_alone(tried.deployment, error)
            return self.next("fallback")

    def next(self, why: Again | None) -> Try:
        """A try at the next deployment that may be tried. Raises what the caller shall know when none is left."""
        while True:
            while self._left:
                deployment = self._left.popleft()
                try:
                    turn = self._try(deployment, 0)
                except CircuitOpen as error:
                    self._leave_alone(deployment, error)
                    why = why or "fallback"
                    continue
                except DataRefused as error:
                    self._errors.append(error)
                    why = why or "fallback"
                    continue
                if why is not None and self._ports.health is not None:
                    self._ports.health.again(deployment, why)
                return turn
            if why == "hedge":  # the first is still being asked: nothing else is done to the call for its sake
                raise self._final()
            self._make_room()

    def failed(self, tried: Try, error: ProviderError, left: float) -> float | None:
        """Seconds until another try at the same deployment; None when the next one's turn has come.

        Raises `DeadlinePassed`. `left`: seconds until the deadline.
        """
        if isinstance(error, ContextOverflow):
            self._drop_smaller(tried.deployment)
        if left <= 0:
            raise DeadlinePassed(f"the deadline passed; the last error: {error.what}") from error
        self._errors.append(error)
        return self._wait(tried, error, left)

    def overdue(self, tried: Try, error: DeadlinePassed) -> BaseException:
        """What a passed deadline says of a deployment that was silent: nothing, when it was the caller's own or most
        of it was spent elsewhere.
        """
        if tried.begun or self._impatient or tried.lasted * 2 < self._limit:
            return error
        return ProviderTimeout(error.what)

    def _leave_alone(self, deployment: Deployment, error: CircuitOpen) -> None:
        self._errors.append(error)
        known = self.call.journal.left_alone
        if error.failing and deployment.provider not in known:
            known.append(deployment.provider)

    def _plan(self) -> Plan:
        assert self.call.plan is not None, "Route makes the plan"
        return self.call.plan

    def _try(self, deployment: Deployment, retry: int) -> Try:
        if self.call.journal.handled is not None:
            self.call.journal.handled.check(deployment)
        # The last one is asked even where its provider's quota looks too small: the estimate may be wrong.
        health, tokens = self._ports.health, self._plan().tokens if self._left else 0
        number = health.check(deployment, tokens, self._kind) if health is not None else 0
        return Try(self._ports, deployment, number, retry)

    def _wait(self, tried: Try, error: ProviderError, left: float) -> float | None:
        """Full jitter (Brooker, Exponential Backoff And Jitter, AWS 2015), on top of what the provider asks for.

        That is honoured, unless it leaves no time, or a fallback could answer meanwhile.
        """
        if not error.retryable or tried.retry >= self._plan().retries:
            return None
        wait = random.uniform(0, min(BACKOFF_CAP, BACKOFF_BASE * 2**tried.retry)) + (error.retry_after or 0.0)
        if wait >= left or (self._left and wait > BACKOFF_CAP):
            return None
        health = self._ports.health
        return wait if health is None or health.again(tried.deployment, "retry") else None

    def _drop_smaller(self, deployment: Deployment) -> None:
        """A deployment that is known to take no more need not be asked."""
        capacity = self._ports.models.capacity
        taken = capacity(deployment).context
        if taken:
            self._left = deque(other for other in self._left if not 0 < capacity(other).context <= taken)

    def _make_room(self) -> None:
        """Go on with a longer model, or a shorter conversation, when that is what it takes. Else raise."""
        overflow = next((error for error in self._errors if isinstance(error, ContextOverflow)), None)
        if overflow is None:
            raise self._final()
        try:
            self.call = self._ports.models.roomier(self.call, overflow)
        except ContextOverflow as error:
            self._errors.append(error)
            raise self._final() from None
        self.call.journal.sent = self.call
        self._left, self._errors = deque(self._plan().deployments), []

    def _final(self) -> ProviderError:
        """The error that tells the caller most: of an answer that failed, the last; else when to come back; else why
        there is no way.
        """
        failed = [
            e for e in self._errors if not isinstance(e, CircuitOpen | ContextOverflow | DataRefused | Unsupported)
        ]
        if failed:
            return failed[-1]
        resting = [error for error in self._errors if isinstance(error, CircuitOpen)]
        if resting:
            return min(resting, key=lambda error: error.retry_after or 0.0)
        if refused := [error for error in self._errors if isinstance(error, DataRefused)]:
            names = [name for error in refused for name in error.destinations]
            classes = [name for error in refused for name in error.classes]
            return DataRefused.at(names, classes) if names else refused[-1]
        if not self._errors:  # a second lane, and the first has the last deployment
            return CircuitOpen("there is no other deployment to ask")
        return max(self._errors, key=lambda error: isinstance(error, ContextOverflow))
