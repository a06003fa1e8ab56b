"""Releases and where they are served."""

from typing import Protocol

import msgspec

from moat.domain.releases import Approval, Arm, Assignment, Evidence, Release, Strategy


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

    def approvals(self, release_id: str, environment: str) -> list[Approval]:
        """Oldest first."""
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

    def approve(self, approval: Approval) -> None:
        """Store a yes; a second one of the same person changes nothing. Raises `NotFound` for an unknown release."""
        ...


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a release is to be introduced."""

    strategy: Strategy = "all"
    percent: float = 0.0
    """Share of the calls that a canary gets, or that is copied to a shadow: above 0, at most 100 (below for a
    canary)."""
    experiment: str = ""
    """Name of an A/B experiment."""
    arms: tuple[Arm, ...] = ()
    """Arms of an A/B experiment by name, `release` being a version or a release id."""


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody wants released."""

    prompt: str
    version: str
    environment: str
    reason: str = ""
    plan: Plan = Plan()
    break_glass: bool = False
    """Release although the environment's rules say no. Needs a reason; what was broken is recorded for good."""


class ReleaseControl(Protocol):
    """Everything that changes what environments serve. People, the API, a merge and automation come this way.

    `actor` is who acts, for the record. All raise `NotFound`, `ConfigError` for an unknown environment, and
    `ConflictError` when the rules of the environment say no (all missing pieces are named) or somebody was faster.
    """

    def release(self, order: Order, actor: str) -> tuple[Release, Assignment]:
        """Make the manifest and serve it as planned."""
        ...

    def approve(self, release_id: str, environment: str, actor: str, comment: str) -> Approval:
        """Say yes to a release."""
        ...

    def roll_back(self, prompt: str, environment: str, actor: str, reason: str) -> Assignment:
        """Serve what was served before; always allowed. `Assignment.replaces` is where the next one would lead."""
        ...

    def promote(self, prompt: str, environment: str, actor: str, *, reason: str, percent: float | None) -> Assignment:
        """Give the new release this share, or everything."""
        ...

    def pause(self, prompt: str, environment: str, actor: str, reason: str) -> Assignment:
        """Hold a rollout as it is: automation leaves it alone."""
        ...

    def resume(self, prompt: str, environment: str, actor: str, reason: str) -> Assignment:
        """Let a paused rollout go on."""
        ...

    def abort(self, prompt: str, environment: str, actor: str, reason: str) -> Assignment:
        """End a rollout: everybody gets what was served before it began."""
        ...
