"""Try the planned deployments: retries and fallbacks, before the first byte only."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec.structs import replace

from moat.domain.calls import Call, Event
from moat.domain.errors import DeadlinePassed, ProviderError, ProviderRefused
from moat.pipeline.compose import Next
from moat.pipeline.ports import Ports

BACKOFF_BASE = 0.2
BACKOFF_CAP = 5.0


class Attempts:
    """Calls `next` once for each try, until one answers.

    A deployment is tried again while its errors are retryable; then comes the next one of the plan, unless the
    request itself was refused. Once a piece of the answer went out a failure is final: a second answer glued
    to half a first one would look like one. The alias's deadline covers all tries together.
    """

    def __init__(self, ports: Ports) -> None:
        self._clock = ports.clock

    async def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Try in order."""
        assert call.plan is not None, "Route makes the plan"
        plan = call.plan
        deadline = self._clock.monotonic_ns() + plan.deadline_ns
        retries = plan.retries
        for position, deployment in enumerate(plan.deployments):
            fallback = position + 1 < len(plan.deployments)
            for left in range(retries, -1, -1):
                started = False
                try:
                    async with aclosing(next(replace(call, deployment=deployment))) as events:
                        yield await self._first(call, events, deadline)
                        started = True
                        async for event in events:
                            self._check(deadline)
                            yield event
                    return
                except ProviderError as error:
                    if started or (isinstance(error, ProviderRefused) and error.status < 500):
                        raise
                    if self._left(deadline) <= 0:
                        raise DeadlinePassed(f"the deadline passed; the last error: {error.what}") from error
                    wait = self._wait(error, retries - left, deadline, fallback) if left else None
                    if wait is None and not fallback:
                        raise
                    if wait is None:
                        break
                    await asyncio.sleep(wait)

    def _wait(self, error: ProviderError, retry: int, deadline: int, fallback: bool) -> float | None:
        """Seconds until another try at the same deployment; None when there shall be none.

        What the provider asks for is honoured, unless it leaves no time, or a fallback could answer meanwhile.
        """
        wait = error.retry_after
        if wait is None:
            wait = random.uniform(0, min(BACKOFF_CAP, BACKOFF_BASE * 2**retry))
        too_long = wait >= self._left(deadline) or (fallback and wait > BACKOFF_CAP)
        return wait if error.retryable and not too_long else None

    async def _first(self, call: Call, events: AsyncGenerator[Event, None], deadline: int) -> Event:
        try:
            async with asyncio.timeout(self._left(deadline)):
                return await anext(events)
        except TimeoutError:
            error = DeadlinePassed("the deadline passed before the answer began")
            # The attempt saw a mere cancellation, which looks like a client that hung up.
            call.journal.attempts[-1].fail(error)
            raise error from None

    def _check(self, deadline: int) -> None:
        # Silence within an answer is the provider's idle limit; a steady one is stopped here.
        if self._left(deadline) <= 0:
            raise DeadlinePassed("the deadline passed in the middle of the answer")

    def _left(self, deadline: int) -> float:
        """Seconds until the deadline."""
        return (deadline - self._clock.monotonic_ns()) / 1e9
