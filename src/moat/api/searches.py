"""Searches that have a name: everybody's who works with the project."""

import time
from typing import Annotated

import msgspec
from starlette.requests import Request

from moat.api.endpoint import EXPERTS, VIEWERS, Endpoint
from moat.api.services import Services
from moat.domain.errors import RequestError
from moat.domain.keys import Key
from moat.domain.searches import SavedSearch
from moat.telemetry.query import MAX_LENGTH, parse
from moat.telemetry.saved import NAME, expand


class NewSearch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An expression of the filter language that is to have a name."""

    name: Annotated[str, msgspec.Meta(pattern=rf"^{NAME.pattern}\Z")]
    """`@name` stands for it from now on; what had the name before is replaced."""
    expression: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LENGTH)]


def list_searches(request: Request, services: Services) -> list[SavedSearch]:
    """Saved searches, by name."""
    return services.searches.searches()


def save_search(request: Request, services: Services) -> list[SavedSearch]:
    """Give an expression a name; answers all there are."""
    order: NewSearch = request.state.body
    key: Key = request.state.key
    text = order.expression.strip()
    if not text:
        raise RequestError("an expression is missing", where="$.expression")
    # It may mean other saved searches, not itself.
    others = {one.name: one.expression for one in services.searches.searches()} | {order.name: text}
    parse(expand(text, others, within=(order.name,)))
    made = SavedSearch(name=order.name, expression=text, actor=key.actor, changed_ns=time.time_ns())
    services.searches.save(made)
    return services.searches.searches()


def forget_search(request: Request, services: Services) -> list[SavedSearch]:
    """Delete a saved search; answers those that are left."""
    key: Key = request.state.key
    services.searches.forget(request.path_params["name"], actor=key.actor)
    return services.searches.searches()


ENDPOINTS = (
    Endpoint("GET", "/api/v1/searches", VIEWERS, list_searches, list[SavedSearch]),
    Endpoint("POST", "/api/v1/searches", EXPERTS, save_search, list[SavedSearch], body=NewSearch),
    Endpoint("DELETE", "/api/v1/searches/{name}", EXPERTS, forget_search, list[SavedSearch]),
)
