"""Changes that people propose: commits on branches of the project's git repository, for others to look at."""

from typing import Annotated

import msgspec
from starlette.requests import Request

from moat.api.endpoint import EXPERTS, VIEWERS, Endpoint
from moat.api.services import Services
from moat.domain.errors import AccessError, RequestError
from moat.domain.keys import Key
from moat.ports.drafts import Person, Proposal, Proposed, ProposedFile

MAX_FILES = 50
MAX_MESSAGE = 10_000


class ProposalOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to propose, and why: some `files`, or one version of a prompt by `name`, `version` and `text`."""

    message: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_MESSAGE)]
    """Why; the commit's message."""
    title: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """The commit's first line; empty: the message's own."""
    files: Annotated[tuple[ProposedFile, ...], msgspec.Meta(max_length=MAX_FILES)] = ()
    name: str = ""
    version: str = ""
    text: str = ""


def propose(request: Request, services: Services) -> Proposed:
    """Commit a change to a new branch of the project's repository. Nothing that is checked out or served changes."""
    order: ProposalOrder = request.state.body
    key: Key = request.state.key
    if not key.user:
        raise AccessError(
            "only a person can propose, and this key is nobody's", remedy="`moat keys create --user NAME` makes one."
        )
    if bool(order.files) == bool(order.name):
        raise RequestError("give either `files`, or `name`, `version` and `text`", where="files")
    subject, files = "", order.files
    if order.name:
        path = services.workbench.drafts.path(order.name, order.version)
        subject, files = f"{order.name}-{order.version}", (ProposedFile(path=path, text=order.text),)
    title, message = order.title.strip(), order.message.strip()
    text = f"{title}\n\n{message}" if title and title != message else message
    return services.workbench.proposals.make(files, subject, text, _person(key))


def _person(key: Key) -> Person:
    """An account has its owner's name; a key's own name is what it is for."""
    return Person(key.user if key.hash else key.name or key.user, key.user)


def list_proposals(request: Request, services: Services) -> list[Proposal]:
    """Branches that propose a change, newest first, merged ones included."""
    return services.workbench.proposals.list()


ENDPOINTS = (
    Endpoint("GET", "/api/v1/proposals", VIEWERS, list_proposals, list[Proposal]),
    Endpoint(
        *("POST", "/api/v1/proposals", EXPERTS, propose, Proposed),
        body=ProposalOrder,
        statuses=(201,),
    ),
)
