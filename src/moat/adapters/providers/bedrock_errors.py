"""Bedrock's exceptions, as Moat's errors.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html#API_runtime_ConverseStream_Errors
"""

from moat.adapters.providers.openai_errors import body_message, error_for
from moat.domain.errors import ProviderDown, ProviderError

STATUSES = {
    "accessdeniedexception": 403,
    "expiredtokenexception": 403,
    "invalidsignatureexception": 403,
    "unrecognizedclientexception": 403,
    "internalserverexception": 500,
    "modelerrorexception": 502,
    "modelnotreadyexception": 429,
    "modelstreamerrorexception": 502,
    "modeltimeoutexception": 408,
    "resourcenotfoundexception": 404,
    "servicequotaexceededexception": 429,
    "serviceunavailableexception": 503,
    "throttlingexception": 429,
    "validationexception": 400,
}
"""What each means, in small letters: HTTP has other statuses for some (424 for a failed model, 400 for a quota)."""


def error_named(name: str, what: str, *, where: str) -> ProviderError:
    """The error that an exception's name means, wherever it came from."""
    status = STATUSES.get(_plain(name))
    if status is None:
        return ProviderDown(what, where=where)
    found = error_for(status, {}, what, where=where)
    found.what = what
    found.args = (what,)
    return found


def error_answered(status: int, headers: dict[str, str], body: bytes, *, where: str) -> ProviderError:
    """The error of a response that is not 200. Its exception is named in `x-amzn-errortype`."""
    name = _plain(headers.get("x-amzn-errortype", ""))
    return error_for(STATUSES.get(name, status), headers, _message(name, body), where=where)


def _message(name: str, body: bytes) -> str:
    words = body_message(body)
    return f"{name}: {words}" if name else words


def _plain(name: str) -> str:
    """Without the namespace and address that may stand around it: `aws#ThrottlingException:http://...`."""
    return name.partition(":")[0].rpartition("#")[2].strip().lower()
