"""What a change takes away from the measuring itself. It may be right; a machine cannot say so.

Both sides of a comparison are measured by the project as it is now, so whoever changes the measure can make any loss
disappear. Each change of it is therefore told, and is for people to decide, unless the suite says why (`replaces`).
"""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from msgspec.structs import replace

from moat.evals.gating.plan import ProjectState, SuiteState
from moat.evals.suites import Gate, Part, Replaced

DETAILS = {
    "source": "its code",
    "judge": "its prompt or what stands behind its model",
    "digest": "its labels",
    "prices": "prices in moat.yaml",
}
"""What parts of a scorer's identity are to people."""


class Loss(NamedTuple):
    """Something that was demanded before, or measured otherwise."""

    text: str
    reason: str = ""
    """As the suite gives it; empty: nobody said why."""


def weakened(now: ProjectState, before: ProjectState, demanded: Collection[str] = ()) -> Iterator[Loss]:
    """One sentence for each suite that is gone or measures something else, and each gate that is gone or demands less.

    `demanded`: scores of which the command demands something, besides the gates. What a suite measures otherwise it may
    explain itself, in `replaces`; an explanation that was there before is of something else.

    A prompt that is gone takes its suites along; a suite or a prompt under another name is the same one.
    """
    yield from _unwatched(now, before)
    for name, error in before.unreadable.items():
        yield Loss(f"the suite {name} cannot be read at the base, so nobody knows what it loses: {error}")
    for name, old in before.suites.items():
        prompt = _now_named(old.prompt, now, before) if old.prompt else ""
        if old.prompt and not prompt and name not in now.suites:
            continue
        new = now.suites.get(name) or _twin(replace(old, prompt=prompt), now, before)
        if new is None:
            yield Loss(f"the suite {name} is gone, which evaluates {prompt or 'a target of its own'}")
            continue
        for loss in _Suite(old, new, prompt, demanded).losses(now, before):
            yield loss._replace(text=f"{name}: {loss.text}")
        yield from (Loss(f"{name}: {what}") for gate in old.demands for what in _loosened(gate, new.demands))
    for environment in before.required.keys() & now.required.keys():
        for suite in sorted(before.required[environment] - now.required[environment]):
            if suite in now.suites:
                yield Loss(f"{environment} no longer requires the suite {suite} of a release")
    for suite in sorted(before.red_team - now.red_team):
        if suite in now.suites:
            yield Loss(f"the suite {suite} is no longer red team, which every change is judged by")


class _Suite:
    """One suite before and now."""

    def __init__(self, old: SuiteState, new: SuiteState, prompt: str, demanded: Collection[str]) -> None:
        """`prompt`: what `old` evaluates, as it is named now."""
        self._old = old
        self._new = new
        self._prompt = prompt
        self._gated = dict.fromkeys(
            [*(gate.score for gate in old.demands), *(score for score in demanded if score in old.measures)]
        )
        self._flagged = frozenset(demanded)

    def losses(self, now: ProjectState, before: ProjectState) -> Iterator[Loss]:
        """What it measures otherwise."""
        yield from self._answering(now, before)
        yield from self._questions()
        yield from self._scoring()
        yield from self._schemas(now, before)
        old, new = self._old, self._new
        if new.repeats[0] < old.repeats[0] or new.repeats[1] < old.repeats[1]:
            yield self._part("repeats", f"each case is answered {_times(new)}, and was {_times(old)}")
        if new.timeout > old.timeout:
            yield self._part("timeout", f"an answer may take {new.timeout:g} s, and might take {old.timeout:g} s")

    def _answering(self, now: ProjectState, before: ProjectState) -> Iterator[Loss]:
        old, new = self._old, self._new
        if new.prompt != self._prompt or (old.prompt and not new.prompt):
            yield self._part("target", f"no longer evaluates {self._prompt or old.answers}, but {new.answers}")
        elif new.answers != old.answers and not new.prompt:
            yield self._part("target", f"{new.answers} answers, and {old.answers} did")
        elif new.asking != old.asking:
            yield self._part("target", f"{new.answers} is asked or read otherwise than before")
        elif new.recorded != old.recorded:
            yield self._part("target", f"{new.answers} was edited, and who gave these answers cannot be seen")
        if old.model and new.model != old.model:
            yield self._part("model", f"its model is {new.model or 'none'}, and was {old.model}")
        known = {found for alias in before.invented.values() for found in alias}
        for alias in sorted({*new.asks, *(v.model or new.model for v in now.prompts.get(new.prompt, ()))}):
            if set(now.invented.get(alias, ())) - known:
                yield self._part("model", f"the model {alias} answers from files of the project that are not as before")
        if old.user and new.user != old.user:
            yield self._part("users", "another plays the users of its cases, or otherwise")

    def _questions(self) -> Iterator[Loss]:
        old, new = self._old, self._new
        if new.dataset == old.dataset:
            return
        (path, split), (then, part) = new.asked, old.asked
        if path != then:
            yield self._told(f"dataset changed from {then} to {path}", self._given(dataset=then), "")
        if split != part:
            yield self._part("split", f"{_cases(split)} are asked, and {_cases(part)} were")
        if path == then and split == part and new.locked == old.locked:
            yield Loss(f"{path} was edited, and no `moat dataset lock {path} --reason TEXT` says why")

    def _scoring(self) -> Iterator[Loss]:
        old, new = self._old, self._new
        for score in self._gated:
            before, now = old.measures.get(score), new.measures.get(score)
            if now is None and score in self._flagged:
                yield self._score(score, f"the score {score} is gone, of which --min-{score} demands something")
            elif now is not None and before is not None and now != before:
                yield self._score(score, f"{score} is scored otherwise than before ({_differences(before, now)})")
            elif score in new.calibrated and new.calibrated[score] != old.calibrated.get(score):
                yield self._score(score, f"what is known of the judge of {score} comes with this change")

    def _schemas(self, now: ProjectState, before: ProjectState) -> Iterator[Loss]:
        """An answer of another shape is right when the prompt says so: then the prompt is the measure."""
        shaped = [score for score in self._gated if score in self._old.shaped & self._new.shaped]
        known = {version.output for version in before.prompts.get(self._old.prompt, ())}
        for version in now.prompts.get(self._new.prompt, ()) if shaped and known else ():
            if version.output not in known:
                for score in shaped:
                    text = f"{score} is judged by the prompt's own `output`, which is another in {version.version}"
                    yield self._score(score, text)

    def _part(self, part: Part, text: str) -> Loss:
        return self._told(text, self._given(part=part), f": {{part: {part}, reason: ...}}")

    def _score(self, score: str, text: str) -> Loss:
        return self._told(text, self._given(scorer=score), f": {{scorer: {score}, reason: ...}}")

    def _told(self, text: str, given: Replaced | None, wanted: str) -> Loss:
        return Loss(text, given.reason) if given else Loss(f"{text}, and no `replaces{wanted}` says why")

    def _given(self, **what: str) -> Replaced | None:
        """The explanation that came with this change."""
        new = (each for each in self._new.replaced if each not in self._old.replaced)
        return next((each for each in new if all(getattr(each, key) == value for key, value in what.items())), None)


def _unwatched(now: ProjectState, before: ProjectState) -> Iterator[Loss]:
    """A prompt that went with its suites while another came that none evaluates: the same, perhaps."""
    watched = {suite.prompt for suite in before.suites.values() if suite.prompt}
    gone = [prompt for prompt in sorted(watched) if not _now_named(prompt, now, before)]
    covered = {suite.prompt for suite in now.suites.values()} | {_now_named(p, now, before) for p in before.prompts}
    came = sorted(now.prompts.keys() - before.prompts.keys() - covered)
    if gone and came:
        yield Loss(
            f"{', '.join(gone)} went with what evaluates it, and {', '.join(came)} came, which no suite evaluates"
        )


def _twin(old: SuiteState, now: ProjectState, before: ProjectState) -> SuiteState | None:
    """The new suite that is an old one under another name, its gates aside."""

    def content(suite: SuiteState) -> SuiteState:
        return replace(
            suite,
            gates="",
            demands=(),
            answers="",
            calibrated={},
            shaped=frozenset(),
            asked=("", ""),
            locked="",
            replaced=(),
            timeout=0.0,
        )

    new = (now.suites[name] for name in sorted(now.suites.keys() - before.suites.keys()))
    return next((suite for suite in new if content(suite) == content(old)), None)


def _now_named(prompt: str, now: ProjectState, before: ProjectState) -> str:
    """The prompt's name now: another one that holds some of its content when it is gone; or empty."""
    if prompt in now.prompts:
        return prompt
    known = {version.digest for version in before.prompts.get(prompt, ())}
    new = sorted(now.prompts.keys() - before.prompts.keys())
    return next((name for name in new if known & {version.digest for version in now.prompts[name]}), "")


def _cases(split: str) -> str:
    return f"the cases of split {split}" if split else "all cases"


def _times(suite: SuiteState) -> str:
    least, most = suite.repeats
    return f"{least} to {most} times" if least != most else "once" if most == 1 else f"{most} times"


def _differences(one: dict[str, Any], other: dict[str, Any]) -> str:
    if one.get("kind") != other.get("kind"):
        return f"{other.get('kind')} instead of {one.get('kind')}"
    keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    return ", ".join(DETAILS.get(key, key) for key in keys)


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
