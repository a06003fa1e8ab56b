"""How stages become a pipeline."""

from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import Protocol

from moat.domain.calls import Call, Event

Next = Callable[[Call], AsyncGenerator[Event, None]]


class Stage(Protocol):
    """One step of the pipeline.

    A stage that only checks or changes the call is a plain function: it returns `next(call)`, or an answer of
    its own. One that watches or transforms events is an async generator around
    `async with aclosing(next(call)) as events`; without `aclosing`, a client's hang-up would reach the inner
    stages only when the garbage collector runs, outside the request.
    """

    def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Answer the call, with or without `next`."""
        ...


def compose(stages: Sequence[Stage], upstream: Next) -> Next:
    """Nest the stages around the upstream; the first is the outermost."""
    run = upstream
    for stage in reversed(stages):
        run = partial(stage, next=run)
    return run
