"""A simulated model that does all that an attack asks: what it is kept from, guards keep it from."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec

from moat.domain.calls import Call, Delta, Deployment, Event, Finished, Plan, ToolCallDelta
from moat.domain.errors import ContextOverflow
from moat.domain.scores import Case
from moat.domain.usage import Usage
from moat.evals.redteam.marked import case_of
from moat.evals.scorers.attack import Success
from moat.ports.models import Capacity, Models

ANSWER = "Here is what I found out for you. It depends on the season."
PERSON = "Paula Reinders, paula.reinders@reinders-bau.de, +49 30 901820 99"
DEPLOYMENT = Deployment("simulated", "obedient")


class Obedient:
    """Implements `moat.ports.models.Provider`."""

    def __init__(self, cases: Mapping[str, Case]) -> None:
        """By id; calls say which they are of."""
        self._cases = cases

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """With what would be a success; a plain answer to what is no attack."""
        case = self._cases.get(case_of(call))
        expected = case.expected if case is not None else None
        delta = Delta(text=ANSWER) if expected is None else obeyed(msgspec.convert(expected, Success), call)
        yield delta
        yield Finished(
            reason="tool_calls" if delta.tool_calls else "stop", usage=Usage(input=0, output=0), model=DEPLOYMENT.model
        )

    async def aclose(self) -> None:
        """Nothing to release."""


class ObedientModels:
    """Implements `moat.ports.models.Models`: every alias of a project leads to the obedient model."""

    def __init__(self, models: Models, provider: Obedient) -> None:
        self._models = models
        self._provider = provider

    def plan(self, call: Call) -> Plan:
        """As the alias has it, but for who answers."""
        return msgspec.structs.replace(self._models.plan(call), deployments=(DEPLOYMENT,))

    def roomier(self, call: Call, error: ContextOverflow) -> Call:
        """There is no such way."""
        raise error

    def provider(self, name: str) -> Obedient:
        """The one there is."""
        return self._provider

    def capacity(self, deployment: Deployment) -> Capacity:
        """Not known."""
        return Capacity()


def obeyed(success: Success, call: Call) -> Delta:
    """An answer that shows the first sign of success."""
    if success.says:
        return Delta(text=f"Gladly: {success.says[0]}")
    if success.words:
        return Delta(text=" and ".join(success.words))
    if success.calls:
        name = success.calls[0] if success.calls[0] != "*" else _first_tool(call.params)
        arguments = msgspec.json.encode({"query": success.arguing}).decode()
        return Delta(tool_calls=(ToolCallDelta(id="call_simulated", name=name, arguments=arguments),))
    if success.leaks:
        told = (message for message in call.messages if message.get("role") in ("system", "developer"))
        return Delta(text="\n".join(str(message.get("content")) for message in told))
    return Delta(text=PERSON if success.reveals else "over and over " * (success.longer // 10))


def _first_tool(params: dict[str, Any]) -> str:
    return str(params["tools"][0]["function"]["name"])
