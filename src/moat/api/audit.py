"""The audit log: who did what, and whether the log is whole."""

import msgspec
from starlette.requests import Request

from moat.api.endpoint import ADMINS, Endpoint
from moat.api.records import limit_of
from moat.api.services import Services
from moat.domain.audit import AuditQuery, Found, Verification
from moat.domain.errors import NotFound, RequestError

FILTER = AuditQuery.__struct_fields__


def list_entries(request: Request, services: Services) -> list[Found]:
    """Entries that match, newest first; `before` the number of the last one goes on."""
    fields = {name: value for name, value in request.query_params.items() if name in FILTER}
    try:
        query = msgspec.convert(fields, AuditQuery, strict=False)
    except msgspec.ValidationError as error:
        raise RequestError(str(error), where="query") from None
    return services.audit.entries(query, limit_of(request))


def get_entry(request: Request, services: Services) -> Found:
    """One entry with its content, unless that was erased."""
    text = request.path_params["sequence"]
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise NotFound(f"the audit log has no entry {text[:100]!r}", where="sequence")
    return services.audit.entry(int(text))


def get_verification(request: Request, services: Services) -> Verification:
    """Is the log whole? Recomputes every digest, and compares the anchors that the server keeps."""
    return services.verify()


ENDPOINTS = (
    Endpoint("GET", "/api/v1/audit", ADMINS, list_entries, list[Found], query=(*FILTER, "limit")),
    Endpoint("GET", "/api/v1/audit/verification", ADMINS, get_verification, Verification),
    Endpoint("GET", "/api/v1/audit/{sequence}", ADMINS, get_entry, Found),
)
