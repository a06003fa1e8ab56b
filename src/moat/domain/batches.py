"""Files of requests, and batches of them that are answered within a day (https://platform.openai.com/docs/guides/batch)."""

from typing import Literal, NamedTuple

import msgspec

from moat.domain.calls import Caller
from moat.domain.releases import PromptVersion, Release

Purpose = Literal["batch", "batch_output"]
"""`batch`: uploaded to be run. `batch_output`: written by a batch, its errors too."""

BatchStatus = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
"""As OpenAI names them."""

OPEN: tuple[BatchStatus, ...] = ("validating", "in_progress", "finalizing", "cancelling")
"""Something is still to be done for it."""

WINDOW_NS = 24 * 3600 * 10**9
"""The completion window there is."""

BATCH_PRICED = "+batch"
"""How versions of price tables end in records of what a provider's batch API ran, at its own price."""


class Owner(NamedTuple):
    """Whose files and batches: nobody else sees that they exist."""

    name: str
    """`tenant/<name>`, or for a key without a tenant `key/<id>`."""
    environment: str = ""
    """Of a key that is bound to one; empty: all of them."""


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a file besides its bytes."""

    id: str
    owner: str
    environment: str
    purpose: Purpose
    filename: str
    bytes: int
    created_ns: int
    expires_ns: int
    """When it is deleted."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a batch could not be begun, or ended early."""

    code: str
    message: str
    param: str = ""
    line: int = 0
    """Of the input file, counted from 1; 0: the batch as a whole."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a line was asked: what its prompt stood for then is known, whatever is served when its answer comes."""

    alias: str
    release: Release | None = None
    version: PromptVersion | None = None
    """Of a prompt that is not a release's."""
    arm: str = ""
    experiment: str = ""


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider is asked to run. Noted before it is asked: whoever goes on after a process that died knows what
    to look for.
    """

    began_ns: int
    lines: int
    ways: tuple[Way, ...]
    """Names of lines say which of them is theirs."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One batch, as it stands. Times are Unix nanoseconds, 0: not yet, or never."""

    id: str
    owner: str
    environment: str
    caller: Caller
    """Who asked for it; whether the key may still do so is asked anew for each line."""
    endpoint: str
    """Path of the endpoint that answers the lines, such as `/v1/chat/completions`."""
    input_file: str
    output_file: str
    """Answers; it exists for others only when the batch has ended and has any."""
    error_file: str
    """Lines without an answer; likewise."""
    status: BatchStatus
    created_ns: int
    expires_ns: int
    """When what is not answered is given up."""
    keep_ns: int
    """How long its files are kept after its end."""
    in_progress_ns: int = 0
    finalizing_ns: int = 0
    cancelling_ns: int = 0
    ended_ns: int = 0
    total: int = 0
    """Lines."""
    completed: int = 0
    failed: int = 0
    problems: tuple[Problem, ...] = ()
    metadata: dict[str, str] = {}
    deployment: str = ""
    """`provider/model` whose own batch API runs it; empty: the gateway asks line by line."""
    submission: Submission | None = None
    """None: its provider was not asked yet."""
    provider_batch: str = ""
    """Its id there, once it has one."""

    @property
    def open(self) -> bool:
        """Has it not ended?"""
        return self.status in OPEN
