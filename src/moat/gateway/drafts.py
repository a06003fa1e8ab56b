"""A call of a draft: the pipeline of production, with a version in it that nobody serves."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from time import monotonic_ns
from typing import Any

from moat.domain.calls import Call, Caller, Delta, new_id, new_trace
from moat.domain.environments import PLAYGROUND
from moat.domain.errors import Unavailable
from moat.domain.keys import Key
from moat.domain.releases import PromptRef, PromptVersion
from moat.gateway.serving import Serving
from moat.pipeline.compose import Next
from moat.pipeline.recipe import build
from moat.ports.drafts import DraftDelta, DraftEvent, DraftFinished, DraftThought, DraftToolCall
from moat.ports.prompts import Prompts, Resolution
from moat.prompts.templates import JinjaRenderer


class Drafted:
    """Implements `moat.ports.prompts.Prompts`: one version is the draft, whatever is served under its number."""

    def __init__(self, prompt: PromptVersion, others: Prompts) -> None:
        self._prompt = prompt
        self._others = others

    def resolve(self, ref: PromptRef, sticky: str) -> Resolution:
        """The draft; what guards ask of other prompts is as it is served."""
        if (ref.name, ref.version) == (self._prompt.name, self._prompt.version):
            return Resolution(self._prompt, None)
        return self._others.resolve(ref, sticky)

    def shadow(self, ref: PromptRef, sticky: str) -> str:
        """None: a try is a single call."""
        return ""


def draft_pipeline(serving: Serving, prompt: PromptVersion) -> Next:
    """Every stage, limit and guard that calls of applications go through.

    Takes as long as compiling the draft does, and raises `PromptError` for what is no template: not for an event loop.
    """
    if serving.ports is None:
        raise Unavailable("this server answers no calls")
    # A renderer of its own: what is typed now is not asked for again, and would push out what is served.
    renderer = JinjaRenderer(cache=1)
    renderer.compile(prompt)
    return build(replace(serving.ports, prompts=Drafted(prompt, serving.prompts), renderer=renderer))


def draft_call(key: Key, prompt: PromptVersion, variables: dict[str, Any], model: str) -> Call:
    """A person's try. It counts as theirs, and neither takes nor leaves an answer in a cache."""
    caller = Caller(
        key=key.id,
        tenant=key.tenant,
        feature=PLAYGROUND,
        user=key.actor,
        environment=PLAYGROUND,
        models=key.models,
        tags=key.tags,
        data_class=key.data_class,
    )
    return Call(
        id=new_id("req"),
        caller=caller,
        trace=new_trace(),
        model=model,
        prompt=PromptRef(name=prompt.name, version=prompt.version, environment=PLAYGROUND, variables=variables),
        stream=True,
        cache="off",
    )


async def draft_events(run: Next, call: Call) -> AsyncGenerator[DraftEvent, None]:
    """The answer piece by piece; its end once it is recorded."""
    reason, began = "", monotonic_ns()
    async with aclosing(run(call)) as events:
        async for event in events:
            if not isinstance(event, Delta):
                reason = event.reason
                continue
            if event.reasoning:
                yield DraftThought(text=event.reasoning)
            if text := event.text + event.refusal:
                yield DraftDelta(text=text)
            for piece in event.tool_calls:
                yield DraftToolCall.of(piece)
    yield _finished(call, reason, monotonic_ns() - began)


def _finished(call: Call, reason: str, duration_ns: int) -> DraftFinished:
    journal, attempt = call.journal, call.journal.answering
    first = attempt.first_token_ns if attempt else 0
    return DraftFinished(
        request_id=call.id,
        trace_id=call.trace.trace_id,
        model=str(attempt.deployment) if attempt else "",
        finish_reason=reason,
        usage=journal.usage,
        cost=journal.cost,
        latency_ms=round(duration_ns / 10**6),
        first_token_ms=round(first / 10**6) if first else None,
        notices=tuple(journal.notices),
    )
