"""Lineage in both directions: files, git, releases, runs and traces brought together for one prompt."""

from collections.abc import Iterable
from itertools import pairwise

from moat.adapters.git.proposing import PROPOSALS
from moat.bootstrap.project import Project
from moat.bootstrap.state import State
from moat.domain.environments import EVALS
from moat.domain.errors import InputError, NotFound
from moat.domain.lineage import Change, Lineage, ReleaseMade, Serving, VersionLineage
from moat.domain.releases import Assignment, Release, prompt_digest
from moat.domain.scores import DRAFT
from moat.ports.traces import TraceFilter, TraceReader
from moat.prompts.files import read_prompt
from moat.prompts.lock import read_lock
from moat.prompts.semver import is_version, order
from moat.prompts.tree import PROMPTS, entries

MAX_RUNS = 10_000


def lineage(project: Project, state: State, name: str, version: str = "", traces: TraceReader | None = None) -> Lineage:
    """The past of a prompt's versions, or of one: also of those whose file is gone.

    Files and git are read as they are now. Raises `NotFound` when nothing is known of the prompt or version.
    """
    paths = {e.version: e.path for e in entries(project.root, PROMPTS) if e.name == name and is_version(e.version)}
    releases = [r for r in state.releases.releases(name) if r.prompt == name]
    runs = state.runs.runs(prompt=name, limit=MAX_RUNS)
    proposed = _proposed(state, name)
    known = {*paths, *proposed, *(r.version for r in releases), *(r.version for r in runs)}
    if not known:
        raise NotFound(f"nothing is known of a prompt {name!r}", remedy="`moat prompt list` shows what there is.")
    if version and version not in known:
        there = ", ".join(sorted(known, key=order))
        raise NotFound(f"nothing is known of a version {version!r} of {name}", remedy=f"There are: {there}.")
    calls = _calls(name, traces)
    servings = _servings(state, name, releases)
    lock = read_lock(project.root)
    found = []
    for number in sorted({version} if version else known, key=order):
        made = [r for r in releases if r.version == number]
        tested = tuple(run for run in runs if run.version == number)
        draft = number not in paths and number not in proposed and not made and all(r.commit == DRAFT for r in tested)
        own = {release.id for release in made}
        found.append(
            VersionLineage(
                version=number,
                **({} if draft or number in proposed else _file(project, name, number, paths.get(number, ""))),
                proposed=proposed.get(number, ()),
                draft=draft,
                published=f"{name}@{number}" in lock,
                changes=_changes(project, paths.get(number) or f"{PROMPTS}/{name}/{number}.yaml"),
                runs=tested,
                releases=tuple(_made(release) for release in made),
                servings=tuple(serving for serving in servings if serving.release in own),
                calls=None if calls is None else calls.get(number, 0),
            )
        )
    return Lineage(prompt=name, versions=tuple(found))


def _proposed(state: State, name: str) -> dict[str, tuple[str, ...]]:
    """Versions that only branches of proposals hold, with these."""
    found = {one.content.version: one.branches for one in state.registry.versions(name)}
    return {
        version: branches
        for version, branches in found.items()
        if branches and all(branch.startswith(PROPOSALS) for branch in branches)
    }


def _file(project: Project, name: str, version: str, path: str) -> dict[str, str]:
    if not path:
        return {"problem": "the file is gone"}
    try:
        prompt = read_prompt(project.root, name, version).prompt
    except InputError as error:
        return {"path": path, "problem": str(error)}
    created_by = str(prompt.metadata.get("created_by", ""))
    return {"path": path, "digest": prompt_digest(prompt), "created_by": created_by}


def _changes(project: Project, path: str) -> tuple[Change, ...]:
    return tuple(
        Change(commit=commit.id, author=commit.author, time_ns=commit.time_ns, subject=commit.subject)
        for commit in project.repository.log(path)
    )


def _made(release: Release) -> ReleaseMade:
    return ReleaseMade(
        id=release.id,
        prompt_digest=release.prompt_digest,
        commit=release.commit,
        dirty=release.dirty,
        author=release.author,
        created_ns=release.created_ns,
        evidence=release.evidence,
    )


def _servings(state: State, name: str, releases: Iterable[Release]) -> list[Serving]:
    """All assignments of these releases, newest first."""
    ids = {release.id for release in releases}
    environments = {a.environment for a in state.releases.current() if a.prompt == name}
    found = []
    for environment in environments:
        history: list[Assignment | None] = [None, *state.releases.history(name, environment)]
        for following, assignment in pairwise(history):
            assert assignment is not None  # only the first is
            found += [
                Serving(
                    environment=environment,
                    release=arm.release,
                    share=assignment.share(arm),
                    arm=arm.name,
                    strategy=assignment.strategy,
                    actor=assignment.actor,
                    reason=assignment.reason,
                    since_ns=assignment.created_ns,
                    until_ns=following.created_ns if following is not None else 0,
                )
                for arm in assignment.arms
                if arm.release in ids
            ]
    return sorted(found, key=lambda serving: serving.since_ns, reverse=True)


def _calls(name: str, traces: TraceReader | None) -> dict[str, int] | None:
    if traces is None:
        return None
    found: dict[str, int] = {}
    for row in traces.usages(("version", "environment"), TraceFilter(prompt=name)):
        version, environment = row.group
        found[version] = found.get(version, 0) + (row.calls if environment != EVALS else 0)
    return found
