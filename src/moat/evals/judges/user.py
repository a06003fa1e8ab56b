"""A model that plays the user of a conversation."""

from collections.abc import Sequence
from contextlib import aclosing

import msgspec

from moat.domain.calls import Call, Message, new_id, new_trace
from moat.domain.errors import ConfigError, NotFound, ProviderRefused
from moat.domain.releases import PromptRef
from moat.domain.scores import Case
from moat.evals.judges.asking import Asking
from moat.evals.judges.material import quoted, text_of
from moat.pipeline.answers import Answer

PROMPT, VERSION = "judges/user", "1.0.0"
DONE = "DONE"
"""What it says when it has what it wanted, or gives up."""


async def next_turn(
    asking: Asking, case: Case, messages: Sequence[Message], *, turn: int | None = None, repeat: int = 0
) -> str | None:
    """What the simulated user says next; None when he is done, or has had his `max_turns`.

    `messages` is the conversation so far, the last answer included; `turn` counts what he said after his first
    question (default: taken from the messages), `repeat` is that of the case. The prompt is the project's
    `judges/user@1.0.0`, and its model the one that plays. Raises a `MoatError` when it cannot be asked, or says
    nothing.
    """
    user = case.user
    if user is None:
        return None
    taken = _taken(case, messages) if turn is None else turn
    if taken >= user.max_turns:
        return None
    said = [(f"message by {_name(message)}", text_of(message)) for message in messages if _is_heard(message)]
    material = {
        "conversation": said,
        "goal": [("goal", user.goal)],
        "persona": [("persona", user.persona or "anybody")],
    }
    call = Call(
        id=new_id("req"),
        caller=msgspec.structs.replace(asking.caller, feature="judge:user"),
        trace=new_trace(),
        prompt=PromptRef(name=PROMPT, version=VERSION, variables=quoted(material)),
        repeat=repeat,
    )
    answer = Answer()
    try:
        async with aclosing(asking.ask(call)) as events:
            async for event in events:
                answer.add(event)
    except NotFound as error:
        raise ConfigError(
            f"nobody can play the user: {error.what}",
            where=f"case {case.id}",
            remedy=f"`moat judge add user` writes the prompt {PROMPT}@{VERSION}, for a model of moat.yaml.",
        ) from None
    text = answer.text.strip()
    if not text:
        raise ProviderRefused("the model that plays the user said nothing", where=f"{PROMPT}@{VERSION}", status=422)
    return None if text.strip(" .!\"'`").upper() == DONE else text


def _taken(case: Case, messages: Sequence[Message]) -> int:
    before, now = ([m for m in some if m.get("role") == "assistant"] for some in (case.messages, messages))
    return len(now) - len(before) - 1


def _is_heard(message: Message) -> bool:
    return message.get("role") in ("user", "assistant") and bool(text_of(message))


def _name(message: Message) -> str:
    return "you" if message.get("role") == "user" else "the assistant"
