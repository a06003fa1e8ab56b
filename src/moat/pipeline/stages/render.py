"""Version + variables -> messages."""

from collections.abc import AsyncGenerator

from msgspec.structs import replace

from moat.domain.calls import Call, Event
from moat.pipeline.compose import Next
from moat.pipeline.ports import Ports


class Render:
    """Puts the prompt's messages in front of the caller's own."""

    def __init__(self, ports: Ports) -> None:
        self._renderer = ports.renderer

    def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Render and pass on; a call without a prompt passes unchanged."""
        prompt = call.journal.prompt
        if prompt is None or call.prompt is None:
            return next(call)
        rendered = self._renderer.render(prompt, call.prompt.variables)
        return next(replace(call, messages=[*rendered, *call.messages]))
