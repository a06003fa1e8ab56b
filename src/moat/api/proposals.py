"""Changes that people propose: commits on branches of the project's git repository, for others to look at."""

from typing import Annotated

import msgspec
from starlette.requests import Request

from moat.api.endpoint import ENGINEERS, EXPERTS, VIEWERS, Endpoint
from moat.api.services import Services
from moat.domain.errors import AccessError, RequestError
from moat.domain.keys import Key
from moat.ports.drafts import MAX_PARTIALS, Person, Proposal, ProposalFile, Proposed, ProposedFile
from moat.prompts.files import partial_path

MAX_FILES = 50
MAX_MESSAGE = 10_000
CONFIG = "moat.yaml"
"""Of the files that can be proposed the one that says who may spend what, and where models are asked."""


class ProposalOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to propose, and why: some `files`, or a draft: `name`, `version`, `text` and `partials`."""

    message: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_MESSAGE)]
    """Why; the commit's message."""
    title: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """The commit's first line; empty: the message's own."""
    files: Annotated[tuple[ProposedFile, ...], msgspec.Meta(max_length=MAX_FILES)] = ()
    name: str = ""
    version: str = ""
    text: str = ""
    partials: Annotated[dict[str, str], msgspec.Meta(max_length=MAX_PARTIALS)] = {}
    """Text by name: those that are committed with the version."""


def propose(request: Request, services: Services) -> Proposed:
    """Commit a change to a new branch of the project's repository. Nothing that is checked out or served changes."""
    order: ProposalOrder = request.state.body
    key: Key = request.state.key
    if not key.user:
        raise AccessError(
            "only a person can propose, and this key is nobody's", remedy="`moat keys create --user NAME` makes one."
        )
    if bool(order.files) == bool(order.name) or (order.files and order.partials):
        raise RequestError("give either `files`, or `name`, `version`, `text` and `partials`", where="files")
    subject, files = "", order.files
    if order.name:
        path = services.workbench.drafts.path(order.name, order.version)
        subject = f"{order.name}-{order.version}"
        files = (
            ProposedFile(path=path, text=order.text),
            *(ProposedFile(path=partial_path(name), text=text) for name, text in order.partials.items()),
        )
    if key.role not in ENGINEERS and any(file.path == CONFIG for file in files):
        raise AccessError(
            f"a change of {CONFIG} is proposed by engineers and admins, and your role is {key.role}",
            remedy="Ask one of them, or leave the file out.",
        )
    title, message = order.title.strip(), order.message.strip()
    text = f"{title}\n\n{message}" if title and title != message else message
    return services.workbench.proposals.make(files, subject, text, _person(key))


def _person(key: Key) -> Person:
    """An account has its owner's name; a key's own name is what it is for."""
    return Person(key.user if key.hash else key.name or key.user, key.user)


def list_proposals(request: Request, services: Services) -> list[Proposal]:
    """Branches that propose a change, newest first, merged ones included."""
    return services.workbench.proposals.list()


def get_proposal_file(request: Request, services: Services) -> ProposalFile:
    """One of the files that a proposal changes, as its branch has it."""
    query = request.query_params
    return services.workbench.proposals.file(query.get("branch", ""), query.get("path", ""))


ENDPOINTS = (
    Endpoint("GET", "/api/v1/proposals", VIEWERS, list_proposals, list[Proposal], room="outside"),
    Endpoint(
        *("GET", "/api/v1/proposals/file", VIEWERS, get_proposal_file, ProposalFile),
        query=("branch", "path"),
        needs=("branch", "path"),
        room="outside",
    ),
    Endpoint(
        *("POST", "/api/v1/proposals", EXPERTS, propose, Proposed),
        body=ProposalOrder,
        statuses=(201,),
        room="outside",
        at_once=1,
    ),
)
