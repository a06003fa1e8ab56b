"""What the server and the process that runs evals of drafts say to each other: JSON, one message a line."""

from typing import Literal

import msgspec

from moat.domain.errors import (
    AccessError,
    ConfigError,
    ConflictError,
    DatasetError,
    DocumentError,
    LimitExceeded,
    MoatError,
    NoPrice,
    NotFound,
    PromptError,
    RequestError,
    StorageError,
    Unavailable,
)
from moat.domain.scores import Run
from moat.ports.drafts import DraftScore, EvalWish

_ERRORS: dict[str, type[MoatError]] = {
    error.code: error
    for error in (
        *(AccessError, ConfigError, ConflictError, DatasetError, DocumentError, LimitExceeded),
        *(NoPrice, NotFound, PromptError, RequestError, StorageError),
    )
}


class DraftOrder(msgspec.Struct, frozen=True):
    """To the process, its first line. When its input ends, so shall the run."""

    root: str
    wish: EvalWish
    person: str
    budget: int
    """Picodollars."""


class Message(msgspec.Struct, frozen=True, tag=True):
    """From the process."""


class Began(Message, frozen=True):
    """The run, as stored before its next question: no other process works on it, or it is finished."""

    run: Run


class Went(Message, frozen=True):
    """How far it is."""

    done: int
    total: int
    errors: int
    spent: int
    scores: tuple[DraftScore, ...]


class Ended(Message, frozen=True):
    """It goes no further; as stored."""

    run: Run
    scores: tuple[DraftScore, ...] = ()
    baseline: str = ""
    verdict: Literal["", "pass", "regressed", "inconclusive"] = ""
    summary: str = ""


class Failed(Message, frozen=True):
    """Why it could not begin, or go on."""

    code: str
    what: str
    where: str
    remedy: str
    status: int

    @classmethod
    def of(cls, error: MoatError) -> "Failed":
        """To be raised on the other side."""
        return cls(error.code, error.what, error.where, error.remedy, error.status)

    @property
    def error(self) -> MoatError:
        """The same error, or `Unavailable` for a kind that says nothing to who asked."""
        error = _ERRORS.get(self.code, Unavailable)(self.what, where=self.where, remedy=self.remedy)
        if self.code in _ERRORS:
            error.status = self.status
        return error


Said = Began | Went | Ended | Failed
