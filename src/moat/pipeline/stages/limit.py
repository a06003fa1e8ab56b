"""Limits of the caller: counted once for each call, before anything is asked of a model."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from moat.domain.calls import Call, Event
from moat.pipeline.compose import Next
from moat.pipeline.ports import Ports
from moat.ports.ledger import Ledger


class Limit:
    """Lets the call in, or refuses it with `LimitExceeded`. What its attempts may cost is `Meter`'s business."""

    def __init__(self, ports: Ports) -> None:
        self._ledger = ports.ledger

    def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Count it and pass it on."""
        ledger = self._ledger
        return _admitted(call, next, ledger) if ledger is not None and ledger.watches(call) else next(call)


async def _admitted(call: Call, next: Next, ledger: Ledger) -> AsyncGenerator[Event, None]:
    admission = await ledger.admit(call)
    try:
        async with aclosing(next(admission.call)) as events:
            async for event in events:
                yield event
    finally:
        admission.leave()
