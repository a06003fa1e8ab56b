"""Every error Moat raises on purpose.

Each says what happened, where (file:line, JSON path or parameter) and what to do about it.

    MoatError
    ├── InputError                  the caller's words are off                400, exit 65
    │   ├── ConfigError             moat.yaml, or the environment it names         exit 78
    │   ├── DocumentError           a file is not what it should be (YAML, JSONL, schema)
    │   ├── PromptError             template, variables, versions
    │   ├── DatasetError            cases of a suite
    │   └── RequestError            an API request
    ├── NotFound                    no such prompt, version, model, release…  404, exit 66
    ├── AccessError                 who are you, or: not yours                401 / 403, exit 77
    │   └── CrossSite               another site may have sent it             403
    ├── ConflictError               somebody else was first; exists already   409, exit 75
    ├── LimitExceeded               a rate limit or budget is used up         429, exit 75
    ├── GuardBlocked                a policy does not let it through          400, exit 77
    │   └── ApprovalRequired        a person has to allow that tool call first    403
    │       └── ApprovalDenied      a person did not allow it                 403
    ├── ProviderError               a try at a model failed                   502, exit 69
    │   ├── ProviderRefused         the provider said no to this request      its 4xx
    │   │   └── ContextOverflow     too long for the model                    400
    │   ├── Unsupported             the provider does not offer this operation    400
    │   │   └── NoPrice             a money budget applies, the price is not known    400
    │   ├── AddressRefused          its name leads where no connection may go     502
    │   ├── SecretWithheld          its credentials belong to another host        502
    │   ├── DataRefused             data of this class may not go there       403
    │   ├── CircuitOpen             it failed too often, and is left alone    503
    │   ├── ProviderOverloaded      429 or 529: try later                     429
    │   ├── ProviderDown            refused connection, 5xx, broken answer    502
    │   ├── ProviderTimeout         no first token, or silence, or deadline   504
    │   └── StreamCut               the stream ended without its end mark     502
    ├── DeadlinePassed              the alias's deadline, over all tries    504, exit 69
    ├── ReplayMiss                  the recording holds no such request       404, exit 66
    ├── StorageError                disk full, database away                  503, exit 74
    ├── Unavailable                 a server cannot be reached or started     503, exit 69
    ├── Overloaded                  too many requests are under way      503, exit 69
    ├── Stopped                     the server ends, or an eval's time is up 503, exit 69
    └── ClientClosed                the caller hung up                        499

Exit codes follow sysexits(3); 0, 1 and 2 are kept for verdicts: pass, regressed or failed, inconclusive.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:  # errors cost nothing to import
    from moat.domain.usage import Usage


class MoatError(Exception):
    """Something Moat can explain: `what` happened, `where`, and the `remedy`."""

    code: ClassVar[str] = "internal_error"
    """Stable machine-readable name, the `code` of API errors."""
    default_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 70

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy
        self.status = self.default_status
        """The HTTP status this error answers with."""
        self.request_id = ""
        """Of the request it ended, as soon as the edge knows it."""

    def __str__(self) -> str:
        """One line: `where: what. remedy`."""
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}. {self.remedy}" if self.remedy else f"{place}{self.what}"


class InputError(MoatError):
    """The caller's words are off."""

    code = "invalid_request"
    default_status = 400
    exit_code = 65


class ConfigError(InputError):
    """moat.yaml, or the environment it refers to, cannot be used."""

    code = "invalid_config"
    exit_code = 78


class DocumentError(InputError):
    """A file does not hold what it should."""

    code = "invalid_document"


class PromptError(InputError):
    """A prompt's template, variables or versions are wrong for what was asked."""

    code = "invalid_prompt"


class DatasetError(InputError):
    """An evaluation's cases cannot be used."""

    code = "invalid_dataset"


class RequestError(InputError):
    """An API request is malformed; `where` is the parameter."""


class NotFound(MoatError):
    """No such thing, or not for this caller."""

    code = "not_found"
    default_status = 404
    exit_code = 66

    @classmethod
    def for_this_key(cls) -> "NotFound":
        """What a key bound to an environment or tenant gets for all that is not its own, there or not: always the
        same words, which tell it nothing.
        """
        return cls("there is no such thing for this key", remedy="Whoever made the key knows what it may use.")


class AccessError(MoatError):
    """The caller is unknown (401) or may not do this (403)."""

    code = "access_denied"
    default_status = 403
    exit_code = 77

    @classmethod
    def unauthenticated(cls, what: str, *, remedy: str = "") -> "AccessError":
        """The same error with status 401: no valid key was shown."""
        error = cls(what, remedy=remedy)
        error.status = 401
        return error


class CrossSite(AccessError):
    """A request that a browser signed with its cookie does not prove that it comes from Moat's own pages."""

    code = "csrf"


class WrongHost(RequestError):
    """A browser has found the server under a name that is not its own."""

    code = "wrong_host"
    default_status = 421


class ConflictError(MoatError):
    """The state changed underneath, or the thing exists already."""

    code = "conflict"
    default_status = 409
    exit_code = 75


class GuardBlocked(MoatError):
    """A guard policy stopped the question or the answer; `where` is the guard. Never quotes what it stopped."""

    code = "content_filter"
    default_status = 400
    exit_code = 77


class ApprovalRequired(GuardBlocked):
    """The model wants a tool called that a person has to allow first; the same request made again then passes once."""

    code = "approval_required"
    default_status = 403
    approvals: Sequence[str] = ()
    """Ids of the questions; none where nobody can be asked."""


class ApprovalDenied(ApprovalRequired):
    """A person did not allow that call of a tool."""

    code = "approval_denied"


class LimitExceeded(MoatError):
    """A rate limit or a budget has no room for this call; `retry_after` when waiting helps."""

    code = "limit_exceeded"
    default_status = 429
    exit_code = 75

    def __init__(self, what: str, *, where: str = "", remedy: str = "", retry_after: float | None = None) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.retry_after = retry_after
        self.limit = ""
        """Name of the limit that is in the way, where it is one."""


class ProviderError(MoatError):
    """A try at a model failed."""

    code = "provider_error"
    default_status = 502
    exit_code = 69
    retryable: ClassVar[bool] = False
    """May another try, here or at a fallback, go better?"""
    retry_after: float | None = None
    """Seconds the provider asked us to wait, when it did."""
    sent: bool = True
    """May the provider have got the request?"""
    worked: bool | None = None
    """Had it begun to answer, so that it bills what it made? None: not as far as is known."""
    used: "Usage | None" = None
    """What it counted of a try that failed all the same, as its last word."""


class ProviderRefused(ProviderError):
    """The provider rejected this request (a 4xx other than 429); its status is passed on."""

    code = "provider_refused"

    def __init__(self, what: str, *, where: str = "", status: int = 400) -> None:
        super().__init__(what, where=where)
        # A provider's 401 is about our credentials, not the caller's: passing it on would blame the caller.
        self.status = 502 if status in (401, 403) else status


class ContextOverflow(ProviderRefused):
    """The conversation is too long for the model."""

    code = "context_length_exceeded"


class Unsupported(ProviderError):
    """The provider has nothing for this operation, or for what the request asks: another deployment may."""

    code = "unsupported_operation"
    default_status = 400


class AddressRefused(ProviderError):
    """A host's address is private, or of a metadata service: not connected to (server-side request forgery)."""

    code = "address_refused"


class SecretWithheld(ProviderError):
    """`moat.yaml` names another host for a provider than its credentials belong to: nothing is sent."""

    code = "secret_withheld"


class NoPrice(Unsupported):
    """A money budget applies and what the model costs is not known, so that the budget could not hold."""

    code = "price_unknown"


class DataRefused(ProviderError):
    """The data-handling policy lets data of this class not go there: another deployment may have it."""

    code = "data_refused"
    default_status = 403
    exit_code = 77
    sent = False
    destinations: Sequence[str] = ()
    classes: Sequence[str] = ()

    @classmethod
    def at(cls, destinations: Sequence[str], classes: Sequence[str]) -> "DataRefused":
        """For data of some classes at some destinations."""
        names, found = list(dict.fromkeys(destinations)), list(dict.fromkeys(classes))
        error = cls(
            f"data of the class {' and '.join(found)} may not go to {', '.join(names)}",
            where="data",
            remedy="Leave it out, or ask a model that may have it; `moat policy explain` shows which.",
        )
        error.destinations, error.classes = names, found
        return error


class CircuitOpen(ProviderError):
    """The deployment failed too often lately, or its quota is used up; it is left alone for a while."""

    code = "circuit_open"
    default_status = 503

    def __init__(self, what: str, *, where: str = "", retry_after: float | None = None, failing: bool = False) -> None:
        super().__init__(what, where=where)
        self.retry_after = retry_after
        self.failing = failing
        """Because it failed; False: its quota is used up."""


class ProviderOverloaded(ProviderError):
    """The provider's limits are reached."""

    code = "provider_overloaded"
    default_status = 429
    retryable = True

    def __init__(self, what: str, *, where: str = "", retry_after: float | None = None) -> None:
        super().__init__(what, where=where)
        self.retry_after = retry_after


class ProviderDown(ProviderError):
    """The provider cannot be reached, or answers with 5xx or nonsense."""

    code = "provider_down"
    retryable = True


class ProviderTimeout(ProviderError):
    """The provider was silent for longer than the limit, or the deadline passed."""

    code = "provider_timeout"
    default_status = 504
    retryable = True


class DeadlinePassed(MoatError):
    """The alias's deadline, over all tries, passed: no other try follows."""

    code = "deadline_passed"
    default_status = 504
    exit_code = 69


class StreamCut(ProviderError):
    """The provider's stream ended without its end mark: the answer is incomplete."""

    code = "stream_cut"
    retryable = True


class ReplayMiss(MoatError):
    """The recording has no answer for this request."""

    code = "replay_miss"
    default_status = 404
    exit_code = 66


class StorageError(MoatError):
    """A record could not be stored, so the call is not acknowledged."""

    code = "storage_unavailable"
    default_status = 503
    exit_code = 74


class Unavailable(MoatError):
    """A server that is needed cannot be reached or started."""

    code = "unavailable"
    default_status = 503
    exit_code = 69


class Overloaded(MoatError):
    """The server has too many requests under way; `retry_after` seconds later there may be room."""

    code = "overloaded"
    default_status = 503
    exit_code = 69

    def __init__(self, what: str, *, where: str = "", remedy: str = "", retry_after: float | None = None) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.retry_after = retry_after


class Stopped(MoatError):
    """Our side gave the call up: the server ends, or the one who asked set a limit."""

    code = "stopped"
    default_status = 503
    exit_code = 69


class ClientClosed(MoatError):
    """The caller hung up before the answer was complete."""

    code = "client_closed"
    default_status = 499
