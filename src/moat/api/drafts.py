"""Prompts that are still being written: looked at, linted, rendered, asked, scored. No environment serves any of it."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moat.api.endpoint import ENGINEERS, EXPERTS, VIEWERS, Endpoint, json_response, refuse
from moat.api.event_stream import EventStream
from moat.api.rooms import Later
from moat.api.services import Services
from moat.domain.calls import Call
from moat.domain.errors import AccessError, MoatError
from moat.domain.keys import Key
from moat.domain.releases import PromptRef, PromptVersion
from moat.gateway.admission import DEFAULT_ENVIRONMENT
from moat.gateway.drafts import draft_call, draft_events, draft_pipeline
from moat.gateway.formats import openai_chat
from moat.ports.drafts import (
    Draft,
    DraftEval,
    DraftEvent,
    DraftFailed,
    DraftFailure,
    DraftPreview,
    EvalWish,
    OwnDraftEvals,
    PartialText,
    PromptText,
)
from moat.prompts.problems import Problem

MAX_CASES = 1_000_000


class PreviewOrder(Draft, frozen=True, kw_only=True):
    """A draft, and values for its variables."""

    variables: dict[str, Any] = msgspec.field(default_factory=dict)
    environment: str = DEFAULT_ENVIRONMENT
    """Whose served version the cost is compared with."""


class DraftCall(Draft, frozen=True, kw_only=True):
    """A draft to be answered by a model."""

    variables: dict[str, Any] = msgspec.field(default_factory=dict)
    model: str = ""
    """Alias instead of the draft's own."""


class DraftEvalOrder(Draft, frozen=True, kw_only=True):
    """A draft to be scored by a suite."""

    suite: str
    limit: Annotated[int, msgspec.Meta(ge=0, le=MAX_CASES)] = 0
    """Only so many cases, the first ones; 0: all."""
    model: str = ""
    """Alias instead of the draft's or the suite's own."""
    budget: str = ""
    """US dollars at most, such as "0.50"; empty: all that the person has left today."""
    environment: str = DEFAULT_ENVIRONMENT
    """Whose served version is the baseline."""


def get_prompt_file(request: Request, services: Services) -> PromptText:
    """The file of a version, as it stands."""
    return services.workbench.drafts.file(request.path_params["name"], request.query_params.get("version", ""))


def get_partial_file(request: Request, services: Services) -> PartialText:
    """The file of a partial, as it stands, and the versions that include it."""
    return services.workbench.drafts.partial(request.path_params["name"])


def lint_draft(request: Request, services: Services) -> list[Problem]:
    """What lint finds in a draft; a mistake in its YAML is a finding too."""
    draft: Draft = request.state.body
    return services.workbench.lint(draft)


def preview_draft(request: Request, services: Services) -> DraftPreview:
    """A draft with its variables filled in, and what a call of it costs."""
    order: PreviewOrder = request.state.body
    prompt = services.workbench.drafts.read(order)
    served = _served(services, order.name, order.environment)
    return services.workbench.drafts.preview(prompt, order.variables, served)


def run_draft(request: Request, services: Services) -> Response:
    """A model's answer to a draft, piece by piece, through the pipeline of production."""
    order: DraftCall = request.state.body
    prompt = services.workbench.drafts.read(order)
    call = draft_call(request.state.key, prompt, order.variables, order.model)
    run = draft_pipeline(services.live.serving, prompt)

    async def events() -> AsyncGenerator[DraftEvent, None]:
        async for event in draft_events(run, call):
            yield event

    def refused(error: MoatError) -> Response:
        return refuse(error, services, msgspec.json.encode(_failed(error, call)), call.id)

    return EventStream(events(), lambda error: _failed(error, call), refused)


def start_draft_eval(request: Request, services: Services) -> Later:
    """Score a draft by a suite, in the background and within the person's budget."""
    order: DraftEvalOrder = request.state.body
    wish = EvalWish(**{name: getattr(order, name) for name in order.__struct_fields__})

    async def began() -> Response:
        return json_response(await services.workbench.evals.start(wish, request.state.key), 202)

    return Later(began)


def own_draft_evals(request: Request, services: Services) -> OwnDraftEvals:
    """The eval runs of drafts that who asks has started: the one under way, and those that have ended."""
    return services.workbench.evals.own(request.state.key.actor)


def get_draft_eval(request: Request, services: Services) -> DraftEval:
    """How far an eval run of a draft is, and what it found."""
    return services.workbench.evals.get(request.path_params["id"])


def cancel_draft_eval(request: Request, services: Services) -> Later:
    """End an eval run of a draft, one's own or, for engineers, anybody's; what was answered stays stored."""
    id, key = request.path_params["id"], request.state.key
    evals = services.workbench.evals
    _require_theirs(evals.get(id), key)
    return Later(lambda: evals.cancel(id))


def _require_theirs(run: DraftEval, key: Key) -> None:
    if run.person != key.actor and key.role not in ENGINEERS:
        raise AccessError(
            f"the eval run is {run.person}'s", remedy="They can end it, or somebody with the role engineer."
        )


def _served(services: Services, name: str, environment: str) -> PromptVersion | None:
    serving = services.live.serving
    ref = PromptRef(name=name, environment=environment)
    if (ref.environment, name) not in serving.assignments:
        return None
    return serving.prompts.resolve(ref, "").prompt


def _failed(error: MoatError, call: Call) -> DraftFailed:
    said = msgspec.json.decode(openai_chat.error_body(error))["error"]
    return DraftFailed(error=msgspec.convert(said, DraftFailure), request_id=call.id, trace_id=call.trace.trace_id)


ENDPOINTS = (
    Endpoint(
        *("GET", "/api/v1/files/prompts/{name:path}", VIEWERS, get_prompt_file, PromptText),
        query=("version",),
        needs=("version",),
    ),
    Endpoint("GET", "/api/v1/files/partials/{name:path}", VIEWERS, get_partial_file, PartialText),
    Endpoint(
        *("POST", "/api/v1/drafts/lint", EXPERTS, lint_draft, list[Problem]),
        body=Draft,
        room="tries",
        at_once=1,
    ),
    Endpoint(
        *("POST", "/api/v1/drafts/preview", EXPERTS, preview_draft, DraftPreview),
        body=PreviewOrder,
        room="tries",
        at_once=1,
    ),
    Endpoint(
        *("POST", "/api/v1/drafts/run", EXPERTS, run_draft, DraftEvent),
        body=DraftCall,
        streams=True,
        room="tries",
        at_once=1,
    ),
    Endpoint(
        *("POST", "/api/v1/drafts/evals", EXPERTS, start_draft_eval, DraftEval),
        body=DraftEvalOrder,
        statuses=(202,),
    ),
    Endpoint("GET", "/api/v1/drafts/evals", EXPERTS, own_draft_evals, OwnDraftEvals),
    Endpoint("GET", "/api/v1/drafts/evals/{id}", VIEWERS, get_draft_eval, DraftEval),
    Endpoint("DELETE", "/api/v1/drafts/evals/{id}", EXPERTS, cancel_draft_eval, DraftEval),
)
