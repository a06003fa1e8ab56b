"""What a change takes away from the gates themselves. It may be right; a machine cannot say so."""

from collections.abc import Iterator

from msgspec.structs import replace

from moat.evals.gating.plan import ProjectState, SuiteState
from moat.evals.suites import Gate


def weakened(now: ProjectState, before: ProjectState) -> Iterator[str]:
    """One sentence for each suite that is gone or asks something else, and each gate that is gone or demands less.

    A suite that asks another dataset may say so itself, in `replaces`, with its reason.

    A prompt that is gone takes its suites along; a suite or a prompt under another name is the same one.
    """
    for name, old in before.suites.items():
        prompt = _now_named(old.prompt, now, before) if old.prompt else ""
        if old.prompt and not prompt:
            continue
        new = now.suites.get(name) or _twin(replace(old, prompt=prompt), now, before)
        if new is None:
            yield f"the suite {name} is gone, which evaluates {prompt or 'a target of its own'}"
            continue
        if new.prompt != prompt:
            yield f"the suite {name} no longer evaluates {prompt or 'its own target'}"
        if new.dataset != old.dataset and new.asked != old.asked and new.replaced != old.asked[0]:
            yield f"{name}: dataset changed from {_questions(old)} to {_questions(new)}, and no `replaces` says why"
        yield from (f"{name}: {what}" for gate in old.demands for what in _loosened(gate, new.demands))


def _twin(old: SuiteState, now: ProjectState, before: ProjectState) -> SuiteState | None:
    """The new suite that is an old one under another name, its gates aside."""

    def content(suite: SuiteState) -> SuiteState:
        return replace(suite, gates="", demands=(), asked=("", ""), replaced="")

    new = (now.suites[name] for name in sorted(now.suites.keys() - before.suites.keys()))
    return next((suite for suite in new if content(suite) == content(old)), None)


def _now_named(prompt: str, now: ProjectState, before: ProjectState) -> str:
    """The prompt's name now: another one that holds some of its content when it is gone; or empty."""
    if prompt in now.prompts:
        return prompt
    known = {version.digest for version in before.prompts.get(prompt, ())}
    new = sorted(now.prompts.keys() - before.prompts.keys())
    return next((name for name in new if known & {version.digest for version in now.prompts[name]}), "")


def _questions(suite: SuiteState) -> str:
    dataset, split = suite.asked
    return f"{dataset} (split {split})" if split else dataset


def _loosened(old: Gate, gates: tuple[Gate, ...]) -> Iterator[str]:
    where = f" where {old.where}" if old.where else ""
    new = next((gate for gate in gates if (gate.score, gate.where) == (old.score, old.where)), None)
    if new is None:
        yield f"the gate on {old.score}{where} is gone"
        return
    if old.margin is not None and (new.margin is None or new.margin > old.margin):
        yield f"the margin of {old.score}{where} was {old.margin:g} and is {_said(new.margin)}"
    if old.min is not None and (new.min is None or new.min < old.min):
        yield f"the min of {old.score}{where} was {old.min:g} and is {_said(new.min)}"
    if old.uncalibrated == "refuse" and new.uncalibrated == "allow":
        yield f"{old.score}{where} may now be judged by an uncalibrated judge"


def _said(value: float | None) -> str:
    return "gone" if value is None else f"{value:g}"
