"""Try the planned deployments: retries, fallbacks and hedging, before the first byte only."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec.structs import replace

from moat.domain.calls import Call, Delta, Event
from moat.domain.errors import DeadlinePassed, ProviderError, Stopped
from moat.pipeline.compose import Next
from moat.pipeline.course import Course, is_final
from moat.pipeline.endings import OVERDUE, OVERTAKEN
from moat.pipeline.patience import Patience
from moat.pipeline.ports import Ports
from moat.pipeline.racing import race


class Attempts:
    """Calls `next` once for each try, until one answers.

    A deployment is tried again while its errors are retryable; then comes the next one of the plan, unless the
    request itself was refused. One that is left alone at present is skipped. Once a piece of the answer went out a
    failure is final: a second answer glued to half a first one would look like one. The deadline covers all tries
    together, and the last piece of the answer.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Try in order; where the plan hedges, two at a time when the first is slow."""
        plan, course = call.plan, Course(call, self._ports)
        if plan is not None and plan.hedge_ns and len(plan.deployments) > 1:
            return race(lambda: self._lane(course, next), plan.hedge_ns / 1e9)
        return self._lane(course, next)

    async def _lane(self, course: Course, next: Next) -> AsyncGenerator[Event, None]:
        """One try after the other."""
        patience = Patience(self._ports.clock, course.deadline_ns)
        error: BaseException | None = None
        try:
            tried = course.next(course.enter())
            while True:
                try:
                    async with aclosing(next(replace(course.call, deployment=tried.deployment))) as events:
                        patience.wait()
                        async for event in events:
                            if isinstance(event, Delta) and event.only_counts:
                                continue  # another try may still answer
                            if not patience.rest():
                                await events.athrow(DeadlinePassed(OVERDUE))
                            if tried.begun:
                                tried.go_on(patience.now_ns)
                            else:
                                tried.begin()
                                if not course.claim():
                                    await events.athrow(Stopped(OVERTAKEN))
                            yield event
                            patience.wait()
                    tried.end(None)
                    return
                except BaseException as raised:
                    error = patience.explain(raised)
                    tried.end(course.overdue(tried, error) if isinstance(error, DeadlinePassed) else error)
                    if error is not raised:
                        raise error from None
                    if tried.begun or not isinstance(error, ProviderError) or is_final(error):
                        raise
                    wait = course.failed(tried, error, patience.left)
                if wait is None:
                    tried = course.next("fallback")
                else:
                    await asyncio.sleep(wait)
                    tried = course.retry(tried)
        finally:
            patience.close()
            course.leave()
            error = None  # its traceback holds this frame
