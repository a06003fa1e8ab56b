"""Prompt drift: does what is served still stand in git as it was published, and does it rest on what it rested on?

Pure: whoever calls reads the files, asks git and the store. The kinds:

| kind | what is served |
|---|---|
| `not-in-files` | has no file |
| `broken-file` | has a file that cannot be read |
| `edited` | differs from its file |
| `not-committed` | is in no commit |
| `not-locked` | was never published in prompts.lock |
| `locked-otherwise` | was published in prompts.lock with another content |
| `never-evaluated` | was released without any finished eval run |
| `verdict-missing` | lacks the verdict `pass` of a suite that its environment requires |
| `overridden` | was released against the environment's rules |
| `model-changed` | names a model alias that meant other deployments when it was released |
| `policy-changed` | was released under other guard policies than are in force now |
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import msgspec

from moat.domain.errors import InputError, NotFound
from moat.domain.policies import PolicyConfig, about
from moat.domain.releases import Assignment, Release, prompt_digest
from moat.prompts.catalog import Catalog
from moat.prompts.lock import LOCK

DriftKind = Literal[
    "not-in-files",
    "broken-file",
    "edited",
    "not-committed",
    "not-locked",
    "locked-otherwise",
    "never-evaluated",
    "verdict-missing",
    "overridden",
    "model-changed",
    "policy-changed",
]
KINDS: tuple[DriftKind, ...] = get_args(DriftKind)


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which what an environment serves has left its ground."""

    environment: str
    prompt: str
    version: str
    release: str
    kind: DriftKind
    message: str
    remedy: str


class Ground(NamedTuple):
    """What the served releases are compared with."""

    catalog: Catalog
    lock: Mapping[str, str]
    """Digest of each published version by `name@version`."""
    committed: frozenset[str] | None
    """Files that are as git's HEAD has them, relative to the root; None where there is no git to ask."""
    models: Mapping[str, tuple[str, ...]]
    """`provider/model` of everything behind each alias."""
    required: Mapping[str, Sequence[str]] = {}
    """Suites by environment, of all its prompts."""
    suites: Mapping[str, str] = {}
    """The prompt that each suite is about; one that is not here counts as about any."""
    policies: Sequence[PolicyConfig] = ()


def drifts(current: Iterable[Assignment], releases: Mapping[str, Release], ground: Ground) -> list[Drift]:
    """All drift of what is assigned, arms without a share and shadows included, by environment and prompt.

    A release that `releases` lacks is passed over: the store says that on its own.
    """
    found: list[Drift] = []
    for assignment in sorted(current, key=lambda a: (a.environment, a.prompt)):
        for release in dict.fromkeys(assignment.releases):
            if release in releases:
                found += _of(assignment, releases[release], ground)
    return found


def _of(assignment: Assignment, release: Release, ground: Ground) -> Iterator[Drift]:
    said = (*_in_files(release, ground), *_in_lock(release, ground.lock), *_tested(assignment, release, ground))
    for kind, message, remedy in (*said, *_model(release, ground.models), *_policies(release, ground.policies)):
        yield Drift(
            environment=assignment.environment,
            prompt=release.prompt,
            version=release.version,
            release=release.id,
            kind=kind,
            message=message,
            remedy=remedy,
        )


_Said = tuple[DriftKind, str, str]


def _in_files(release: Release, ground: Ground) -> Iterator[_Said]:
    """Against the file, and the commit that holds the content."""
    same = False
    restore = (
        f"Restore it{f' from commit {release.commit[:10]}' if release.commit else ''}, or release another version."
    )
    try:
        file = ground.catalog.file(release.prompt, release.version)
    except NotFound:
        yield "not-in-files", "no file holds what is served", restore
    except InputError as error:
        yield "broken-file", f"its file cannot be read: {error}", "`moat lint` says more."
    else:
        same = prompt_digest(file.prompt) == release.prompt_digest
        if not same:
            yield "edited", f"{file.path} says something else than what is served", f"{restore} Edits need a new one."
    if ground.committed is None:
        return
    if same:
        dirty = [path for path in file.paths if path not in ground.committed]
        if dirty:
            yield "not-committed", f"{', '.join(dirty)}: not in git's HEAD as it is", "Commit it."
    elif release.dirty or not release.commit:
        yield "not-committed", "it was released from a file that no commit holds", restore


def _in_lock(release: Release, lock: Mapping[str, str]) -> Iterator[_Said]:
    locked = lock.get(release.content.id)
    if locked is None:
        remedy = f"Run `moat prompt publish {release.content.id}`, and commit {LOCK}."
        yield "not-locked", f"{LOCK} does not hold it", remedy
    elif locked != release.prompt_digest:
        yield "locked-otherwise", f"{LOCK} holds another content for it", "Release the version that was published."


def _tested(assignment: Assignment, release: Release, ground: Ground) -> Iterator[_Said]:
    """Eval runs and rules. The rules are about what users see: a shadow needs to meet none."""
    again = f"Run `moat eval run {release.content.id}`, and release it again: the release then rests on the run."
    if not release.evidence:
        yield "never-evaluated", "no eval run stands behind it", again
    if release.id not in {arm.release for arm in assignment.arms}:
        return
    named = ground.required.get(assignment.environment, ())
    required = [suite for suite in named if ground.suites.get(suite, release.prompt) == release.prompt]
    verdicts = {proof.suite: proof.verdict for proof in release.evidence}
    lacking = [f"{suite} says {found or 'nothing'}" for suite in required if (found := verdicts.get(suite)) != "pass"]
    if lacking or (named and not required):
        what = ", ".join(lacking) or f"none of {', '.join(named)} covers it"
        remedy = f"Run `moat gate {release.content.id} --env {assignment.environment}`, and release it again."
        yield "verdict-missing", f"{assignment.environment} requires a verdict: {what}", remedy
    if assignment.overridden and release.id == assignment.arms[0].release:
        broken = "; ".join(assignment.overridden)
        said = f"{assignment.actor} released it against the rules ({assignment.reason}): {broken}"
        yield "overridden", said, "Meet the rules and release it again, or roll back."


def _model(release: Release, models: Mapping[str, tuple[str, ...]]) -> Iterator[_Said]:
    alias, then = release.content.model, release.deployments
    now = models.get(alias, ())
    if then and now != then:
        means = ", ".join(now) or "nothing"
        message = f"the model {alias!r} means {means} now, and meant {', '.join(then)} when it was released"
        yield "model-changed", message, "Evaluate and release it again, or put the alias back in moat.yaml."


def _policies(release: Release, policies: Sequence[PolicyConfig]) -> Iterator[_Said]:
    """Policies hold as their files are: a change since the release holds for it too, and nothing has tested that."""
    now = about(policies, release.prompt, release.content.model)
    if now != release.policies:
        then = ", ".join(release.policies) or "none"
        message = (
            f"the guard policies about it are {', '.join(now) or 'none'} now, and were {then} when it was released"
        )
        yield "policy-changed", message, f"Run `moat eval run {release.content.id}`, and release it again."
