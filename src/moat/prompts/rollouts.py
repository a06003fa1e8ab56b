"""What follows what in an environment: the history of assignments, and the next one. Pure: no store, no clock.

A history is that of one prompt in one environment, newest first, as `ReleaseReader.history` returns it. Assignments
that are closed pile up; a rollback takes from the top, and a second one goes one further back, not forward to what the
first fled from. A rollout under way is not on the pile yet: whoever aborts it, or rolls back, gets the top.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from moat.domain.errors import ConflictError, InputError, NotFound
from moat.domain.releases import Arm, Assignment, Strategy
from moat.ports.releases import Plan

History = Sequence[Assignment]

MAX_ARMS = 16
LEAST_WEIGHT = 1e-6
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Who changes what is served of a prompt in an environment, why and when."""

    prompt: str
    environment: str
    actor: str
    reason: str
    now_ns: int
    overridden: tuple[str, ...] = ()


def begin(history: History, release: str, plan: Plan, act: Act) -> Assignment | None:
    """Introduce a release as planned; None when that is how it is served already.

    Arms of the plan name releases by id. Raises `ConflictError` while a rollout is under way, or when nothing is served
    yet that the new release could share with; `InputError` for a plan that makes no sense.
    """
    following = _introduced(history, release, plan, act)
    if under_way(history):
        if all(getattr(following, name) == getattr(history[0], name) for name in ("arms", "shadow", "strategy")):
            return None
        raise ConflictError(
            f"another rollout ({history[0].strategy}) of {act.prompt} is under way in {act.environment!r}",
            remedy=f"`moat rollout promote {act.prompt} --env {act.environment}`, or `abort`, comes first.",
        )
    return None if plan.strategy == "all" and settled(history) == release else following


def _introduced(history: History, release: str, plan: Plan, act: Act) -> Assignment:
    if plan.strategy != "ab" and (plan.arms or plan.experiment):
        raise InputError("names and arms are for an experiment", where="plan", remedy="Its strategy is `ab`.")
    served = settled(history)
    if plan.strategy == "all":
        return _next(history, act, arms=(Arm(release),))
    if not served:
        raise ConflictError(
            f"{act.environment!r} serves no {act.prompt!r} yet that the new release could share with",
            remedy="Release the first one whole.",
        )
    if served == release and not plan.arms:
        raise ConflictError(f"{release} serves everybody in {act.environment!r} already")
    return _next(
        history,
        act,
        arms=_arms(plan, release, served),
        shadow=Arm(release, _percent(plan.percent, "shadow") / 100, "shadow") if plan.strategy == "shadow" else None,
        strategy=plan.strategy,
        progress="open",
        experiment=f"{act.environment}/{act.prompt}/{plan.experiment or plan.strategy}#{history[0].sequence + 1}",
    )


def promote(history: History, act: Act, *, percent: float | None = None, arm: str = "") -> Assignment:
    """Give the new release of a canary this share; or, without `percent`, let it serve everybody.

    Of an A/B experiment `arm` names the winner. A paused rollout goes on. Raises `NotFound` when none is under way,
    `InputError` for a share or a winner that this kind of rollout does not have.
    """
    current = _rollout(history, act)
    if arm and current.strategy != "ab":
        raise InputError(f"this rollout ({current.strategy}) has no winner to choose", where="arm")
    if percent is not None:
        if current.strategy != "canary":
            raise InputError(
                f"this rollout ({current.strategy}) has no share to change", where="percent", remedy="Promote it whole."
            )
        new, old = current.arms
        share = _percent(percent, "canary")
        arms = (replace(new, weight=share), replace(old, weight=100 - share))
        return _next(history, act, **{**_same(current, act), "arms": arms, "progress": "open"})
    if current.strategy == "blue_green":
        green, blue = current.arms
        arms = (replace(green, weight=1.0), replace(blue, weight=0.0))
        return _next(history, act, **{**_same(current, act), "arms": arms, "progress": "closed"})
    return _next(history, act, arms=(Arm(_winner(current, arm)),), overridden=_overridden(current, act))


def pause(history: History, act: Act) -> Assignment:
    """Hold a rollout as it is. Raises `NotFound` when none is under way, `ConflictError` when it is held already."""
    current = _rollout(history, act)
    if current.progress == "paused":
        raise ConflictError(f"the rollout of {act.prompt} in {act.environment!r} is paused already")
    return _next(history, act, **{**_same(current, act), "progress": "paused"})


def resume(history: History, act: Act) -> Assignment:
    """Let a paused rollout go on. Raises like `pause`."""
    current = _rollout(history, act)
    if current.progress == "open":
        raise ConflictError(f"the rollout of {act.prompt} in {act.environment!r} is not paused")
    return _next(history, act, **{**_same(current, act), "progress": "open"})


def abort(history: History, act: Act) -> Assignment:
    """Everybody gets what was served before the rollout began. Raises `NotFound` when none is under way."""
    _rollout(history, act)
    return roll_back(history, act)


def roll_back(history: History, act: Act) -> Assignment:
    """Serve what was served before. Raises `NotFound` when there was nothing."""
    if not history:
        raise NotFound(
            f"{act.environment!r} serves no {act.prompt!r}", remedy="`moat release list` shows what is served."
        )
    target = rollback_target(history)
    if target is None:
        raise NotFound(
            f"{act.environment!r} served nothing before {settled(history)}",
            remedy=f"Release another version: `moat release create {act.prompt}@VERSION --to {act.environment}`.",
        )
    return _next(history, act, arms=(Arm(_main(target)),), returns_to=target.sequence)


def under_way(history: History) -> bool:
    """Is a rollout open or paused?"""
    return bool(history) and history[0].progress != "closed"


def settled(history: History) -> str:
    """The release that serves everybody, or did until the rollout under way began; empty when there is none."""
    pile = _pile(history)
    return _main(pile[-1]) if pile else ""


def rollback_target(history: History) -> Assignment | None:
    """The assignment that a rollback would go back to."""
    pile = _pile(history)
    if under_way(history):
        return pile[-1] if pile else None
    return pile[-2] if len(pile) > 1 else None


def _pile(history: History) -> list[Assignment]:
    """What is closed and was not rolled back, oldest first; no release directly on itself."""
    pile: list[Assignment] = []
    for assignment in reversed(history):
        if assignment.returns_to:
            while pile and pile[-1].sequence > assignment.returns_to:
                pile.pop()
        elif assignment.progress == "closed" and (not pile or _main(pile[-1]) != _main(assignment)):
            pile.append(assignment)
    return pile


def _main(assignment: Assignment) -> str:
    """The release that serves everybody in a closed assignment."""
    return max(assignment.arms, key=lambda arm: arm.weight).release


def _next(history: History, act: Act, **fields: Any) -> Assignment:
    assignment = Assignment(
        environment=act.environment,
        prompt=act.prompt,
        sequence=history[0].sequence + 1 if history else 1,
        actor=act.actor,
        reason=act.reason,
        created_ns=act.now_ns,
        **{"overridden": act.overridden, **fields},
    )
    target = rollback_target([assignment, *history])
    return replace(assignment, replaces=(Arm(_main(target)),) if target else ())


def _same(current: Assignment, act: Act) -> dict[str, Any]:
    kept = {name: getattr(current, name) for name in ("arms", "shadow", "strategy", "experiment")}
    return {**kept, "overridden": _overridden(current, act)}


def _overridden(current: Assignment, act: Act) -> tuple[str, ...]:
    """What was broken to begin the rollout stays broken on its way."""
    return tuple(dict.fromkeys((*current.overridden, *act.overridden)))


def _rollout(history: History, act: Act) -> Assignment:
    if not under_way(history):
        raise NotFound(
            f"no rollout of {act.prompt!r} is under way in {act.environment!r}",
            remedy="`moat rollout status` shows what is.",
        )
    return history[0]


def _arms(plan: Plan, release: str, served: str) -> tuple[Arm, ...]:
    match plan.strategy:
        case "canary":
            share = _percent(plan.percent, "canary")
            return (Arm(release, share, "canary"), Arm(served, 100 - share, "stable"))
        case "blue_green":
            return (Arm(release, 0.0, "green"), Arm(served, 1.0, "blue"))
        case "ab":
            if plan.experiment:
                _check_name(plan.experiment, "experiment")
            return _compared(plan.arms or (Arm(release, 50.0, "treatment"), Arm(served, 50.0, "control")))
        case _:
            return (Arm(served),)


def _compared(arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    names = {arm.name for arm in arms}
    if not 2 <= len(arms) <= MAX_ARMS or len(names) < len(arms):
        what = f"an experiment compares at least two arms and at most {MAX_ARMS}, each with a name of its own"
        raise InputError(what, where="arms")
    for arm in arms:
        _check_name(arm.name, "arms")
        if not LEAST_WEIGHT <= arm.weight <= 1 / LEAST_WEIGHT:
            what = f"an arm has a weight above 0, from {LEAST_WEIGHT:g} to {1 / LEAST_WEIGHT:g}, not {arm.weight:g}"
            raise InputError(what, where="arms")
    return arms


def _check_name(name: str, where: str) -> None:
    """Names go into headers, metrics and tables."""
    if not _NAME.fullmatch(name):
        remedy = "Use up to 64 letters, digits, '.', '_' and '-'."
        raise InputError(f"{name[:70]!r} cannot be a name", where=where, remedy=remedy)


def _percent(percent: float, strategy: Strategy) -> float:
    whole = strategy == "shadow"
    if 0 < percent < 100 or (whole and percent == 100):
        return percent
    most = "at most" if whole else "less than"
    raise InputError(f"a {strategy} takes more than 0 and {most} 100 percent", where="percent")


def _winner(current: Assignment, arm: str) -> str:
    if current.strategy == "ab":
        for candidate in current.arms:
            if candidate.name == arm:
                return candidate.release
        names = ", ".join(candidate.name for candidate in current.arms)
        raise InputError(f"there is no arm {arm!r}" if arm else "which arm won?", where="arm", remedy=f"Arms: {names}.")
    return current.shadow.release if current.shadow is not None else current.arms[0].release
