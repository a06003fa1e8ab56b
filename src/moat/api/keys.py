"""Virtual keys: made, changed, rotated and revoked by keys that may, within what these may themselves."""

import time
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moat.api.endpoint import ADMINS, Endpoint, json_response
from moat.api.services import Services
from moat.api.waiting import refreshed
from moat.domain.calls import new_id
from moat.domain.errors import NotFound, RequestError
from moat.domain.keys import (
    MAX_OVERLAP_NS,
    Key,
    KeyFields,
    KeyView,
    changed,
    descendants,
    hash_secret,
    new_key,
    new_secret,
    rotated,
    sees,
)


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A key and its new secret, which is shown this once."""

    key: KeyView
    secret: str


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a key changes its secret."""

    overlap: Annotated[float, msgspec.Meta(ge=0, le=MAX_OVERLAP_NS / 1e9)]
    """Seconds for which the old secret is taken too."""


def list_keys(request: Request, services: Services) -> list[KeyView]:
    """Keys, revoked ones too, oldest first; never their secrets, which are not stored."""
    return [_view(key) for key in _visible(request, services)]


def get_key(request: Request, services: Services) -> KeyView:
    """One key."""
    return _view(_find(request, services))


def create_key(request: Request, services: Services) -> Response:
    """Make a key that may do what its maker may, or less."""
    fields: KeyFields = request.state.body
    if not fields.given.get("name"):
        raise RequestError("is missing", where="name", remedy="Say what the key is for.")
    secret = new_secret()
    key = new_key(fields, id=new_id("key"), hash=hash_secret(secret), now_ns=time.time_ns(), maker=request.state.key)
    _check(fields, services)
    services.keys.add(key, actor=request.state.key.actor)
    return _answer(Secret(key=_view(key), secret=secret), services, 201)


def update_key(request: Request, services: Services) -> Response:
    """Change what a key may do or says of its calls; its secret stays."""
    fields: KeyFields = request.state.body
    if not fields.given:
        raise RequestError("nothing to change", where="$")
    found = _find(request, services)

    def change(key: Key) -> Key:
        after = changed(key, fields, request.state.key)
        _check(fields, services)
        return after

    return _answer(_view(services.keys.change(found.id, change, actor=request.state.key.actor)), services)


def rotate_key(request: Request, services: Services) -> Response:
    """Give a key a new secret; id, limits and history stay."""
    rotation: Rotation = request.state.body
    found, secret = _find(request, services), new_secret()

    def rotate(key: Key) -> Key:
        overlap_ns = round(rotation.overlap * 1e9)
        hashed, now_ns = hash_secret(secret), time.time_ns()
        return rotated(key, hash=hashed, now_ns=now_ns, overlap_ns=overlap_ns, maker=request.state.key)

    key = services.keys.change(found.id, rotate, actor=request.state.key.actor, action="key.rotate")
    return _answer(Secret(key=_view(key), secret=secret), services, 201)


def revoke_key(request: Request, services: Services) -> Response:
    """Revoke a key, and with `children=true` the keys that it has made."""
    children = request.query_params.get("children", "false")
    if children not in ("true", "false"):
        raise RequestError("must be true or false", where="children")
    found = _find(request, services)
    actor = request.state.key.actor
    services.keys.revoke(found.id, time.time_ns(), actor=actor)
    for key in descendants(_visible(request, services), found.id) if children == "true" else ():
        services.keys.revoke(key.id, time.time_ns(), actor=actor)
    return _answer(_view(_find(request, services)), services)


def _visible(request: Request, services: Services) -> list[Key]:
    stored = services.keys.keys()
    return [key for key in stored if sees(request.state.key, key)]


def _find(request: Request, services: Services) -> Key:
    """The key that the path names. Raises `NotFound`, to a bound key in words that tell nothing."""
    maker: Key = request.state.key
    wanted = request.path_params["id"]
    for key in _visible(request, services):
        if key.id == wanted:
            return key
    if maker.tenant or maker.environment:
        raise NotFound.for_this_key()
    raise NotFound(f"no key {wanted!r}", remedy="`GET /api/v1/keys` lists the keys there are.")


def _check(fields: KeyFields, services: Services) -> None:
    """A key for something that is not there would never work. Asked last: what there is, is not for every maker."""
    serving, given = services.live.serving, fields.given
    wanted = given.get("environment")
    if wanted and wanted not in serving.environments:
        raise NotFound(f"moat.yaml defines no environment {wanted!r}", where="environment")
    for alias in given.get("models", ()):
        if alias not in serving.aliases:
            raise NotFound(f"moat.yaml defines no model {alias!r}", where="models")


def _view(key: Key) -> KeyView:
    return KeyView.of(key, time.time_ns())


def _answer(answer: KeyView | Secret, services: Services, status: int = 200) -> Response:
    """Sent when this server knows the keys as they are; 202 when that takes it long."""
    return json_response(answer, status if refreshed(services.live) else 202, **{"cache-control": "no-store"})


ENDPOINTS = (
    Endpoint("GET", "/api/v1/keys", ADMINS, list_keys, list[KeyView], honours=("environment", "tenant")),
    Endpoint(
        *("POST", "/api/v1/keys", ADMINS, create_key, Secret),
        body=KeyFields,
        statuses=(201, 202),
        honours=("environment", "tenant"),
    ),
    Endpoint("GET", "/api/v1/keys/{id}", ADMINS, get_key, KeyView, honours=("environment", "tenant")),
    Endpoint(
        *("PATCH", "/api/v1/keys/{id}", ADMINS, update_key, KeyView),
        body=KeyFields,
        statuses=(200, 202),
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("DELETE", "/api/v1/keys/{id}", ADMINS, revoke_key, KeyView),
        query=("children",),
        statuses=(200, 202),
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("POST", "/api/v1/keys/{id}/rotate", ADMINS, rotate_key, Secret),
        body=Rotation,
        statuses=(201, 202),
        honours=("environment", "tenant"),
    ),
)
