"""How many tokens a call would have, without asking for an answer."""

from collections.abc import AsyncGenerator, Sequence

from msgspec.structs import replace

from moat.domain.calls import Call, Deployment, Event, Finished
from moat.domain.errors import ContextOverflow, DataRefused, ProviderError, ProviderRefused
from moat.domain.usage import Usage
from moat.pipeline.compose import Next, compose
from moat.pipeline.estimates import input_tokens
from moat.pipeline.ports import Ports
from moat.pipeline.stages.guard import Guard
from moat.pipeline.stages.handle import Classify
from moat.pipeline.stages.render import Render
from moat.pipeline.stages.resolve import Resolve
from moat.pipeline.stages.route import Route
from moat.ports.models import Models, TokenCounter

_NO_COUNTER = (404, 405, 501)
"""What servers answer that speak a provider's format and cannot count."""


def build_counter(ports: Ports) -> Next:
    """What is asked is settled as for a call; then the first deployment counts, or we estimate.

    The one event is a `Finished` whose usage has the count; `estimated` when nobody counted. Counting is free, so it is
    neither limited nor recorded.
    """
    return compose(
        [Resolve(ports), Render(ports), Guard(ports), _too_long, Route(ports), Classify(ports)], _count(ports.models)
    )


def _too_long(call: Call, next: Next) -> AsyncGenerator[Event, None]:
    """What no deployment takes is counted all the same: that is what people count for."""
    try:
        return next(call)
    except ContextOverflow:
        return _estimate(call)


async def _estimate(call: Call) -> AsyncGenerator[Event, None]:
    yield Finished(reason="stop", usage=Usage(input=input_tokens(call), estimated=True))


def _count(models: Models) -> Next:
    async def upstream(call: Call) -> AsyncGenerator[Event, None]:
        assert call.plan is not None, "Route makes the plan"
        deployment, call = _allowed(call, call.plan.deployments)
        provider = models.provider(deployment.provider)
        usage = Usage(input=input_tokens(call), estimated=True)
        if isinstance(provider, TokenCounter):
            try:
                usage = Usage(input=await provider.count_tokens(call))
            except ProviderError as error:
                if isinstance(error, ProviderRefused) and error.status not in _NO_COUNTER:
                    raise
                call.journal.notices.append(f"estimated, as {deployment} did not count: {error.code}")
        yield Finished(reason="stop", usage=usage, model=deployment.model)

    return upstream


def _allowed(call: Call, deployments: Sequence[Deployment]) -> tuple[Deployment, Call]:
    """The first that may have it, and the call as that may. Raises `DataRefused`."""
    handled, refused = call.journal.handled, list[DataRefused]()
    for deployment in deployments:
        asked = replace(call, deployment=deployment)
        try:
            return deployment, asked if handled is None else handled.sent(asked)
        except DataRefused as error:
            refused.append(error)
    raise refused[0]
