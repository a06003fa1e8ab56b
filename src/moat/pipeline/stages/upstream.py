"""The innermost step: ask the provider behind the chosen deployment."""

from collections.abc import AsyncGenerator

from moat.domain.calls import Call, Event
from moat.pipeline.compose import Next
from moat.pipeline.ports import Ports


def ask(ports: Ports) -> Next:
    """What the stages are nested around."""
    models = ports.models

    def upstream(call: Call) -> AsyncGenerator[Event, None]:
        assert call.deployment is not None, "Attempts sets the deployment"
        return models.provider(call.deployment.provider).answer(call)

    return upstream
