"""Tokens, time and money of each try."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from moat.domain.calls import Attempt, Call, Delta, Event, Finished, Message, new_span_id
from moat.domain.errors import ClientClosed, Stopped, StreamCut
from moat.domain.usage import Usage, estimate_tokens
from moat.pipeline.compose import Next
from moat.pipeline.endings import explain
from moat.pipeline.ports import Ports

_ABANDONED = (ClientClosed.code, Stopped.code)
"""Ends of a try that was under way: the provider may bill it."""


class Meter:
    """Notes an `Attempt` in the journal, complete when the try ends: finished, failed or abandoned."""

    def __init__(self, ports: Ports) -> None:
        self._clock = ports.clock
        self._prices = ports.prices

    async def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Watch the events of one try."""
        assert call.deployment is not None, "Attempts sets the deployment"
        clock = self._clock
        began = clock.monotonic_ns()
        attempt = Attempt(
            span_id=new_span_id(),
            deployment=call.deployment,
            started_ns=clock.now_ns(),
        )
        call.journal.attempts.append(attempt)
        sent: str | None = None
        finished: Finished | None = None
        try:
            async with aclosing(next(call)) as events:
                async for event in events:
                    if isinstance(event, Delta):
                        if sent is None:
                            sent, attempt.first_token_ns = "", clock.monotonic_ns() - began
                        sent += event.text
                    else:
                        finished = event
                    yield event
            if finished is None:
                raise StreamCut("the answer ended without its end", where=f"provider {call.deployment.provider}")
        except BaseException as error:
            if finished is None:
                attempt.fail(explain(error))
            raise
        finally:
            attempt.duration_ns = clock.monotonic_ns() - began
            self._settle(call, attempt, finished, sent)

    def _settle(self, call: Call, attempt: Attempt, finished: Finished | None, sent: str | None) -> None:
        if finished is not None:
            attempt.finish_reason = finished.reason
            attempt.model_answered = finished.model
        if finished is not None and finished.usage is not None:
            attempt.usage = _plausible(finished.usage)
        elif finished is not None or sent is not None or attempt.error in _ABANDONED:
            attempt.usage = _estimate(call, sent or "")
        alias = call.plan.alias if call.plan else call.model
        attempt.cost = self._prices.cost(attempt.deployment, alias, attempt.usage)


MAX_TOKENS = 10**9
"""No answer has more; a provider that says so is mistaken, and its number would not fit into any record."""


def _plausible(usage: Usage) -> Usage:
    """What the provider reported; counts beyond belief are cut and the usage is flagged as estimated."""
    counts = {
        name: min(max(getattr(usage, name), 0), MAX_TOKENS)
        for name in ("input", "output", "cached", "cache_write", "reasoning")
    }
    if all(getattr(usage, name) == count for name, count in counts.items()):
        return usage
    return Usage(**counts, estimated=True)


IMAGE_TOKENS = 765
"""OpenAI's count for a 1,024 x 1,024 image in high detail."""


def _estimate(call: Call, sent: str) -> Usage:
    """The provider worked and reported nothing: count characters, and say that it is an estimate."""
    tools = call.params.get("tools")
    asked = sum(_tokens(message) for message in call.messages)
    asked += estimate_tokens(msgspec.json.encode(tools).decode()) if tools else 0
    return Usage(input=asked, output=estimate_tokens(sent), estimated=True)


def _tokens(message: Message) -> int:
    """Text by its length, any other part (an image, a file) by a flat number: its bytes are not tokens."""
    content = message.get("content")
    if isinstance(content, str):
        return estimate_tokens(content)
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
    return sum(estimate_tokens(text) if isinstance(text, str) else IMAGE_TOKENS for text in texts)
