"""A recorded call once more, asked of something else, with both answers side by side."""

import msgspec
from starlette.requests import Request

from moat.api.endpoint import EXPERTS, Endpoint
from moat.api.rooms import Later
from moat.api.services import Services
from moat.domain.calls import Call, Caller
from moat.domain.environments import PLAYGROUND
from moat.domain.errors import NotFound, RequestError
from moat.domain.keys import Key
from moat.domain.releases import PromptRef, PromptVersion
from moat.domain.spans import Span
from moat.domain.usage import Usage
from moat.evals.rerun import Question, Reply, Unusable, call_of, question, question_as_sent, reply_to
from moat.gateway.drafts import draft_pipeline

PATIENCE_NS = 120 * 10**9
"""How long whoever asks waits for the whole answer."""
AT_ONCE = 4
"""Replays of one person that are under way at the same time."""


class ReplayOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recorded call, and what is to answer it now: one of the last three, or none of them for what it was sent to."""

    request_id: str
    model: str = ""
    """Alias: every message and parameter as they were sent."""
    release: str = ""
    """Id of a release of the same prompt."""
    version: str = ""
    """Of the same prompt."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """Both answers. Durations are nanoseconds, money picodollars."""

    request_id: str
    """Of the call that was made now ..."""
    trace_id: str
    """... and its trace."""
    target: str
    """What answered: `name@version`, or the alias."""
    model: str
    """The deployment that answered, `provider/model`; empty when a cache or a guard did."""
    usage: Usage
    first: Reply
    """What was recorded."""
    answer: Reply
    """What came now."""


def replay(request: Request, services: Services) -> Later:
    """Ask a recorded call again, of another model, release or version, through the pipeline of production."""
    order: ReplayOrder = request.state.body
    if sum(map(bool, (order.model, order.release, order.version))) > 1:
        raise RequestError("give one of `model`, `release` and `version`", where="$")
    span = _recorded(services, order.request_id)
    target = _target(services, span, order)
    serving = services.live.serving
    asked = _question(services, span, order, target)
    call = msgspec.structs.replace(
        call_of(asked, target, _caller(request.state.key)), patience_ns=PATIENCE_NS, cache="off"
    )
    run = serving.run if target is None else draft_pipeline(serving, target)

    async def answered() -> Replayed:
        answer, failure = await reply_to(call, run)
        if failure is not None:
            raise failure
        return _replayed(call, target, asked.old, answer)

    return Later(answered)


def _recorded(services: Services, request_id: str) -> Span:
    for span in services.traces.trace(request_id):
        if span.kind == "call" and span.request_id == request_id:
            return span
    raise NotFound(f"no call {request_id!r} is recorded", remedy="`GET /api/v1/calls` lists them by `request_id`.")


def _target(services: Services, span: Span, order: ReplayOrder) -> PromptVersion | None:
    """The version that is to answer; None: what was sent goes out as it is."""
    if not order.release and not order.version:
        return None
    if not span.prompt:
        raise RequestError("the call was made without a prompt, so that none can take its place", where="$.request_id")
    if order.version:
        return services.live.serving.prompts.resolve(PromptRef(name=span.prompt, version=order.version), "").prompt
    found = services.releases.get(order.release).content
    if found.name != span.prompt:
        raise RequestError(f"{order.release} is of {found.name}, and the call of {span.prompt}", where="$.release")
    return found


def _question(services: Services, span: Span, order: ReplayOrder, target: PromptVersion | None) -> Question:
    try:
        if target is None:
            return question_as_sent(span, order.model)
        return question(span, _answered(services, span), services.renderer)
    except Unusable as reason:
        raise RequestError(f"the call cannot be asked again: {reason}", where="$.request_id") from None


def _answered(services: Services, span: Span) -> PromptVersion:
    """The version that answered then, as it was."""
    if span.release:
        return services.releases.get(span.release).content
    return services.live.serving.prompts.resolve(PromptRef(name=span.prompt, version=span.version), "").prompt


def _caller(key: Key) -> Caller:
    """Tries are a person's own, as those of drafts are: nobody's traffic, and within that person's budget."""
    return Caller(
        key=key.id,
        feature=PLAYGROUND,
        user=key.actor,
        environment=PLAYGROUND,
        models=key.models,
        tags=key.tags,
        data_class=key.data_class,
    )


def _replayed(call: Call, target: PromptVersion | None, first: Reply, answer: Reply) -> Replayed:
    attempt = call.journal.answering
    return Replayed(
        request_id=call.id,
        trace_id=call.trace.trace_id,
        target=target.id if target is not None else call.model,
        model=str(attempt.deployment) if attempt is not None else "",
        usage=call.journal.usage,
        first=first,
        answer=answer,
    )


ENDPOINTS = (Endpoint("POST", "/api/v1/replays", EXPERTS, replay, Replayed, body=ReplayOrder, at_once=AT_ONCE),)
