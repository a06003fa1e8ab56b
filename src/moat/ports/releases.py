"""Releases and where they are served."""

from typing import Protocol

from moat.domain.releases import Assignment, Evidence, Release


class ReleaseReader(Protocol):
    """Questions about releases."""

    def get(self, release_id: str) -> Release:
        """Raises `NotFound`."""
        ...

    def releases(self, prompt: str = "") -> list[Release]:
        """All, or those of one prompt; newest first."""
        ...

    def current(self) -> list[Assignment]:
        """The latest assignment of every environment and prompt."""
        ...

    def history(self, prompt: str, environment: str) -> list[Assignment]:
        """All assignments, newest first."""
        ...

    def revision(self) -> int:
        """A number that differs after every committed change by any process, and is cheap to ask."""
        ...


class ReleaseWriter(Protocol):
    """Changes to releases."""

    def create(self, release: Release) -> Release:
        """Store a manifest; the one stored before when the id exists (its new evidence is added)."""
        ...

    def attest(self, release_id: str, evidence: Evidence) -> None:
        """Add an eval run to a release's evidence; for a run and suite that are there, the judgement is updated."""
        ...

    def assign(self, assignment: Assignment) -> None:
        """Append to the history. Raises `ConflictError` when `sequence` is not the latest plus one,
        and `NotFound` for an unknown release.
        """
        ...
