"""What became of a prompt: where each version came from, how it did, who was served with it."""

import msgspec

from moat.domain.releases import Evidence, Strategy
from moat.domain.scores import Run


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that touched a version's file."""

    commit: str
    author: str
    """`Name <email>`."""
    time_ns: int
    subject: str


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """One assignment that had a release of this version among its arms."""

    environment: str
    release: str
    share: float
    """Of the environment's calls, 0 to 1."""
    arm: str
    strategy: Strategy
    actor: str
    reason: str
    since_ns: int
    until_ns: int
    """When the next assignment took its place; 0: it is in force."""


class ReleaseMade(msgspec.Struct, frozen=True, kw_only=True):
    """A release of this version: its origin and what it rests on."""

    id: str
    prompt_digest: str
    commit: str
    dirty: bool
    author: str
    created_ns: int
    evidence: tuple[Evidence, ...]


class VersionLineage(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known about one version of a prompt."""

    version: str
    path: str = ""
    """File, relative to the project; empty when there is none."""
    digest: str = ""
    """Of the file as it is; empty when it is gone or broken."""
    problem: str = ""
    """Why the file cannot be read."""
    proposed: tuple[str, ...] = ()
    """Of one without a file: the branches of proposals that hold it."""
    draft: bool = False
    """Was it evaluated before it was a version, and never became one?"""
    created_by: str = ""
    published: bool = False
    """Its digest stands in prompts.lock."""
    changes: tuple[Change, ...] = ()
    """Newest first."""
    runs: tuple[Run, ...] = ()
    """Eval runs, newest first."""
    releases: tuple[ReleaseMade, ...] = ()
    """Newest first. Different content under the same version gives different releases."""
    servings: tuple[Serving, ...] = ()
    """Newest first."""
    calls: int | None = None
    """Calls in the trace store, those of evals left out; None when it was not asked."""

    @property
    def served_in(self) -> tuple[str, ...]:
        """Environments that send it a share of their calls now, sorted."""
        return tuple(sorted({s.environment for s in self.servings if not s.until_ns and s.share > 0}))


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt's versions in ascending order, each with its past."""

    prompt: str
    versions: tuple[VersionLineage, ...]
