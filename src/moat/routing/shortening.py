"""A conversation that is too long, without its oldest turns."""

from collections.abc import Sequence
from typing import NamedTuple

from moat.domain.calls import Message
from moat.pipeline.estimates import message_tokens

INSTRUCTIONS = ("system", "developer")


class Shortened(NamedTuple):
    """What is left, and what was taken away."""

    messages: list[Message]
    turns: int
    tokens: int
    """Estimated."""


def shorten(messages: Sequence[Message], tokens: int) -> Shortened:
    """Leave out the oldest turns until at least so many tokens are gone, or nothing more may go.

    A turn is a user's message and what follows it. What follows the last user's message is taken apart further: into
    an assistant's message with the results of its tool calls. These stay: instructions, the last user's message, the
    newest turn. A tool call and its result go together, wherever they stand.
    """
    turns = _turns(messages)
    left_out: set[int] = set()
    gone = count = 0
    for turn in _expendable(messages, turns):
        if gone >= tokens:
            break
        count += 1
        gone += sum(message_tokens(messages[index]) for index in turn)
        left_out.update(turn)
    return Shortened([message for index, message in enumerate(messages) if index not in left_out], count, gone)


def _expendable(messages: Sequence[Message], turns: list[list[int]]) -> list[list[int]]:
    last_user = _last_user(messages)
    return [turn for turn in turns[:-1] if last_user not in turn]


def _last_user(messages: Sequence[Message]) -> int:
    users = [index for index, message in enumerate(messages) if message.get("role") == "user"]
    return users[-1] if users else -1


def _turns(messages: Sequence[Message]) -> list[list[int]]:
    """Positions of all messages but instructions, by turn, oldest first."""
    last_user = _last_user(messages)
    turns: list[list[int]] = []
    made_in: dict[str, int] = {}
    for index, message in enumerate(messages):
        role = message.get("role")
        if role in INSTRUCTIONS:
            continue
        if not turns or role == "user" or (role == "assistant" and index > last_user):
            turns.append([])
        if role == "tool":
            # A result that comes late holds everything since its call together.
            home = made_in.get(str(message.get("tool_call_id")), len(turns) - 1)
            turns[home:] = [[position for turn in turns[home:] for position in turn]]
            made_in = {id: min(at, home) for id, at in made_in.items()}
        turns[-1].append(index)
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            made_in[str(call.get("id"))] = len(turns) - 1
    return turns
