"""A case as a conversation: its first question, then what the user says next, as long as he does."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from moat.domain.calls import Message
from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.judges.user import next_turn
from moat.evals.scorers.scorer import Bench

NOT_RUN = "This tool was not run: the conversation is an evaluation."
"""What follows a tool call when the user goes on: chat formats want a result for each."""


class Said(NamedTuple):
    """One answer, and all that was sent for it."""

    answer: Answered
    sent: Sequence[Message]


Say = Callable[[list[Message]], Awaitable[Said]]
"""Answers after what was said since the case's first question."""

NextTurn = Callable[[Case, Sequence[Message]], Awaitable[str | None]]
"""What a simulated user says next in a conversation, instructions left out; None when he has done."""


def simulated_user(bench: Bench, repeat: int) -> NextTurn:
    """Whoever plays the user of a case, through the run's own pipeline."""

    async def turn(case: Case, messages: Sequence[Message]) -> str | None:
        return await next_turn(bench, case, messages, repeat=repeat)

    return turn


async def converse(case: Case, say: Say, user: NextTurn) -> Answered:
    """Ask, go on with the case's `turns` or its simulated user, and return the last answer with the whole conversation.

    Time, tokens and money are those of all its answers.
    """
    first = await say([])
    answers = [first.answer]
    opening = [message for message in first.sent if message.get("role") not in ("system", "developer")]
    after: list[Message] = []
    scripted = iter(case.turns)
    while True:
        if case.user is not None:
            turn = await user(case, [*opening, *after, assistant_message(answers[-1])])
        else:
            turn = next(scripted, None)
        if turn is None:
            break
        after += [assistant_message(answers[-1]), *_tool_results(answers[-1]), {"role": "user", "content": turn}]
        answers.append((await say(after)).answer)
    return _whole(answers, [*opening, *after])


def assistant_message(answer: Answered) -> Message:
    """An answer as a message of the conversation."""
    message: Message = {"role": "assistant", "content": answer.text}
    if answer.tool_calls:
        message["tool_calls"] = list(answer.tool_calls)
    return message


def _tool_results(answer: Answered) -> list[Message]:
    return [{"role": "tool", "tool_call_id": call.get("id", ""), "content": NOT_RUN} for call in answer.tool_calls]


def _whole(answers: Sequence[Answered], asked: Sequence[Message]) -> Answered:
    last = answers[-1]
    if len(answers) == 1 and not last.tool_calls:
        return last
    costs = [answer.cost for answer in answers]
    return Answered(
        last.text,
        tool_calls=last.tool_calls,
        refusal=last.refusal,
        latency_ns=sum(answer.latency_ns for answer in answers),
        cost=None if None in costs else sum(cost or 0 for cost in costs),
        messages=[*asked, assistant_message(last)],
        context=last.context,
        input_tokens=sum(answer.input_tokens for answer in answers),
        output_tokens=sum(answer.output_tokens for answer in answers),
        trace_id=last.trace_id,
        cached=all(answer.cached for answer in answers),
        providers=frozenset().union(*(answer.providers for answer in answers)),
        first_token_ns=last.first_token_ns,
        finish_reason=last.finish_reason,
    )
