"""Releasing and rolling back: files, git, evidence, rules and the store brought together."""

import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from moat.bootstrap.guarding import policy_configs
from moat.bootstrap.models import deployments
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment as process_environment
from moat.bootstrap.settings import require_environment
from moat.bootstrap.state import State
from moat.domain.errors import ConflictError, InputError, NotFound, PromptError
from moat.domain.policies import about
from moat.domain.releases import Approval, Arm, Assignment, PromptVersion, Release, prompt_digest
from moat.ports.releases import Clearance, EnvironmentRules, Lack, Order, Plan, Promotion
from moat.prompts import rollouts
from moat.prompts.files import PromptFile
from moat.prompts.lint import lint_version
from moat.prompts.lock import is_edited, read_lock
from moat.prompts.manifest import RELEASE, Setting, make_release
from moat.prompts.promotion import Missing, address, frozen, together
from moat.prompts.rollouts import Act

if TYPE_CHECKING:
    from moat.bootstrap.evaluating import Evaluating
    from moat.bootstrap.rules import Rules


class _Source(NamedTuple):
    """A version, and where it comes from."""

    content: PromptVersion
    commit: str
    dirty: bool
    author: str
    where: str


class Releasing:
    """Implements `moat.ports.releases.ReleaseControl`: changes what environments serve."""

    def __init__(self, project: Project, state: State) -> None:
        self._project = project
        self._state = state

    @cached_property
    def _evaluating(self) -> "Evaluating":
        from moat.bootstrap.evaluating import Evaluating  # all of evals: a server that releases nothing does without

        return Evaluating(self._project, self._state, process_environment())

    def release(self, order: Order, actor: str) -> tuple[Release, Assignment]:
        """Make the manifest and serve it as planned.

        The version is published before it is served: a conflict at the end, or a crash, leaves a release that nobody
        serves, and the same command again completes it. Raises `ConfigError` for an unknown environment, `PromptError`
        for a version that is not sound or was edited after it was published, `ConflictError` naming every rule of the
        environment that is not met, or when somebody else assigned since.
        """
        rules = self._rules(order.environment)
        history = self._state.releases.history(order.prompt, order.environment)
        release = self._manifest(order.prompt, order.version, rules)
        plan, others = self._arms(order.plan, release)
        act = _act(order.prompt, order.environment, actor, order.reason)
        assignment = rollouts.begin(history, release.id, plan, act)
        if assignment is None:
            return self._store(release, actor), history[0]
        own = {actor, *self._authors(release, history)}
        missing = rules.missing(release, release.evidence, own, act.now_ns)
        for other in others:
            if other.id != rollouts.settled(history):  # what serves everybody may go on to serve some
                missing += rules.missing(other, rules.evidence(other.content), own, act.now_ns)
        overridden = _overridden(order, dict.fromkeys(missing))
        return self._store(release, actor), self._assign(replace(assignment, overridden=overridden))

    def manifest(self, name: str, version: str, environment: str, actor: str) -> Release:
        """Make and store a release that nothing serves yet, to be looked at and approved for an environment."""
        return self._store(self._manifest(name, version, self._rules(environment)), actor)

    def rules(self) -> tuple[EnvironmentRules, ...]:
        """What each environment demands."""
        found, now_ns = [], time.time_ns()
        for name, rules in self._project.settings.config.environments.items():
            window = frozen(rules, now_ns)
            found.append(EnvironmentRules(name=name, rules=rules, frozen=window.what if window is not None else ""))
        return tuple(found)

    def clearance(self, prompt: str, environment: str, release: str, actor: str) -> Clearance:
        """Would a release be let in now? Asks what `promote` asks of one in the rollout under way, else what `release`
        asks, and does neither.
        """
        rules = self._rules(environment)
        history = self._state.releases.history(prompt, environment)
        meant = self._meant(prompt, release, rules)
        rollout = rollouts.under_way(history) and meant.id in history[0].releases
        own = _begun_by(history) if rollout else {actor, *self._authors(meant, history)}
        overridden = history[0].overridden if rollout else ()
        served = meant.id == rollouts.settled(history)
        missing: list[Missing] = []
        if not served:
            evidence = meant.evidence if release == meant.version else rules.evidence(meant.content)
            missing = [
                lack for lack in rules.missing(meant, evidence, own, time.time_ns()) if lack.what not in overridden
            ]
        lacks = [Lack(what=lack.what, remedy=lack.remedy, overridable=True) for lack in missing]
        if rollouts.under_way(history) and not rollout:
            lacks.append(_busy(history[0]))
        votes = rules.votes(meant, own)
        return Clearance(
            prompt=prompt,
            version=meant.version,
            environment=environment,
            release=meant.id,
            served=served,
            rollout=rollout,
            approvals=votes,
            approved=len({address(vote.actor) for vote in votes if vote.counts}),
            needed=rules.approvals,
            missing=tuple(lacks),
            overridden=overridden,
        )

    def approve(self, release_id: str, environment: str, actor: str, comment: str) -> Approval:
        """Say yes to a release. Raises `NotFound`."""
        require_environment(self._project.settings, environment)
        if not address(actor):
            raise InputError(
                f"{actor!r} shows no e-mail address, so that nobody could tell whose yes it is",
                where="actor",
                remedy="Set git's user.email, or make the key with `moat keys create --user ADDRESS`.",
            )
        approval = Approval(
            release=release_id, environment=environment, actor=actor, created_ns=time.time_ns(), comment=comment
        )
        self._state.releases.approve(approval)
        return approval

    def roll_back(
        self, prompt: str, environment: str, actor: str, reason: str, *, seen: int | None = None
    ) -> Assignment:
        """Serve what was served before: no rule, file or repository is asked.

        What has the same content, as when only the meaning of a model alias changed, is gone past: a rollback that
        changes nothing would have to be done twice.
        """
        history = self._history(prompt, environment, seen)
        act = _act(prompt, environment, actor, reason or "rollback")
        assignment = rollouts.roll_back(history, act)
        further = assignment
        while self._serve_the_same(further, history[0]):
            try:
                further = rollouts.roll_back([further, *history], act)
            except NotFound:
                return self._assign(assignment)
        return self._assign(replace(further, sequence=assignment.sequence))

    def promote(self, promotion: Promotion, actor: str, *, experiment: str = "", seen: int | None = None) -> Assignment:
        """Give the new release a larger share, or everything.

        The rules are asked again: they, or what they rest on, may have changed since the rollout began. A canary that
        gets less obeys none, as a rollback does.

        `experiment` is the rollout that is meant: `ConflictError` when another one is under way by now.
        """
        prompt, environment = promotion.prompt, promotion.environment
        history = self._history(prompt, environment, seen)
        _require_same(history, experiment)
        act = _act(prompt, environment, actor, promotion.reason)
        following = rollouts.promote(history, act, percent=promotion.percent, arm=promotion.arm)
        winner = self._state.releases.get(following.arms[0].release)
        rules = self._rules(environment)
        missing: list[Missing] = []
        if winner.id != rollouts.settled(history) and _grows(history[0], promotion):
            found = rules.missing(winner, rules.evidence(winner.content), _begun_by(history), act.now_ns)
            missing = [piece for piece in found if piece.what not in history[0].overridden]
        overridden = (*history[0].overridden, *_overridden(promotion, missing))
        return self._assign(replace(following, overridden=tuple(dict.fromkeys(overridden))))

    def pause(self, prompt: str, environment: str, actor: str, reason: str, *, seen: int | None = None) -> Assignment:
        """Hold a rollout as it is."""
        history = self._history(prompt, environment, seen)
        return self._assign(rollouts.pause(history, _act(prompt, environment, actor, reason)))

    def resume(self, prompt: str, environment: str, actor: str, reason: str, *, seen: int | None = None) -> Assignment:
        """Let a paused rollout go on."""
        history = self._history(prompt, environment, seen)
        return self._assign(rollouts.resume(history, _act(prompt, environment, actor, reason)))

    def abort(
        self,
        prompt: str,
        environment: str,
        actor: str,
        reason: str,
        *,
        experiment: str = "",
        seen: int | None = None,
    ) -> Assignment:
        """End a rollout: everybody gets what was served before it began. `experiment` as for `promote`."""
        history = self._history(prompt, environment, seen)
        _require_same(history, experiment)
        return self._assign(rollouts.abort(history, _act(prompt, environment, actor, reason or "abort")))

    def _store(self, release: Release, actor: str) -> Release:
        """Publish the version, and store its release; the one stored before when it is the same."""
        with suppress(NotFound):  # what is in the registry only has no place in the files' lock
            self._project.catalog.file(release.prompt, release.version)
            self._project.publish(release.content)
        return self._state.releases.create(release, actor=actor)

    def _serve_the_same(self, one: Assignment, other: Assignment) -> bool:
        if one.shadow or other.shadow or len(other.arms) > 1:
            return False
        digests = {self._state.releases.get(arm.release).prompt_digest for arm in (*one.arms, *other.arms)}
        return len(digests) == 1

    def _authors(self, release: Release, history: list[Assignment]) -> set[str]:
        """Who changed a file of the version since what is served now was committed, as far as git can tell."""
        try:
            paths = self._project.catalog.file(release.prompt, release.version).paths
        except NotFound:
            return set()
        served = rollouts.settled(history)
        since = self._state.releases.get(served).commit if served else ""
        return {commit.author for path in paths for commit in self._project.repository.log(path, since=since)}

    def _assign(self, assignment: Assignment) -> Assignment:
        self._state.releases.assign(assignment)
        return assignment

    def _rules(self, environment: str) -> "Rules":
        from moat.bootstrap.rules import Rules  # as above

        require_environment(self._project.settings, environment)
        return Rules(self._project, self._state, self._evaluating, environment)

    def _history(self, prompt: str, environment: str, seen: int | None) -> list[Assignment]:
        """Raises `ConfigError` for an environment that never served it and that moat.yaml does not define, and
        `ConflictError` when its newest assignment is not the one that was seen. What follows is stored only on top of
        this history: `assign` compares the sequence in its write.
        """
        history = self._state.releases.history(prompt, environment)
        if not history:
            require_environment(self._project.settings, environment)
        elif seen is not None and history[0].sequence != seen:
            raise ConflictError(
                f"{environment!r} is not as it was seen: by now it serves {self._in_words(history[0])}, since number "
                f"{history[0].sequence} by {history[0].actor}, and the order is about number {seen}",
                where="sequence",
                remedy="Look at what it serves now, and decide again.",
            )
        return history

    def _in_words(self, assignment: Assignment) -> str:
        """`1.2.0` of one that serves everybody, else `1.2.0 (canary) and 1.1.0 (stable)`."""
        arms = [(self._state.releases.get(arm.release).version, arm.name) for arm in assignment.arms]
        return " and ".join(version if len(arms) == 1 else f"{version} ({name})" for version, name in arms)

    def _manifest(self, name: str, version: str, rules: "Rules") -> Release:
        source = self._source(name, version)
        if self._is_known_otherwise(source.content):
            raise PromptError(
                f"{source.content.id} was published with another content",
                where=source.where,
                remedy="Restore the file, and bump the version for the change.",
            )
        settings, alias = self._project.settings, source.content.model
        return make_release(
            source.content,
            Setting(deployments(settings.config, alias), about(policy_configs(settings), name, alias)),
            commit=source.commit,
            dirty=source.dirty,
            author=source.author,
            now_ns=time.time_ns(),
            evidence=rules.evidence(source.content),
        )

    def _meant(self, prompt: str, release: str, rules: "Rules") -> Release:
        """A stored release by its id, or the one that a version would make now. Raises `NotFound`."""
        if not release.startswith(RELEASE):
            return self._manifest(prompt, release, rules)
        found = self._state.releases.get(release)
        if found.prompt != prompt:
            raise NotFound(f"{release} is no release of {prompt!r}", remedy=f"`moat release list {prompt}` shows all.")
        return found

    def _is_known_otherwise(self, content: PromptVersion) -> bool:
        """Was the version published, released, or registered over the API, with another content?"""
        digest = prompt_digest(content)
        known = {r.prompt_digest for r in self._state.releases.releases(content.name) if r.version == content.version}
        with suppress(NotFound):
            registered = self._state.registry.get(content.name, content.version)
            known |= {registered.digest} if registered.source == "api" else set()
        return is_edited(read_lock(self._project.root), content) or bool(known - {digest})

    def _source(self, name: str, version: str) -> _Source:
        """The version in the files, else as it was registered over the API, which linted it."""
        try:
            file = self._project.catalog.file(name, version)
        except NotFound as missing:
            try:
                known = self._state.registry.get(name, version)
            except NotFound:
                raise missing from None
            if known.source == "git":  # what no file here has was never linted here
                raise missing from None
            return _Source(known.content, known.commit, False, known.author, "registry")
        self._require_sound(file)
        repository = self._project.repository
        dirty = repository.is_dirty(*file.paths)
        commits = [commit for path in file.paths for commit in repository.log(path, limit=1)]
        newest = max(commits, key=lambda commit: commit.time_ns, default=None)
        commit = newest.id if newest is not None else repository.commit()
        author = newest.author if newest is not None and not dirty else self._project.author
        return _Source(file.prompt, commit, dirty, author, file.path)

    def _require_sound(self, file: PromptFile) -> None:
        """A version that lint finds errors in would fail on each call, and could not be mended once published."""
        for problem in lint_version(self._project.root, file, models=self._project.settings.config.models.keys()):
            if problem.severity == "error":
                place = f"{problem.path}:{problem.line}" if problem.line else problem.path
                raise PromptError(problem.message, where=place, remedy=problem.remedy or "`moat lint` says more.")

    def _arms(self, plan: Plan, release: Release) -> tuple[Plan, list[Release]]:
        """The plan with its arms by release id, and the releases that are in it besides the new one."""
        others: list[Release] = []
        arms: list[Arm] = []
        for arm in plan.arms:
            found = release if arm.release in (release.id, release.version) else self._released(release.prompt, arm)
            if found is not release:
                others.append(found)
            arms.append(replace(arm, release=found.id))
        if plan.arms and len(others) == len(arms):
            raise InputError(f"no arm is {release.version}", where="arms", remedy="The new release is one of the arms.")
        return replace(plan, arms=tuple(arms)), others

    def _released(self, prompt: str, arm: Arm) -> Release:
        """The newest release of an arm's version, or the one it names."""
        for release in self._state.releases.releases(prompt):
            if arm.release in (release.id, release.version):
                return release
        raise NotFound(
            f"the arm {arm.name!r} names {arm.release!r}, which was never released",
            where="arms",
            remedy=f"`moat release list {prompt}` shows what was.",
        )


def _act(prompt: str, environment: str, actor: str, reason: str) -> Act:
    return Act(prompt=prompt, environment=environment, actor=actor, reason=reason, now_ns=time.time_ns())


def _begun_by(history: list[Assignment]) -> set[str]:
    """Who began the rollout that is under way."""
    return {next((a.actor for a in reversed(history) if a.experiment == history[0].experiment), "")}


def _grows(current: Assignment, promotion: Promotion) -> bool:
    """Does the new release get more users than it has? The weights of a canary are percent."""
    return promotion.percent is None or promotion.percent > current.arms[0].weight


def _busy(current: Assignment) -> Lack:
    """Another rollout has to end first."""
    prompt, environment = current.prompt, current.environment
    return Lack(
        what=f"has another rollout ({current.strategy}) of {prompt} under way",
        remedy=f"`moat rollout promote {prompt} --env {environment}`, or `abort`, comes first.",
        overridable=False,
    )


def _require_same(history: list[Assignment], experiment: str) -> None:
    if experiment and (not rollouts.under_way(history) or history[0].experiment != experiment):
        raise ConflictError(
            "somebody else ended this rollout meanwhile", remedy="`moat rollout status` shows what is served now."
        )


def _overridden(wish: Order | Promotion, missing: Iterable[Missing]) -> tuple[str, ...]:
    """The rules that are broken, in words. Raises `ConflictError` with all of them unless the glass is broken."""
    pieces = list(missing)
    if pieces and not wish.break_glass:
        what, remedy = together(wish.environment, pieces)
        raise ConflictError(what, remedy=remedy)
    if wish.break_glass and not wish.reason.strip():
        raise InputError("breaking the glass takes a reason", where="reason", remedy="Say why: it is kept for good.")
    return tuple(piece.what for piece in pieces)
