"""Recorded calls asked again of another prompt version, through the one pipeline."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from time import monotonic_ns
from typing import Any

import msgspec

from moat.domain.calls import Call, Caller, Message, new_id, new_trace
from moat.domain.errors import MoatError, PromptError
from moat.domain.releases import PromptRef, PromptVersion
from moat.domain.spans import Span
from moat.domain.usage import Usage
from moat.pipeline.answers import Answer
from moat.pipeline.compose import Next
from moat.pipeline.stages.render import take_variable
from moat.pipeline.stages.resolve import params_of
from moat.ports.prompts import Renderer
from moat.telemetry.traffic import RERUN

FEATURE = RERUN
"""Feature of the calls a rerun makes. They belong to no environment: they are nobody's traffic, and never a sample."""
CONCURRENCY = 8


class Unusable(Exception):
    """A recorded call cannot be asked again; the text says why."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a version answered, then or now."""

    text: str = ""
    tool_calls: list[dict[str, Any]] = []
    refusal: str = ""
    error: str = ""
    latency_ns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int | None = None
    """Picodollars."""
    providers: tuple[str, ...] = ()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded call, taken apart: what the caller said, without what its prompt added."""

    request: str
    version: str
    """That answered then."""
    cluster: str
    """Session, else user, else the call itself: calls of one are not independent."""
    variables: dict[str, Any]
    messages: list[Message]
    from_messages: bool
    """The prompt's one variable is the last of `messages`, and `variables` is empty."""
    params: dict[str, Any]
    """That the caller gave itself."""
    model: str
    """Alias that the caller chose instead of the prompt's; empty when it chose none."""
    recorded_model: str
    stream: bool
    characters: int
    """Of all messages as they were sent."""
    old: Reply

    def alias(self, prompt: PromptVersion | None) -> str:
        """The model alias that a version is asked at, or the question as it was sent."""
        return self.model or (prompt.model if prompt is not None else "") or self.recorded_model


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a rerun will take, from what the same calls took then and how much longer the new prompt is."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost: int | None
    """Picodollars; None when no call has a price."""
    unpriced: int


def question(span: Span, prompt: PromptVersion, renderer: Renderer) -> Question:
    """Take a recorded call apart; `prompt` is the version that answered it. Raises `Unusable`.

    What was sent is the prompt's rendered messages and the caller's own: rendering the prompt once more, with the
    recorded variables, tells which are which.
    """
    asked, answer = recorded_content(span.input, "question"), recorded_content(span.output, "answer")
    variables, sent, params = asked.get("variables", {}), asked.get("messages", []), asked.get("params", {})
    try:
        rendered = renderer.render(prompt, variables)
    except PromptError as error:
        raise Unusable(f"{prompt.id} cannot be rendered with what was recorded: {error}") from None
    own: list[Message] = sent[len(rendered) :]
    taken = sent[: len(rendered)] != rendered
    if taken:
        own = _conversation(sent, rendered, prompt, variables)
    theirs = params_of(prompt)
    return Question(
        request=span.request_id,
        version=span.version,
        cluster=span.session or span.user or span.request_id,
        variables={} if taken else variables,
        messages=own,
        from_messages=taken,
        params={k: v for k, v in params.items() if k != "stream_options" and (k not in theirs or theirs[k] != v)},
        model=span.model if span.model != prompt.model else "",
        recorded_model=span.model,
        stream=span.stream,
        characters=_characters(sent),
        old=_recorded_reply(span, answer),
    )


def question_as_sent(span: Span, model: str = "") -> Question:
    """A recorded call to be asked once more with every message and parameter as it was; `model`: alias to ask
    instead. Raises `Unusable`.

    What its prompt said is a message like the others. A call that ended in an error has no answer to compare with.
    """
    if span.operation not in ("", "chat"):
        raise Unusable(f"it is no chat but {span.operation}")
    asked = recorded_content(span.input, "question")
    answer = {} if span.error else recorded_content(span.output, "answer")
    if not asked.get("messages"):
        raise Unusable("it holds no messages")
    return Question(
        request=span.request_id,
        version=f"{span.prompt}@{span.version}" if span.version else span.prompt,
        cluster=span.session or span.user or span.request_id,
        variables={},
        messages=asked["messages"],
        from_messages=False,
        params={name: value for name, value in asked.get("params", {}).items() if name != "stream_options"},
        model=model,
        recorded_model=span.model,
        stream=span.stream,
        characters=_characters(asked["messages"]),
        old=_recorded_reply(span, answer),
    )


def _recorded_reply(span: Span, answer: dict[str, Any]) -> Reply:
    return Reply(
        text=answer.get("text", ""),
        tool_calls=answer.get("tool_calls", []),
        refusal=answer.get("refusal", ""),
        error=span.error,
        latency_ns=span.duration_ns,
        input_tokens=span.input_tokens,
        output_tokens=span.output_tokens,
        cost=span.cost,
        providers=(span.provider,),
    )


def _conversation(
    sent: list[Message], rendered: list[Message], prompt: PromptVersion, variables: dict[str, Any]
) -> list[Message]:
    """What a client that can send messages only had sent: its conversation stands before the prompt's last message,
    and its last message became the prompt's one variable.
    """
    last = len(rendered) - 1
    required = [name for name, variable in prompt.variables.items() if variable.default is msgspec.UNSET]
    if [*sent[:last], *sent[-1:]] != rendered or len(required) != 1:
        raise Unusable(f"what was sent does not begin with what {prompt.id} renders: was it changed on the way?")
    return [*sent[last:-1], {"role": "user", "content": variables[required[0]]}]


def messages_of(question: Question, prompt: PromptVersion | None, renderer: Renderer) -> list[Message]:
    """Everything that a version would be sent. Raises `PromptError` when its variables are not those recorded."""
    if prompt is None:
        return question.messages
    variables, conversation = question.variables, question.messages
    if question.from_messages:
        variables, conversation = take_variable(prompt, conversation)
    return [*renderer.render(prompt, variables), *conversation]


def estimate(
    questions: Iterable[Question],
    prompt: PromptVersion | None,
    renderer: Renderer,
    price: Callable[[str, Usage], int | None],
) -> Estimate:
    """Tokens and money; `price` has picodollars of an alias's first deployment."""
    usages, costs = [], []
    for asked in questions:
        characters = _characters(messages_of(asked, prompt, renderer))
        scaled = round(asked.old.input_tokens * characters / max(1, asked.characters))
        usage = Usage(input=scaled or -(-characters // 4), output=asked.old.output_tokens)
        usages.append(usage)
        costs.append(price(asked.alias(prompt), usage))
    known = [cost for cost in costs if cost is not None]
    return Estimate(
        calls=len(usages),
        input_tokens=sum(usage.input for usage in usages),
        output_tokens=sum(usage.output for usage in usages),
        cost=sum(known) if known else None,
        unpriced=len(costs) - len(known),
    )


async def replay(
    questions: Sequence[Question],
    prompt: PromptVersion | None,
    ask: Next,
    keep: Callable[[Question, Reply], None],
    *,
    session: str,
) -> None:
    """Ask all of a version, or as they were sent, some at a time; each reply is kept as it comes.

    Cancelling it loses only what is under way.
    """
    todo = iter(questions)

    async def work() -> None:
        for asked in todo:
            keep(asked, await _answer(asked, prompt, ask, session))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(CONCURRENCY, len(questions))):
            group.create_task(work())


async def _answer(asked: Question, prompt: PromptVersion | None, ask: Next, session: str) -> Reply:
    call = call_of(asked, prompt, Caller(feature=FEATURE, session=session))
    reply, failure = await reply_to(call, ask)
    return reply if failure is None else msgspec.structs.replace(reply, error=str(failure))


def call_of(asked: Question, prompt: PromptVersion | None, caller: Caller) -> Call:
    """The call that asks a version, or the question as it was sent, in somebody's name."""
    named = None
    if prompt is not None:
        named = PromptRef(
            name=prompt.name, version=prompt.version, variables=asked.variables, from_messages=asked.from_messages
        )
    return Call(
        id=new_id("req"),
        caller=caller,
        trace=new_trace(),
        model=asked.alias(prompt),
        prompt=named,
        messages=asked.messages,
        params=asked.params,
        stream=asked.stream,
    )


async def reply_to(call: Call, ask: Next) -> tuple[Reply, MoatError | None]:
    """What was answered, and why no more of it was."""
    answer, failed = Answer(), None
    began = monotonic_ns()
    try:
        async with aclosing(ask(call)) as events:
            async for event in events:
                answer.add(event)
    except MoatError as failure:
        failed = failure
    usage = call.journal.usage
    reply = Reply(
        text=answer.text,
        tool_calls=answer.tool_calls,
        refusal=answer.refusal,
        latency_ns=monotonic_ns() - began,
        input_tokens=usage.input,
        output_tokens=usage.output,
        cost=call.journal.cost,
        providers=tuple(sorted({attempt.deployment.provider for attempt in call.journal.attempts})),
    )
    return reply, failed


def recorded_content(value: Any, what: str) -> dict[str, Any]:
    """Recorded content. Raises `Unusable` when it is not there, or not all of it."""
    if not isinstance(value, dict):
        raise Unusable(f"its {what} was not recorded (telemetry.capture_content in moat.yaml)")
    if "truncated" in value:
        raise Unusable(f"its {what} was cut off in the record, at {len(value.get('text', '')):,} characters")
    return value


def _characters(messages: Iterable[Message]) -> int:
    contents = (message.get("content") for message in messages)
    return sum(len(c) if isinstance(c, str) else len(msgspec.json.encode(c)) for c in contents if c is not None)
