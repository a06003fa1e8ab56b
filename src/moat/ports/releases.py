"""Releases and where they are served."""

from typing import Literal, Protocol

import msgspec

from moat.domain.config import EnvironmentConfig
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
    """Changes to releases, each with its entry in the audit log."""

    def create(self, release: Release, *, actor: str = "") -> Release:
        """Store a manifest; the one stored before when the id exists (its new evidence is added). `actor`: who does,
        when it is not the release's author.
        """
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


class Promotion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a rollout shall go on."""

    prompt: str
    environment: str
    reason: str = ""
    percent: float | None = None
    """A canary's new share, above 0 and below 100; None: the new release serves everybody."""
    arm: str = ""
    """The winner of an A/B experiment."""
    break_glass: bool = False
    """As in `Order`."""


class EnvironmentRules(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment demands of what it shall serve, as moat.yaml has it now."""

    name: str
    rules: EnvironmentConfig
    frozen: str
    """What the window of `freeze` says that is open now, as `is frozen: ...`; empty when none is."""


class Lack(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that keeps a release out of an environment."""

    what: str
    """As what the environment does: `requires ...`, `is frozen: ...`."""
    remedy: str
    """How to meet it."""
    overridable: bool
    """Does breaking the glass help?"""


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """One person's yes to a release in an environment, and whether it counts."""

    actor: str
    created_ns: int
    comment: str
    counts: bool
    """False: they wrote what is new in it, or they release it, or moat.yaml names others as approvers."""


class Clearance(msgspec.Struct, frozen=True, kw_only=True):
    """May an environment serve a release to everybody, and what is missing until then."""

    prompt: str
    version: str
    environment: str
    release: str
    """Id of the release that is meant; of a version: of the one that would be made of it now."""
    served: bool
    """Everybody gets it already: nothing is asked."""
    rollout: bool
    """It is in the rollout that is under way, so that this is about its promotion; else about releasing it."""
    approvals: tuple[Vote, ...]
    """Oldest first."""
    approved: int
    """How many people's yes counts ..."""
    needed: int
    """... and how many the environment requires."""
    missing: tuple[Lack, ...]
    """All that keeps it out; empty: it may."""
    overridden: tuple[str, ...]
    """Rules that were broken to begin the rollout. They are not asked again."""


class ReleaseControl(Protocol):
    """Everything that changes what environments serve. People, the API, a merge and automation come this way.

    `actor` is who acts, for the record; `seen`, the `sequence` of the assignment that they decided about, whose place
    must not have been taken: None when it does not matter. All raise `NotFound`, `ConfigError` for an unknown
    environment, and `ConflictError` when the rules of the environment say no (all missing pieces are named) or somebody
    was faster.
    """

    def rules(self) -> tuple[EnvironmentRules, ...]:
        """What each environment demands, in the order of moat.yaml."""
        ...

    def clearance(self, prompt: str, environment: str, release: str, actor: str) -> Clearance:
        """Would a release, by its id or by a version, be let in if `actor` asked now. Changes nothing.

        Raises as `release` does for a version that is not sound.
        """
        ...

    def release(self, order: Order, actor: str) -> tuple[Release, Assignment]:
        """Make the manifest and serve it as planned."""
        ...

    def approve(self, release_id: str, environment: str, actor: str, comment: str) -> Approval:
        """Say yes to a release."""
        ...

    def roll_back(
        self, prompt: str, environment: str, actor: str, reason: str, *, seen: int | None = None
    ) -> Assignment:
        """Serve what was served before; always allowed. `Assignment.replaces` is where the next one would lead."""
        ...

    def promote(self, promotion: Promotion, actor: str, *, seen: int | None = None) -> Assignment:
        """Give the new release a larger share, or everything, when the rules of the environment are still met."""
        ...

    def pause(self, prompt: str, environment: str, actor: str, reason: str, *, seen: int | None = None) -> Assignment:
        """Hold a rollout as it is: automation leaves it alone."""
        ...

    def resume(self, prompt: str, environment: str, actor: str, reason: str, *, seen: int | None = None) -> Assignment:
        """Let a paused rollout go on."""
        ...

    def abort(self, prompt: str, environment: str, actor: str, reason: str, *, seen: int | None = None) -> Assignment:
        """End a rollout: everybody gets what was served before it began."""
        ...


SyncOutcome = Literal["released", "unchanged", "waiting", "skipped", "refused"]
"""`released`: served from now on. `unchanged`: it was released here before, by whomever. `waiting`: the environment's
rules, or an open rollout, say not yet. `skipped`: something newer is served. `refused`: the version itself is wrong."""


class SyncStep(msgspec.Struct, frozen=True, kw_only=True):
    """What a merge meant for one prompt in one environment."""

    environment: str
    prompt: str
    version: str
    """The newest one at the commit that is no pre-release."""
    outcome: SyncOutcome
    detail: str = ""
    """Why, in words; empty when there is nothing to say."""
    release: str = ""
    """Id of the release that was made."""


class SyncReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a sync did."""

    commit: str
    subject: str
    author: str
    """Of the commit."""
    steps: tuple[SyncStep, ...] = ()
    """By environment and prompt; environments with `auto: never` have none."""
    dry_run: bool = False
    """Nothing was changed: `released` means "would be"."""


class Sync(Protocol):
    """Releases what was merged, as the environments' `auto` says."""

    def sync(self, branch: str) -> SyncReport:
        """Fetch, when a remote is configured, and release what a branch holds now. The same commit again changes
        nothing.

        Raises `NotFound` for an unknown branch, `Unavailable` when the remote cannot be reached: then nothing was
        released, and the next sync makes up for it.
        """
        ...
