"""Prompts over the API: fetch, render, list, register, compare."""

from collections import defaultdict
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moat.api.endpoint import ENGINEERS, EXPERTS, READERS, VIEWERS, Endpoint, json_response
from moat.api.services import Services
from moat.api.waiting import wait
from moat.domain.calls import Message
from moat.domain.errors import MoatError, RequestError
from moat.domain.keys import Key
from moat.domain.lineage import Lineage
from moat.domain.releases import PromptRef, PromptVersion, Registration, digest, prompt_digest
from moat.gateway.admission import check_environment
from moat.gateway.serving import Serving
from moat.ports.prompts import Resolution
from moat.prompts.diff import PromptDiff, diff
from moat.prompts.semver import order
from moat.prompts.submission import read_submission
from moat.prompts.tree import PROMPTS, entries


class SplitArm(msgspec.Struct, frozen=True, kw_only=True):
    """One arm of a split, whole."""

    name: str
    weight: float
    release: str
    digest: str
    prompt: PromptVersion


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """All that a client needs to choose an arm itself, as `moat.domain.releases.choose` does."""

    experiment: str
    salt: str
    arms: tuple[SplitArm, ...]


class ServedPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt as an application renders it itself."""

    prompt: PromptVersion
    release: str | None
    environment: str
    digest: str
    arm: str = ""
    experiment: str = ""
    split: Split | None = None
    """What the environment's users are divided into; None when all get the same."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version is served."""

    environment: str
    version: str
    release: str
    arm: str
    weight: float


class ListedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A registered version."""

    version: str
    digest: str
    releasable: bool
    """Is its file in the project, or was it registered over the API? Others wait on branches until they are merged."""
    branches: tuple[str, ...]
    """Of one that cannot be released: where it waits. None when it was on a branch that is gone."""


class ListedPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt, its versions in ascending order, and where they are served."""

    name: str
    versions: tuple[ListedVersion, ...]
    served: tuple[Place, ...]


class NewPrompt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version to be registered."""

    name: str
    version: str
    prompt: dict[str, Any]
    """What its file would hold."""


class RenderOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to render."""

    version: str = ""
    environment: str = ""
    variables: dict[str, Any] = {}
    user: str = ""
    """Picks the arm of a split."""


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt with its variables filled in, ready for the chat API."""

    messages: list[Message]
    model: str
    params: dict[str, Any]
    tools: tuple[dict[str, Any], ...]
    version: str
    digest: str
    release: str | None
    arm: str
    experiment: str


def get_prompt(request: Request, services: Services) -> Response:
    """The prompt an environment serves, or an exact version."""
    query = request.query_params
    environment, user = query.get("environment", ""), query.get("user", "")
    serving = services.live.serving
    found = _resolve(serving, request, query.get("version", ""), environment, user)
    answer = ServedPrompt(
        prompt=found.prompt,
        release=found.release.id if found.release else None,
        environment=environment,
        digest=_digest(found),
        arm=found.arm,
        experiment=found.experiment,
        split=_split(serving, found.prompt.name, environment, found.experiment) if environment else None,
    )
    # Without a user the arm is drawn anew each time, and whoever knows the split needs no other draw.
    identity = (answer.split, user) if answer.split else answer
    etag = f'"{digest(identity)}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"etag": etag})
    return json_response(answer, etag=etag)


def list_prompts(request: Request, services: Services) -> list[ListedPrompt]:
    """All prompts with their versions, and where these are served."""
    versions: dict[str, list[ListedVersion]] = defaultdict(list)
    files = {(entry.name, entry.version) for entry in entries(services.root, PROMPTS)}
    for reference, known in services.registry.digests().items():
        name, _, version = reference.rpartition("@")
        # What has no file is rare, and only of that the registry is asked more.
        elsewhere = None if (name, version) in files else services.registry.get(name, version)
        waits = elsewhere is not None and elsewhere.source == "git"
        versions[name].append(
            ListedVersion(
                version=version,
                digest=known,
                releasable=not waits,
                branches=elsewhere.branches if elsewhere is not None and waits else (),
            )
        )
    places = _places(services.live.serving)
    return [
        ListedPrompt(
            name=name,
            versions=tuple(sorted(versions[name], key=lambda listed: order(listed.version))),
            served=tuple(places[name]),
        )
        for name in sorted(versions.keys() | places.keys())
    ]


def list_versions(request: Request, services: Services) -> list[Registration]:
    """A prompt's versions: their content, and the commits, authors and branches they come from."""
    return services.registry.list(request.path_params["name"])


def register_prompt(request: Request, services: Services) -> Response:
    """Register a version; the same content again is no change."""
    body: NewPrompt = request.state.body
    models = frozenset(services.live.serving.aliases)
    prompt = read_submission(services.root, body.name, body.version, body.prompt, models=models)
    registered = services.registry.register(prompt, request.state.key.actor)
    wanted = prompt_digest(prompt)

    def holds(serving: Serving) -> bool:
        try:
            found = serving.prompts.resolve(PromptRef(name=prompt.name, version=prompt.version), "")
        except MoatError:
            return False
        return prompt_digest(found.prompt) == wanted

    status = 201 if registered.is_new else 200
    return json_response(registered.registration, status if wait(services.live, holds) else 202)


def render_prompt(request: Request, services: Services) -> Rendered:
    """The messages of a prompt, with its variables filled in."""
    body: RenderOrder = request.state.body
    found = _resolve(services.live.serving, request, body.version, body.environment, body.user)
    return Rendered(
        messages=services.renderer.render(found.prompt, body.variables),
        model=found.prompt.model,
        params=found.prompt.params,
        tools=found.prompt.tool_definitions,
        version=found.prompt.version,
        digest=_digest(found),
        release=found.release.id if found.release else None,
        arm=found.arm,
        experiment=found.experiment,
    )


def compare_versions(request: Request, services: Services) -> PromptDiff:
    """What is different between two versions of a prompt."""
    name = request.path_params["name"]
    before, after = (_required(request, side) for side in ("from", "to"))
    return diff(services.registry.get(name, before).content, services.registry.get(name, after).content)


def get_lineage(request: Request, services: Services) -> Lineage:
    """Where a prompt's versions come from, how they did, and who was served with them."""
    return services.lineage(request.path_params["name"], request.query_params.get("version", ""))


def _resolve(serving: Serving, request: Request, version: str, environment: str, user: str) -> Resolution:
    if bool(environment) == bool(version):
        raise RequestError("give one of `environment` and `version`", where="environment")
    key: Key = request.state.key
    check_environment(key, environment)
    ref = PromptRef(
        name=request.path_params["name"],
        version=version,
        environment=environment or key.environment,
        released_only=bool(key.environment),
    )
    return serving.prompts.resolve(ref, key.user or user)


def _split(serving: Serving, name: str, environment: str, experiment: str) -> Split | None:
    assignment = serving.assignments.get((environment, name))
    shares = [arm for arm in assignment.arms if arm.weight > 0] if assignment else []
    if assignment is None or len(shares) < 2:
        return None
    arms = []
    for arm in shares:
        found = serving.prompts.resolve(PromptRef(name=name, environment=environment, release=arm.release), "")
        arms.append(
            SplitArm(name=arm.name, weight=arm.weight, release=arm.release, digest=_digest(found), prompt=found.prompt)
        )
    return Split(experiment=experiment, salt=assignment.salt, arms=tuple(arms))


def _places(serving: Serving) -> dict[str, list[Place]]:
    places: dict[str, list[Place]] = defaultdict(list)
    for (environment, name), assignment in sorted(serving.assignments.items()):
        for arm in assignment.arms:
            ref = PromptRef(name=name, environment=environment, release=arm.release)
            version = serving.prompts.resolve(ref, "").prompt.version
            places[name].append(
                Place(environment=environment, version=version, release=arm.release, arm=arm.name, weight=arm.weight)
            )
    return places


def _digest(found: Resolution) -> str:
    return found.release.prompt_digest if found.release else prompt_digest(found.prompt)


def _required(request: Request, name: str) -> str:
    value = request.query_params.get(name, "")
    if not value:
        raise RequestError("is missing", where=name)
    return value


_SIDES = ("from", "to")

ENDPOINTS = (
    Endpoint("GET", "/api/v1/prompts", VIEWERS, list_prompts, list[ListedPrompt]),
    Endpoint(
        *("GET", "/api/v1/prompts/{name:path}", READERS, get_prompt, ServedPrompt),
        query=("environment", "version", "user"),
        statuses=(200, 304),
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("POST", "/api/v1/prompts", ENGINEERS, register_prompt, Registration),
        body=NewPrompt,
        statuses=(201, 200, 202),
    ),
    Endpoint(
        *("POST", "/api/v1/render/{name:path}", ("app", *EXPERTS), render_prompt, Rendered),
        body=RenderOrder,
        honours=("environment", "tenant"),
    ),
    Endpoint("GET", "/api/v1/versions/{name:path}", VIEWERS, list_versions, list[Registration]),
    Endpoint("GET", "/api/v1/diff/{name:path}", VIEWERS, compare_versions, PromptDiff, query=_SIDES, needs=_SIDES),
    Endpoint("GET", "/api/v1/lineage/{name:path}", VIEWERS, get_lineage, Lineage, query=("version",)),
)
