"""Cases from what was recorded: calls, what people thought of them, and what they say the answer should have been.

Nothing is taken that was not captured: a call without its content is left out, and counted. Whoever it came from
stays out: sessions and users become the name of a cluster, made of their hash.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Message
from moat.domain.errors import DatasetError
from moat.domain.releases import PromptVersion, digest
from moat.domain.scores import Case
from moat.domain.spans import Span
from moat.evals.rerun import Unusable, question, recorded_content
from moat.pipeline.stages.render import take_variable
from moat.ports.prompts import Renderer
from moat.prompts.personal import masked_personal
from moat.prompts.secrets import masked_secrets


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said about an answer. Further members are passed over."""

    trace: str = ""
    """Trace or request that the answer belongs to."""
    case: str = ""
    """Or the case of this dataset that it is about."""
    id: str = ""
    score: float | None = None
    """0 (bad) to 1 (good)."""
    correction: Any = None
    """What the answer should have been: becomes `expected`."""
    labels: dict[str, Any] = {}
    """Facts about a right answer: added to the case's labels."""


class Grown(msgspec.Struct, frozen=True, kw_only=True):
    """What is new, and why the rest is not."""

    cases: tuple[Case, ...]
    left_out: dict[str, int]
    """How many, by reason."""


def recorded_case(call: Span, prompt: PromptVersion | None, renderer: Renderer) -> Case:
    """A recorded call as a case: variables and messages as the caller gave them.

    `prompt` is the version that answered, None for a call that named none. Raises `Unusable` for one whose content
    was not captured, or not all of it.
    """
    variables: dict[str, Any] = {}
    if prompt is None:
        messages: list[Message] = recorded_content(call.input, "question").get("messages", [])
    else:
        asked = question(call, prompt, renderer)
        variables, messages = asked.variables, asked.messages
        if asked.from_messages:
            variables, messages = take_variable(prompt, messages)
            if messages:
                raise Unusable("a conversation stands before the prompt's last message, and no case can say so")
    if not variables and not messages:
        raise Unusable("it says nothing that is not the prompt's own")
    return Case(
        id=call.request_id or call.trace_id,
        variables=variables,
        messages=messages,
        cluster=_whose(call),
        source=f"trace:{call.request_id or call.trace_id}",
    )


def judged_case(case: Case, said: Feedback, kind: Literal["feedback", "review"]) -> Case:
    """A recorded case with what a person said about its answer."""
    return replace(
        case,
        expected=said.correction if said.correction is not None else case.expected,
        labels={**case.labels, **said.labels},
        source=f"{kind}:{said.id or said.trace or said.case}",
    )


def corrected(cases: Sequence[Case], feedback: Iterable[Feedback], kind: Literal["feedback", "review"]) -> list[Case]:
    """A dataset with what people said about its cases. Raises `DatasetError` for a case that there is not."""
    found = {case.id: case for case in cases}
    for said in feedback:
        if said.case not in found:
            raise DatasetError(f"there is no case {said.case!r}", remedy="The dataset's ids: `moat dataset show NAME`.")
        found[said.case] = judged_case(found[said.case], said, kind)
    return list(found.values())


def grown(there: Iterable[Case], new: Iterable[Case], left_out: Iterable[str] = ()) -> Grown:
    """What of some cases is not in a dataset yet: neither under its id or source, nor with the same question."""
    known = {key for case in there for key in _keys(case)}
    reasons = Counter(left_out)
    taken: list[Case] = []
    for case in new:
        keys = _keys(case)
        if known.isdisjoint(keys):
            taken.append(case)
            known |= keys
        else:
            reasons["is there already, or asks the same"] += 1
    return Grown(cases=tuple(taken), left_out=dict(reasons))


def redacted(case: Case) -> Case:
    """A case whose texts hold no data about people and no credentials, as far as their formats tell."""
    return replace(
        case,
        variables=_masked(case.variables),
        messages=_masked(case.messages),
        expected=_masked(case.expected),
        labels=_masked(case.labels),
        turns=_masked(case.turns),
        context=_masked(case.context),
    )


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return masked_secrets(masked_personal(value))
    if isinstance(value, list):
        return [_masked(member) for member in value]
    if isinstance(value, dict):
        return {key: _masked(member) for key, member in value.items()}
    return value


def _keys(case: Case) -> set[str]:
    asked = digest({"variables": case.variables, "messages": case.messages, "turns": case.turns})
    return {f"id {case.id}", asked, *([f"source {case.source}"] if case.source else [])}


def _whose(call: Span) -> str:
    whose = f"session\0{call.session}" if call.session else f"user\0{call.user}" if call.user else ""
    name = "session" if call.session else "user"
    return f"{name}-{hashlib.sha256(whose.encode()).hexdigest()[:12]}" if whose else ""
