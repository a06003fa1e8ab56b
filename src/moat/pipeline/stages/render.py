"""Version + variables -> messages."""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Call, Event, Message
from moat.domain.releases import PromptVersion
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
        variables, conversation = call.prompt.variables, call.messages
        if call.prompt.from_messages:
            variables, conversation = take_variable(prompt, conversation)
        rendered = self._renderer.render(prompt, variables)
        if conversation is not call.messages:
            taken = replace(call.prompt, variables=variables)  # what a record of the call must say
            return next(replace(call, prompt=taken, messages=[*rendered[:-1], *conversation, *rendered[-1:]]))
        return next(replace(call, messages=[*rendered, *conversation]))


def take_variable(prompt: PromptVersion, messages: list[Message]) -> tuple[dict[str, Any], list[Message]]:
    """For clients that can send messages only: the last user message is the prompt's one required variable.

    Whatever was said before it stays, between the prompt's instructions and its last message. A prompt that
    needs no variable, or several, is left to the renderer, which says what is missing.
    """
    required = [name for name, variable in prompt.variables.items() if variable.default is msgspec.UNSET]
    last = messages[-1] if messages else {}
    text = last.get("content")
    if len(required) != 1 or last.get("role") != "user" or not isinstance(text, str):
        return {}, messages
    return {required[0]: text}, messages[:-1]
