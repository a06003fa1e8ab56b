"""Batches: where they are kept, and providers that run them themselves."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import msgspec

from moat.domain.audit import Act
from moat.domain.batches import Batch, Owner, StoredFile, Submission
from moat.domain.calls import Call, Event, Operation


class Page(NamedTuple):
    """Which part of a list: newest first, unless `ascending`."""

    limit: int = 20
    after: str = ""
    """Id of the last one before it."""
    ascending: bool = False
    purpose: str = ""
    """Only files for this."""


class BatchStore(Protocol):
    """Files and batches, without the files' bytes. What was written survives a killed process.

    Whatever is another owner's raises the same `NotFound` as what does not exist.
    """

    def add_file(self, file: StoredFile) -> None:
        """Store a file that is whole. Raises `ConflictError` when the id exists."""
        ...

    def file(self, id: str, owner: Owner) -> StoredFile:
        """Raises `NotFound`."""
        ...

    def files(self, owner: Owner, page: Page) -> list[StoredFile]:
        """By the time they were made."""
        ...

    def remove_file(self, id: str, owner: Owner, actor: str) -> None:
        """With an entry of the audit log. Raises `NotFound`, and `ConflictError` while an open batch reads it."""
        ...

    def file_ids(self) -> set[str]:
        """Of all owners."""
        ...

    def sweep(self, now_ns: int) -> list[str]:
        """Forget files that have expired, unless an open batch reads them, and batches that ended longer ago than they
        keep their files; ids of the files.
        """
        ...

    def add(self, batch: Batch) -> None:
        """Store a batch. Raises `NotFound` when its input file is gone."""
        ...

    def batch(self, id: str, owner: Owner) -> Batch:
        """Raises `NotFound`."""
        ...

    def batches(self, owner: Owner, page: Page) -> list[Batch]:
        """By the time they were made."""
        ...

    def open_batches(self) -> list[Batch]:
        """Of all owners, oldest first."""
        ...

    def change(
        self, id: str, change: Callable[[Batch], Batch], files: Sequence[StoredFile] = (), act: Act | None = None
    ) -> Batch:
        """Read a batch, change it and store it together with files, and with an entry in the audit log when somebody
        acts; nobody's change comes between. A file whose id is known stays as it is. Raises `NotFound`.
        """
        ...


class ProviderBatch(msgspec.Struct, frozen=True, kw_only=True):
    """How a batch stands at its provider."""

    id: str
    status: Literal["running", "completed", "failed", "expired", "cancelled"]
    files: tuple[str, ...] = ()
    """What to read for its results, in the provider's terms."""
    message: str = ""
    """Why it failed."""


class BatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one line at its provider."""

    name: str
    """As it was given to `line`."""
    status: int
    """HTTP status; 0: it was never run."""
    body: bytes
    message: str = ""
    """Why it was not run."""


class BatchApi(Protocol):
    """A provider's own batches. Everything that asks it raises a `ProviderError`."""

    @property
    def most_lines(self) -> int:
        """Of one batch."""
        ...

    def takes(self, operation: Operation) -> bool:
        """Can such calls be in a batch?"""
        ...

    def line(self, call: Call, name: str) -> bytes:
        """One request for `call.deployment.model`, ready to be submitted, without a line break. `name` is one of up to
        64 letters, digits, `-` and `_`, and begins with the mark of its batch.
        """
        ...

    async def submit(self, call: Call, lines: bytes, mark: str) -> str:
        """Begin a batch of requests like `call`, a line each; its id. `mark` finds it again."""
        ...

    async def find(self, mark: str, submission: Submission) -> str:
        """Id of the batch that was submitted with this mark; empty when there is none. Raises `ProviderDown` also
        while that cannot be told.
        """
        ...

    async def look(self, id: str) -> ProviderBatch:
        """How it stands."""
        ...

    def results(self, batch: ProviderBatch) -> AsyncGenerator[BatchResult, None]:
        """Of a batch that has ended, in any order; lines that were not run may be missing."""
        ...

    def read(self, call: Call, result: BatchResult) -> tuple[Event, ...]:
        """The answer as `Provider.answer` would have given it. Raises a `ProviderError` for what is none."""
        ...

    async def cancel(self, id: str) -> None:
        """Ask it to stop: what is done by then has results."""
        ...


@runtime_checkable
class Batching(Protocol):
    """A provider that may have batches of its own."""

    @property
    def batches(self) -> BatchApi | None:
        """None when this one has not."""
        ...
