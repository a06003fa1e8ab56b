"""Prompt reference -> release -> exact version."""

from collections.abc import AsyncGenerator
from typing import Any

from msgspec.structs import replace

from moat.domain.calls import Call, Event
from moat.domain.errors import AccessError
from moat.domain.guards import more_sensitive
from moat.domain.releases import PromptVersion
from moat.pipeline.compose import Next
from moat.pipeline.estimates import ELSEWHERE, LENGTHS
from moat.pipeline.ports import Ports


class Resolve:
    """Settles which version of a prompt answers, and takes model and parameters from it.

    What the caller says himself (a parameter, a model alias) comes before what the prompt says. A call that
    names no prompt passes unchanged.
    """

    def __init__(self, ports: Ports) -> None:
        self._prompts = ports.prompts

    def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Note the choice in the journal and pass on. Raises `AccessError` when the caller's key does not cover the
        model; what limits and routing make of it later is theirs to say.
        """
        if call.prompt is None:
            _check(call)
            return next(call)
        found = self._prompts.resolve(call.prompt, call.caller.sticky)
        prompt, journal = found.prompt, call.journal
        journal.prompt, journal.release = prompt, found.release
        journal.arm, journal.experiment = found.arm, found.experiment
        said = prompt.metadata.get("data_class")
        if isinstance(said, str) and said:
            caller = replace(call.caller, data_class=more_sensitive(call.caller.data_class, said))
            call = replace(call, caller=caller)
        params = params_of(prompt)
        if not call.params.keys().isdisjoint(LENGTHS):
            params = {name: value for name, value in params.items() if name not in LENGTHS}
        resolved = replace(call, model=call.model or prompt.model, params={**params, **call.params})
        _check(resolved)
        return next(resolved)


def _check(call: Call) -> None:
    allowed = call.caller.models
    if allowed and call.model not in allowed:
        raise AccessError(
            f"this key may not use the model {call.model!r}",
            where="model",
            remedy=f"It may use: {', '.join(allowed)}.",
        )
    for name in ELSEWHERE if allowed else ():
        if name in call.params:
            raise AccessError("this key may use some models only, and this could choose another", where=name)


def params_of(prompt: PromptVersion) -> dict[str, Any]:
    """The parameters that a version asks for, its tools and its output schema among them."""
    params = dict(prompt.params)
    if prompt.tool_definitions:
        params.setdefault("tools", list(prompt.tool_definitions))
    if prompt.output is not None:
        schema = {"name": "answer", "schema": prompt.output}
        params.setdefault("response_format", {"type": "json_schema", "json_schema": schema})
    return params
