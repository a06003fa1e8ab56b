"""The routes of the management API."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moat.api.endpoint import Endpoint
from moat.api.services import Services
from moat.domain.errors import RequestError
from moat.domain.releases import Assignment, PromptRef, PromptVersion, Release, prompt_digest
from moat.domain.scores import Run
from moat.domain.spans import Span
from moat.gateway.admission import check_environment
from moat.ports.traces import Dimension, TraceFilter, Usages

MAX_ROWS = 1000


class ServedPrompt(msgspec.Struct, frozen=True):
    """A prompt as an application renders it itself."""

    prompt: PromptVersion
    release: str | None
    environment: str
    digest: str


class Status(msgspec.Struct, frozen=True):
    """What the server serves, and what is wrong with the files it would like to serve."""

    models: tuple[str, ...]
    released: tuple[str, ...]
    problems: tuple[str, ...]


def get_prompt(request: Request, services: Services) -> Any:
    """The prompt an environment serves, or an exact version."""
    environment = request.query_params.get("environment", "")
    version = request.query_params.get("version", "")
    if bool(environment) == bool(version):
        raise RequestError("give one of `environment` and `version`", where="environment")
    check_environment(request.state.key, environment)
    bound = request.state.key.environment
    ref = PromptRef(
        name=request.path_params["name"],
        version=version,
        environment=environment or bound,
        released_only=bool(bound),
    )
    found = services.live.serving.prompts.resolve(ref, request.query_params.get("user", ""))
    served = ServedPrompt(
        prompt=found.prompt,
        release=found.release.id if found.release else None,
        environment=environment,
        digest=prompt_digest(found.prompt),
    )
    etag = f'"{served.digest}:{served.release or ""}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"etag": etag})
    return Response(msgspec.json.encode(served), media_type="application/json", headers={"etag": etag})


def get_status(request: Request, services: Services) -> Status:
    """What is served now."""
    serving = services.live.serving
    return Status(serving.aliases, serving.released, serving.problems)


def list_environments(request: Request, services: Services) -> list[Assignment]:
    """What every environment serves, with its rollback pointer."""
    return services.releases.current()


def list_releases(request: Request, services: Services) -> list[Release]:
    """Releases with their evidence, newest first."""
    return services.releases.releases(request.query_params.get("prompt", ""))


def list_runs(request: Request, services: Services) -> list[Run]:
    """Eval runs, newest first."""
    query = request.query_params
    return services.runs.runs(suite=query.get("suite", ""), prompt=query.get("prompt", ""), limit=_limit(request))


def search_traces(request: Request, services: Services) -> list[Span]:
    """Calls that match, newest first, without their content."""
    return services.traces.search(_wanted(request), _limit(request))


def get_trace(request: Request, services: Services) -> list[Span]:
    """All spans of a trace or request, with their content."""
    return services.traces.trace(request.path_params["id"])


def get_usage(request: Request, services: Services) -> list[Usages]:
    """Calls, tokens, money and latency by any dimensions, dearest first."""
    by = [name for name in request.query_params.get("by", "").split(",") if name]
    try:
        dimensions = msgspec.convert(by, list[Dimension])
    except msgspec.ValidationError as error:
        raise RequestError(str(error), where="by") from None
    return services.traces.usages(dimensions, _wanted(request))


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "50")
    if not text.isdecimal() or len(text) > len(str(MAX_ROWS)) or not 1 <= int(text) <= MAX_ROWS:
        raise RequestError(f"must be a number from 1 to {MAX_ROWS}", where="limit")
    return int(text)


def _wanted(request: Request) -> TraceFilter:
    fields = {name: value for name, value in request.query_params.items() if name not in ("limit", "by")}
    try:
        return msgspec.convert(fields, TraceFilter, strict=False)
    except msgspec.ValidationError as error:
        raise RequestError(str(error), where="query") from None


FILTER = TraceFilter.__struct_fields__

ENDPOINTS = (
    Endpoint("GET", "/api/v1/prompts/{name:path}", "app", get_prompt, ServedPrompt, ("environment", "version", "user")),
    Endpoint("GET", "/api/v1/status", "admin", get_status, Status),
    Endpoint("GET", "/api/v1/environments", "admin", list_environments, list[Assignment]),
    Endpoint("GET", "/api/v1/releases", "admin", list_releases, list[Release], ("prompt",)),
    Endpoint("GET", "/api/v1/runs", "admin", list_runs, list[Run], ("suite", "prompt", "limit")),
    Endpoint("GET", "/api/v1/traces", "admin", search_traces, list[Span], (*FILTER, "limit")),
    Endpoint("GET", "/api/v1/traces/{id}", "admin", get_trace, list[Span]),
    Endpoint("GET", "/api/v1/usage", "admin", get_usage, list[Usages], (*FILTER, "by")),
)
