"""Stored eval runs."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Literal, Protocol

import msgspec

from moat.domain.scores import Judgement, Result, Run, RunStatus, Verdict


class RunsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs, and where to go on; what is empty says nothing."""

    suite: str = ""
    prompt: str = ""
    version: str = ""
    verdict: Verdict | Literal["", "none"] = ""
    """The newest one; `none`: no gate has judged it yet."""
    author: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Text in the name or address of who ran it, whatever the case of its letters from a to z."""
    like: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Id of a run: those that asked the same of the same cases by the same scorers, itself left out."""
    before: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """The `next` of the page before."""


class RunPage(msgspec.Struct, frozen=True, kw_only=True):
    """Runs, newest first."""

    runs: tuple[Run, ...]
    next: str
    """Send it as `before` for the next page; empty: there is none."""


class RunPages(Protocol):
    """All runs, however many, for those who look at them."""

    def page(self, wanted: RunsWanted, limit: int) -> RunPage:
        """Pages that follow each other hold each run once, however many are made meanwhile.

        Raises `RequestError` for a `before` or `like` that is no run's.
        """
        ...


class Runs(Protocol):
    """Eval runs and their results. A result that was added survives a killed process."""

    def start(self, run: Run) -> None:
        """Store a new run."""
        ...

    def alone(self, run_id: str) -> AbstractContextManager[None]:
        """Nobody else works on the run until the block is left, or this process dies.

        Raises `ConflictError` when somebody does. The run need not be stored yet.
        """
        ...

    def add(self, run_id: str, results: Sequence[Result], spent: int = 0) -> None:
        """Store results in one transaction; one that exists already (case and repeat) is left as it was.

        `spent`: picodollars that the run cost by then, in all; what is stored never falls.
        """
        ...

    def finish(
        self, run_id: str, status: RunStatus, finished_ns: int, score: float | None, provider: str, spent: int = 0
    ) -> None:
        """Close a run; one that is `finished` stays as it is. `spent`: as in `add`."""
        ...

    def judge(self, judgement: Judgement) -> None:
        """Append what a gate found; its verdict becomes the run's. Raises `NotFound` for an unknown run."""
        ...

    def judgements(self, run_id: str) -> list[Judgement]:
        """All of a run, newest first."""
        ...

    def get(self, run_id: str) -> Run:
        """By id or unambiguous prefix. Raises `NotFound`."""
        ...

    def results(self, run_id: str) -> list[Result]:
        """All stored results, by case and repeat."""
        ...

    def each(self, run_id: str, cases: Collection[str] | None = None) -> Iterator[Result]:
        """The same one after the other, or those of some cases: memory holds a page of them, however large the run is.

        Raises `StorageError` at one that cannot be read.
        """
        ...

    def scored(self, run_id: str, after: tuple[str, int] | None = None) -> Iterator[Result]:
        """As `each`, without what was said: no output, tool calls, messages or context. Quick for thousands of them.

        `after`: only those behind this case and repeat.
        """
        ...

    def runs(self, *, suite: str = "", prompt: str = "", limit: int = 50) -> list[Run]:
        """Newest first."""
        ...

    def find(self, *, suite_digest: str, dataset_digest: str, prompt_digest: str, model: str) -> list[Run]:
        """Runs of exactly this suite, data and prompt, whatever their status; newest first."""
        ...
