"""Prompt reference -> release -> exact version."""

from collections.abc import AsyncGenerator

from msgspec.structs import replace

from moat.domain.calls import Call, Event
from moat.pipeline.compose import Next
from moat.pipeline.ports import Ports


class Resolve:
    """Settles which version of a prompt answers, and takes model and parameters from it.

    What the caller says himself (a parameter, a model alias) comes before what the prompt says. A call that
    names no prompt passes unchanged.
    """

    def __init__(self, ports: Ports) -> None:
        self._prompts = ports.prompts

    def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Note the choice in the journal and pass on."""
        if call.prompt is None:
            return next(call)
        found = self._prompts.resolve(call.prompt, call.caller.user)
        prompt = found.prompt
        call.journal.prompt = prompt
        call.journal.release = found.release
        params = {**prompt.params, **call.params}
        if prompt.tool_definitions and "tools" not in params:
            params["tools"] = list(prompt.tool_definitions)
        if prompt.output is not None and "response_format" not in params:
            params["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": prompt.output},
            }
        return next(replace(call, model=call.model or prompt.model, params=params))
