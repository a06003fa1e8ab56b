"""From two states of a project to what has to be evaluated.

States are compared by what they mean, not by their files: digests. A renamed file, a comment or another formatting
changes nothing; an edited partial changes every version that includes it.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from moat.evals.suites import Gate, Replaced
from moat.prompts.semver import is_stable

Kind = Literal["prompt", "suite", "target", "scorers", "gates", "dataset", "user", "model"]
What = Literal["new", "changed", "removed", "renamed"]

PARTS: tuple[Kind, ...] = ("target", "scorers", "gates", "dataset", "user")
"""Of a suite, each compared by itself."""


class VersionState(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a prompt."""

    version: str
    digest: str
    """Over messages, partials, tools, parameters: `moat.domain.releases.prompt_digest`."""
    model: str
    """Alias that answers."""
    output: str = ""
    """Digest over the schema of its answers."""


class SuiteState(msgspec.Struct, frozen=True, kw_only=True):
    """One suite, each part by its digest."""

    prompt: str
    """Empty when something else answers."""
    target: str
    """What answers instead of a prompt; empty for a prompt."""
    answers: str = ""
    """The same in words: `function app/bot.py:answer`."""
    asking: str = ""
    """The part of `target` that the suite's file says, the version of a service aside."""
    recorded: str = ""
    """The part of `target` that is answers recorded before."""
    scorers: str
    """With the repeats."""
    measures: dict[str, dict[str, Any]] = {}
    """What each scorer is, by name (`Scorer.identity`)."""
    calibrated: dict[str, str] = {}
    """Gated scores of judges that were compared with people, each with a digest over what came of it."""
    shaped: frozenset[str] = frozenset()
    """Gated scores that hold answers against the prompt's own `output`."""
    repeats: tuple[int, int] = (1, 1)
    """Answers to each case: at least, at most."""
    timeout: float = 0.0
    """Seconds for one answer."""
    gates: str
    demands: tuple[Gate, ...] = ()
    """The gates themselves."""
    dataset: str
    """With the split that is asked."""
    asked: tuple[str, str] = ("", "")
    """The dataset's file and the split."""
    locked: str = ""
    """What `evals.lock` says of the dataset: its version, and why it is as it is."""
    replaced: tuple[Replaced, ...] = ()
    """What it says it measured by before, with reasons; datasets from the project's folder."""
    user: str = ""
    """Who plays the users of its cases; empty when nobody does."""
    model: str = ""
    """Alias for versions that name none."""
    asks: tuple[str, ...] = ()
    """Aliases that answer when it is no version of `prompt` that does. What stands behind judges is in `scorers`."""


class ProjectState(msgspec.Struct, frozen=True, kw_only=True):
    """What a project's files mean."""

    prompts: dict[str, tuple[VersionState, ...]] = {}
    """By name, oldest first."""
    suites: dict[str, SuiteState] = {}
    unreadable: dict[str, str] = {}
    """Suites of which nothing can be said, and why."""
    models: dict[str, str] = {}
    """Aliases of moat.yaml, each with a digest over its deployments, their providers, and the files that those name."""
    invented: dict[str, tuple[str, ...]] = {}
    """What each alias answers from that is files of the project and no model (simulated, replayed), as digests."""
    required: dict[str, frozenset[str]] = {}
    """The suites that releases need, by environment."""
    red_team: frozenset[str] = frozenset()
    """The suites that every change is judged by."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was at the merge base."""

    kind: Kind
    name: str
    what: What
    detail: str = ""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A suite that must run, on what, and why."""

    suite: str
    prompt: str
    """Empty when the suite's own target answers."""
    version: str
    reasons: tuple[str, ...]
    baseline_prompt: str = ""
    """Its name at the merge base."""
    baseline_version: str = ""
    """Empty: there was nothing to compare with."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that changed, and what has to be evaluated for it."""

    changes: tuple[Change, ...] = ()
    pairs: tuple[Pair, ...] = ()
    left_out: tuple[str, ...] = ()
    """Changed versions that are not judged, since a newer one of the same prompt changed too: `name@version`."""
    uncovered: tuple[str, ...] = ()
    """Changed prompts that no suite evaluates."""


def plan(now: ProjectState, before: ProjectState | None, *, everything: bool = False) -> Plan:
    """What has to be evaluated: each suite that is about something that changed, on the newest version that did.

    Without a state before, that is every suite; so it is when `everything` is asked for.
    """
    before = before or ProjectState()
    planner = _Planner(now, before, everything=everything)
    pairs = tuple(pair for name in now.suites if (pair := planner.pair(name)) is not None)
    covered = {suite.prompt for suite in now.suites.values()}
    changed = {name: planner.changed(name) for name in now.prompts}
    return Plan(
        changes=tuple(planner.changes()),
        pairs=pairs,
        left_out=tuple(f"{name}@{v.version}" for name, versions in changed.items() for v in versions[:-1]),
        uncovered=tuple(name for name, versions in changed.items() if versions and name not in covered),
    )


class _Planner:
    """Two states side by side."""

    def __init__(self, now: ProjectState, before: ProjectState, *, everything: bool) -> None:
        self._everything = everything
        self._now = now
        self._before = before
        self._known = {v.digest for versions in before.prompts.values() for v in versions}

    def changed(self, name: str) -> list[VersionState]:
        """Versions of a prompt whose content the merge base had nowhere, oldest first; also the newest, where it is an
        old content under a new number.
        """
        versions = self._now.prompts[name]
        newest = _newest(versions)
        return [v for v in versions if v.digest not in self._known or (v.version == newest and self._is_back(name, v))]

    def _is_back(self, name: str, version: VersionState) -> bool:
        """Is it no version of the merge base, and not the content that was the newest there?"""
        versions = self._before.prompts.get(self.origin(name), ())
        before = {v.version: v.digest for v in versions}
        return bool(before) and version.version not in before and version.digest != before[_newest(versions)]

    def origin(self, name: str) -> str:
        """The prompt's name at the merge base: another one when that is gone and held the same content; or empty."""
        if name in self._before.prompts:
            return name
        mine = {v.digest for v in self._now.prompts[name]}
        gone = self._before.prompts.keys() - self._now.prompts.keys()
        return next((old for old in sorted(gone) if mine & {v.digest for v in self._before.prompts[old]}), "")

    def pair(self, name: str) -> Pair | None:
        """What a suite must be run on; None when nothing that it is about changed."""
        suite = self._now.suites[name]
        if suite.prompt and suite.prompt not in self._now.prompts:
            return None  # lint says so
        reasons = list(self._suite_reasons(name))
        if not suite.prompt:
            reasons += self._model_reasons(name, suite.asks, "")
            return Pair(suite=name, prompt="", version="", reasons=tuple(reasons)) if reasons else None
        versions = self._now.prompts[suite.prompt]
        changed = self.changed(suite.prompt)
        candidate = changed[-1] if changed else versions[-1]
        if changed:
            same_number = candidate.version in {v.version for v in self._before.prompts.get(suite.prompt, ())}
            reasons.insert(0, f"{suite.prompt}@{candidate.version} is {'changed' if same_number else 'new'}")
        reasons += self._model_reasons(name, (candidate.model or suite.model,), candidate.model)
        if not reasons:
            return None
        origin = self.origin(suite.prompt)
        return Pair(
            suite=name,
            prompt=suite.prompt,
            version=candidate.version,
            reasons=tuple(reasons),
            baseline_prompt=origin,
            baseline_version=_newest(self._before.prompts[origin]) if origin else "",
        )

    def _model_reasons(self, name: str, aliases: tuple[str, ...], own: str) -> Iterator[str]:
        """`own`: the alias that the candidate names itself; then it is none of the suite's."""
        models, before = self._before.models, self._before.suites.get(name)
        for alias in aliases:
            if alias in models and models[alias] != self._now.models.get(alias):
                yield f"the model {alias} changed"
        if not own and before is not None and before.model != self._now.suites[name].model:
            yield f"the suite {name} names another model"

    def _suite_reasons(self, name: str) -> Iterator[str]:
        now, before = self._now.suites[name], self._before.suites.get(name)
        if before is None:
            yield f"the suite {name} is new"
            return
        for part in PARTS:
            if getattr(now, part) != getattr(before, part):
                yield f"the {part} of {name} changed"
        if name in self._now.red_team | self._before.red_team:
            yield "red team: every change is judged by it"
        if self._everything:
            yield "everything is asked for"

    def changes(self) -> Iterator[Change]:
        """Everything that is not as it was, prompts first."""
        yield from self._prompt_changes()
        for name in sorted(self._now.suites.keys() | self._before.suites.keys()):
            new, old = self._now.suites.get(name), self._before.suites.get(name)
            if new is None or old is None:
                yield Change(kind="suite", name=name, what="removed" if new is None else "new")
                continue
            for kind in PARTS:
                if getattr(new, kind) != getattr(old, kind):
                    yield Change(kind=kind, name=name, what="changed")
            if new.model != old.model:
                yield Change(kind="suite", name=name, what="changed", detail=f"its model was {old.model or 'none'}")
        yield from _differences("model", self._now.models, self._before.models)

    def _prompt_changes(self) -> Iterator[Change]:
        renamed = {}
        for name in self._now.prompts:
            origin = self.origin(name)
            if origin and origin != name:
                renamed[origin] = name
                yield Change(kind="prompt", name=name, what="renamed", detail=f"was {origin}")
        now, before = (
            {f"{name}@{v.version}": v.digest for name, versions in state.prompts.items() for v in versions}
            for state in (self._now, self._before)
        )
        moved = {name for old, new in renamed.items() for name in (old, new)}
        for change in _differences("prompt", now, before):
            content = (now if change.what != "removed" else before)[change.name]
            elsewhere = content in (self._known if change.what != "removed" else set(now.values()))
            if change.name.partition("@")[0] in moved and elsewhere:
                continue
            same = next((name for name, digest in before.items() if digest == content), "")
            detail = f"the content of {same}" if same and change.what == "new" else ""
            yield msgspec.structs.replace(change, detail=detail)


def _differences(kind: Kind, now: dict[str, str], before: dict[str, str]) -> Iterator[Change]:
    for name in [*now, *(name for name in before if name not in now)]:
        if now.get(name) != before.get(name):
            what: What = "removed" if name not in now else "new" if name not in before else "changed"
            yield Change(kind=kind, name=name, what=what)


def _newest(versions: tuple[VersionState, ...]) -> str:
    """The newest that is no pre-release, else the newest."""
    return next((v.version for v in reversed(versions) if is_stable(v.version)), versions[-1].version)
