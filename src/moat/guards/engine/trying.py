"""What policies make of one text, without asking any model."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Call, Caller, Delta, Event, Finished, ToolCallDelta, new_id, new_trace
from moat.domain.errors import GuardBlocked
from moat.domain.guards import ASKED, Place, Verdict, strongest
from moat.domain.policies import PolicyConfig, PolicyScope, PolicyTest
from moat.guards.engine.policing import PolicyGuards
from moat.guards.engine.rules import Policy, Rule
from moat.guards.remote import RemoteDetector
from moat.pipeline.answers import Answer
from moat.ports.guards import Watch


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a text."""

    action: str
    """The strongest thing that was done; `pass` when nothing was."""
    verdicts: tuple[Verdict, ...]
    becomes: str
    """The text as it goes on; empty when it does not."""


def asks(rule: Rule) -> bool:
    """Does it ask a model?"""
    return isinstance(rule.detector, RemoteDetector)


async def tried(policies: Sequence[Policy], text: str, place: Place = "input", tool: str = "tool") -> Tried:
    """Let policies look at a text, whomever they are for. `tool`: whose arguments it is. No person is asked, and no
    model: guards that would ask one are left out.
    """
    guards = PolicyGuards([_everywhere(policy) for policy in policies])
    call = _call(text, place)
    watch = guards.watch(call)
    if watch is None:
        return Tried(action="pass", verdicts=(), becomes=text)
    try:
        becomes = await (_asked(watch, call, place) if place in ASKED else _answered(watch, call, text, place, tool))
    except GuardBlocked:
        becomes = ""
    verdicts = tuple(call.journal.verdicts)
    return Tried(action=strongest(verdicts) or "pass", verdicts=verdicts, becomes=becomes)


async def broken(policy: Policy, test: PolicyTest) -> str:
    """How a policy's example comes out otherwise than it says; empty when it does not."""
    return problem(test, await tried([policy], test.text, test.at, test.tool))


def problem(test: PolicyTest, found: Tried) -> str:
    """How that is not what an example says; empty when it is."""
    kinds = {finding.kind for verdict in found.verdicts for finding in verdict.findings}
    failed = [f"{verdict.guard}: {verdict.not_run}" for verdict in found.verdicts if verdict.not_run]
    if failed:
        return f"did not run: {'; '.join(failed)}"
    if found.action != test.expect:
        return f"expected {test.expect}, got {found.action} ({', '.join(sorted(kinds)) or 'nothing found'})"
    if missing := sorted(set(test.finds) - kinds):
        return f"did not find {', '.join(missing)}, but {', '.join(sorted(kinds)) or 'nothing'}"
    if test.becomes is not None and found.becomes != test.becomes:
        return f"becomes {found.becomes!r}, not {test.becomes!r}"
    return ""


def _everywhere(policy: Policy) -> Policy:
    config: PolicyConfig = replace(policy.config, when=PolicyScope())
    return Policy(config, tuple(rule for rule in policy.rules if not asks(rule)), policy.file)


def _call(text: str, place: Place) -> Call:
    questions: dict[str, list[dict[str, Any]]] = {
        "input": [{"role": "user", "content": text}],
        "documents": [{"role": "user", "content": [{"type": "document", "text": text}]}],
        "tool_results": [{"role": "tool", "tool_call_id": "call_1", "content": text}],
    }
    messages = questions.get(place, [])
    return Call(id=new_id("req"), caller=Caller(), trace=new_trace(), model="none", messages=messages)


async def _asked(watch: Watch, call: Call, place: Place) -> str:
    asked = await watch.ask(call)
    if asked.answer:
        return _text(asked.answer, place)
    content = asked.call.messages[-1]["content"]
    text: str = content if isinstance(content, str) else content[-1]["text"]
    return text


async def _answered(watch: Watch, call: Call, text: str, place: Place, tool: str) -> str:
    hearing = watch.listen(call)
    piece = ToolCallDelta(id="call_1", name=tool, arguments=text)
    event = Delta(text=text) if place == "output" else Delta(tool_calls=(piece,))
    if hearing is None:
        return text
    try:
        passed = [*await hearing.hear(event), *await hearing.hear(Finished(reason="stop"))]
        ending = await hearing.end()
    finally:
        hearing.close()
    return "" if ending.again is not None else _text([*passed, *ending.events], place)


def _text(events: Sequence[Event], place: Place) -> str:
    answer = Answer()
    for event in events:
        answer.add(event)
    if place != "tool_arguments":
        return answer.text
    return "".join(made["arguments"] for made in answer.calls.values())
