"""A line that its provider has run already, as the pipeline meets it: what it asks is known, and so is the answer."""

from collections.abc import AsyncGenerator

from moat.domain.batches import Way
from moat.domain.calls import Call, Deployment, Event, Plan
from moat.domain.errors import ContextOverflow
from moat.domain.releases import PromptRef
from moat.ports.batches import BatchApi, BatchResult
from moat.ports.models import Capacity, Models, Provider
from moat.ports.prompts import Resolution


def way_of(sent: Call) -> Way:
    """How a prepared call is asked."""
    journal = sent.journal
    return Way(
        alias=sent.plan.alias if sent.plan is not None else sent.model,
        release=journal.release,
        version=journal.prompt if journal.release is None else None,
        arm=journal.arm,
        experiment=journal.experiment,
    )


class Asked:
    """Implements `Prompts`: every reference stands for what it stood for when the line was submitted."""

    def __init__(self, way: Way) -> None:
        self._way = way

    def resolve(self, ref: PromptRef, sticky: str) -> Resolution:
        """See `Prompts`."""
        way = self._way
        prompt = way.release.content if way.release is not None else way.version
        assert prompt is not None, "a line that names a prompt was submitted with it"
        return Resolution(prompt, way.release, way.arm, way.experiment)

    def shadow(self, ref: PromptRef, sticky: str) -> str:
        """None: nobody waits for an answer that could be compared."""
        return ""


class Known:
    """Implements `Models`: whatever is asked, the deployment has answered it."""

    def __init__(self, models: Models, deployment: Deployment, api: BatchApi, result: BatchResult) -> None:
        self._models = models
        self._deployment = deployment
        self._provider = _Answered(api, result)

    def plan(self, call: Call) -> Plan:
        """See `Models`."""
        return Plan(alias=call.model, deployments=(self._deployment,))

    def roomier(self, call: Call, error: ContextOverflow) -> Call:
        """See `Models`."""
        raise error

    def provider(self, name: str) -> Provider:
        """See `Models`."""
        return self._provider

    def capacity(self, deployment: Deployment) -> Capacity:
        """See `Models`."""
        return self._models.capacity(deployment)


class _Answered:
    """Implements `Provider`."""

    def __init__(self, api: BatchApi, result: BatchResult) -> None:
        self._api = api
        self._result = result

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """See `Provider`."""
        for event in self._api.read(call, self._result):
            yield event

    async def aclose(self) -> None:
        """Nothing to release."""
