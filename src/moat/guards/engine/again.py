"""What happens in place of an answer that a guard did not accept."""

from msgspec.structs import replace

from moat.domain.calls import Call, Delta, Finished
from moat.domain.policies import FallbackConfig
from moat.guards.engine.notes import Notes
from moat.ports.guards import Ending

MAX_NOTES = 10
"""Findings that a model is told when it is asked again."""


def asked_again(call: Call, notes: Notes, answer: str) -> Call:
    """The call with the answer, and what is wrong with it, as further messages."""
    wrong = dict.fromkeys(finding.note or finding.kind.replace("_", " ") for finding in notes.findings)
    told = "\n".join(f"- {each}" for each in list(wrong)[:MAX_NOTES])
    said = [{"role": "assistant", "content": answer}] if answer else []
    wish = f"That answer was not accepted:\n{told}\nAnswer again, to the same question, without this."
    call.journal.notices.append(f"asked again: the guard {notes.rule.name} did not accept the answer")
    if call.operation != "chat":  # the same question, and not the same answer from a cache
        return replace(call, cache="refresh" if call.cache == "use" else call.cache)
    return replace(call, messages=[*call.messages, *said, {"role": "user", "content": wish}])


def instead(call: Call, fallback: FallbackConfig, notes: Notes, refused: str = "the answer") -> Ending:
    """What `fallback` says: another model, or a fixed answer. `refused`: what the guard did not accept, in words.
    Raises `GuardBlocked` where no text can be the answer.
    """
    guard = notes.rule.name
    if fallback.model:
        call.journal.notices.append(f"{fallback.model} answers: the guard {guard} did not accept {refused}")
        return Ending((), replace(call, model=fallback.model))
    if call.operation != "chat":
        raise notes.blocked()
    call.journal.notices.append(f"a fixed answer: the guard {guard} did not accept {refused}")
    return Ending((Delta(text=fallback.answer), Finished(reason="content_filter")), accepted=False)
