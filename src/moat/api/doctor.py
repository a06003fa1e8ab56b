"""One list of checks over the whole installation."""

from starlette.requests import Request

from moat.api.endpoint import ENGINEERS, Endpoint
from moat.api.records import get_status
from moat.api.rooms import Later
from moat.api.services import Services
from moat.domain.errors import RequestError
from moat.ports.doctor import Checkup


def get_checkup(request: Request, services: Services) -> Later:
    """What was looked at, what was found, and what to do; with `providers` their hosts are asked too."""
    asked = request.query_params.get("providers", "false")
    if asked not in ("true", "false"):
        raise RequestError("must be true or false", where="providers")
    problems = get_status(request, services).problems
    return Later(lambda: services.doctor.examine(providers=asked == "true", problems=problems))


ENDPOINTS = (Endpoint("GET", "/api/v1/doctor", ENGINEERS, get_checkup, Checkup, query=("providers",)),)
