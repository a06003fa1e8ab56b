"""Try the planned deployments: retries and fallbacks, before the first byte only."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec.structs import replace

from moat.domain.calls import Call, Event
from moat.domain.errors import ProviderError, ProviderRefused, ProviderTimeout
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
        self._models = ports.models
        self._clock = ports.clock

    async def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Try in order."""
        deadline = self._clock.monotonic_ns() + self._models.deadline_ns(call.model)
        retries = self._models.retries(call.model)
        for deployment in call.plan:
            for retry in range(1 + retries):
                started = False
                try:
                    async with aclosing(next(replace(call, deployment=deployment))) as events:
                        yield await self._first(events, deadline)
                        started = True
                        async for event in events:
                            self._check(deadline)
                            yield event
                    return
                except ProviderError as error:
                    fallback = deployment != call.plan[-1]
                    if started or (isinstance(error, ProviderRefused) and error.status < 500):
                        raise
                    again = error.retryable and retry < retries
                    if not again and not fallback:
                        raise
                    wait = _backoff(error, retry) if again else 0.0
                    left = self._left(deadline)
                    if left <= 0:
                        raise ProviderTimeout(f"the deadline passed; the last error: {error.what}") from error
                    if again and wait < left:
                        await asyncio.sleep(wait)
                        continue
                    if not fallback:
                        raise
                    break

    async def _first(self, events: AsyncGenerator[Event, None], deadline: int) -> Event:
        try:
            async with asyncio.timeout(self._left(deadline)):
                return await anext(events)
        except TimeoutError:
            raise ProviderTimeout("the deadline passed before the answer began") from None

    def _check(self, deadline: int) -> None:
        # Silence within an answer is the provider's idle limit; a steady one is stopped here.
        if self._left(deadline) <= 0:
            raise ProviderTimeout("the deadline passed in the middle of the answer")

    def _left(self, deadline: int) -> float:
        """Seconds until the deadline."""
        return (deadline - self._clock.monotonic_ns()) / 1e9


def _backoff(error: ProviderError, retry: int) -> float:
    """Seconds to wait: what the provider asked, else exponential with full jitter (AWS's rule)."""
    if error.retry_after is not None:
        return error.retry_after
    return random.uniform(0, min(BACKOFF_CAP, BACKOFF_BASE * 2**retry))
