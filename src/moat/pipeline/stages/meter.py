"""Tokens, time and money of each try: held and written down before it is sent, settled when it ends."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec.structs import replace

from moat.domain.calls import Attempt, Call, Delta, Event, Finished, new_span_id
from moat.domain.errors import LimitExceeded, MoatError, RequestError, StreamCut
from moat.pipeline.billing import Reserve, Seen, billed
from moat.pipeline.compose import Next
from moat.pipeline.endings import explain
from moat.pipeline.estimates import ELSEWHERE, stated_output
from moat.pipeline.ports import Ports
from moat.pipeline.spans import unknown_outcome
from moat.ports.ledger import Hold, Spending


class Meter:
    """Notes an `Attempt` in the journal, complete when the try ends: finished, failed or abandoned.

    Before it is sent, the most it may cost is held in every budget that applies, and the spool is told: a process
    that dies leaves no try unrecorded.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._clock = ports.clock

    async def __call__(self, call: Call, next: Next) -> AsyncGenerator[Event, None]:
        """Watch the events of one try."""
        attempt, reserve = self._new(call), Reserve(call, self._ports)
        hold, call = await self._hold(call, reserve)
        began = self._clock.monotonic_ns()
        seen = Seen()
        failure: MoatError | None = None
        finished: Finished | None = None
        try:
            cost = reserve.cost(reserve.output)
            attempt.intent = self._ports.spool.begin(unknown_outcome(call, attempt, reserve.usage, cost))
            call.journal.attempts.append(attempt)
            below = call.trace.below(attempt.span_id)
            async with aclosing(next(replace(call, trace=below))) as events:
                async for event in events:
                    if isinstance(event, Delta):
                        if not seen.anything and not event.only_counts:
                            attempt.first_token_ns = self._clock.monotonic_ns() - began
                        seen.add(event)
                    else:
                        finished = event
                        attempt.finish_reason, attempt.model_answered = event.reason, event.model
                        attempt.fingerprint = event.fingerprint
                    yield event
            if finished is None:
                raise StreamCut("the answer ended without its end", where=f"provider {attempt.deployment.provider}")
        except BaseException as error:
            if finished is None:
                failure = explain(error)
                attempt.fail(failure)
            raise
        finally:
            attempt.duration_ns = self._clock.monotonic_ns() - began
            attempt.usage = billed(call, failure, finished, seen, reserve)
            self._price(attempt)
            if hold is not None:
                hold.settle(Spending(attempt.usage.total, attempt.cost))
            del failure  # its traceback holds this frame

    def _new(self, call: Call) -> Attempt:
        assert call.deployment is not None, "Attempts sets the deployment"
        return Attempt(
            span_id=new_span_id(),
            deployment=call.deployment,
            alias=call.plan.alias if call.plan else call.model,
            started_ns=self._clock.now_ns(),
            price_version=self._ports.prices.version,
        )

    async def _hold(self, call: Call, reserve: Reserve) -> tuple[Hold | None, Call]:
        """Room in the budgets, and the call with as long an answer as there is room for."""
        ledger = self._ports.ledger
        if ledger is None or not ledger.watches(call):
            return None, call
        hold = await ledger.hold(call, reserve.worst)
        try:
            return hold, told(call, hold, reserve)
        except MoatError:
            hold.settle(Spending(0, 0))
            raise
        finally:
            reserve.output = hold.output

    def _price(self, attempt: Attempt) -> None:
        attempt.cost = self._ports.prices.cost(attempt.deployment, attempt.alias, attempt.usage)
        if attempt.cost is None:
            attempt.price_version = ""


LONGER = ("max_output_tokens", "max_new_tokens", "num_predict", "n_predict", "max_gen_len", "max_length", "options")
"""Parameters by which some servers take another length than the one that was held for."""


def told(call: Call, hold: Hold, reserve: Reserve) -> Call:
    """The call, with an answer that may be as long as there is room for: a budget holds only what the model is told.

    Raises `LimitExceeded` and `RequestError`.
    """
    if reserve.worst.fixed or not hold.bounds:
        return call
    for name in (*LONGER, *ELSEWHERE):
        if name in call.params:
            remedy = "Use `max_tokens`." if name in LONGER else "Leave it out, or make it an alias in moat.yaml."
            raise RequestError("a budget applies, which this could pass", where=name, remedy=remedy)
    if stated_output(call) and hold.output >= reserve.output:
        return call
    length = hold.output // reserve.choices
    if length < 1:
        raise LimitExceeded("there is no room for an answer to each choice", where="n", remedy="Ask for fewer.")
    name = "max_completion_tokens" if "max_completion_tokens" in call.params else "max_tokens"
    notice = f"a limit applies: the answer may have {length} tokens"
    if notice not in call.journal.notices:
        call.journal.notices.append(notice)
    return replace(call, params={**call.params, name: length})
