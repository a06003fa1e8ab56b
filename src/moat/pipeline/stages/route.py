"""Model alias -> deployments to try, in order."""

from collections.abc import AsyncGenerator

from msgspec.structs import replace

from moat.domain.calls import Call, Event
from moat.domain.errors import ContextOverflow
from moat.pipeline.compose import Next
from moat.pipeline.ports import Ports


class Route:
    """Looks the alias up and notes the call as it goes out."""

    def __init__(self, ports: Ports) -> None:
        self._models = ports.models

    def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Attach the plan and pass on."""
        try:
            routed = replace(call, plan=self._models.plan(call))
        except ContextOverflow as error:
            routed = self._models.roomier(call, error)
        call.journal.sent = routed
        if call.journal.accepted is not None:
            call.journal.accepted()
        return next(routed)
