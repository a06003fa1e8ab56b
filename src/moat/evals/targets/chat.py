"""Prompt versions and bare models: what the one pipeline answers."""

from collections.abc import Sequence
from contextlib import aclosing
from time import monotonic_ns
from typing import Any

import msgspec

from moat.domain.calls import Call, Message, Trace, new_id, new_trace
from moat.domain.errors import DatasetError, ProviderDown
from moat.domain.releases import PromptRef, PromptVersion, digest, prompt_digest
from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.datasets.fitting import given
from moat.evals.scorers.scorer import Bench
from moat.evals.targets.conversation import Said, converse, simulated_user
from moat.evals.targets.reply import sound
from moat.pipeline.answers import Answer

INPUT = "input"
"""The variable that a bare model is asked with."""


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """What prompt versions and bare models have in common."""

    model: str
    """The alias that answers."""
    bench: Bench | None = None

    async def answer(self, case: Case, repeat: int) -> Answered:
        """Answer a case, turn by turn. Raises a `MoatError` when there is no answer."""
        assert self.bench is not None, "a target is bound before it answers"
        trace, bench = new_trace(), self.bench

        async def say(after: list[Message]) -> Said:
            return await self._say(case, repeat, trace if not after else trace.child(), after)

        answer = await converse(case, say, simulated_user(bench, repeat))
        try:
            return sound(answer)
        except ValueError as error:
            raise ProviderDown(str(error), where=self.model) from None

    def asked(self, case: Case) -> dict[str, Any]:
        """What of a call depends on the kind: its prompt, its parameters, the messages it begins with."""
        raise AssertionError("a kind says what it asks")

    async def _say(self, case: Case, repeat: int, trace: Trace, after: Sequence[Message]) -> Said:
        assert self.bench is not None, "a target is bound before it answers"
        asked = self.asked(case)
        call = Call(
            id=new_id("req"),
            caller=self.bench.caller,
            trace=trace,
            model=self.model,
            repeat=repeat,
            **(asked if not after else {**asked, "messages": [*asked["messages"], *after]}),
        )
        answer = Answer()
        began = monotonic_ns()
        async with aclosing(self.bench.ask(call)) as events:
            async for event in events:
                answer.add(event)
        sent = call.journal.sent
        return Said(answered(call, answer, monotonic_ns() - began), sent.messages if sent else call.messages)


class PromptTarget(Chat, frozen=True, kw_only=True):
    """Implements `moat.evals.targets.target.Target` for a version of a prompt."""

    prompt: PromptVersion

    @property
    def name(self) -> str:
        """`support/answer@1.1.0`."""
        return self.prompt.id

    @property
    def digest(self) -> str:
        """Of the version's content."""
        return prompt_digest(self.prompt)

    def bind(self, bench: Bench) -> "PromptTarget":
        """Ask through this pipeline."""
        return msgspec.structs.replace(self, bench=bench)

    def asked(self, case: Case) -> dict[str, Any]:
        """The prompt with the case's variables, then the case's own messages."""
        ref = PromptRef(name=self.prompt.name, version=self.prompt.version, variables=given(case, self.prompt))
        return {"prompt": ref, "messages": case.messages}


class ModelTarget(Chat, frozen=True, kw_only=True):
    """Implements `moat.evals.targets.target.Target` for a model without a prompt."""

    system: str = ""
    params: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """`model assistant`."""
        return f"model {self.model}"

    @property
    def digest(self) -> str:
        """Of everything that is sent besides the case. What stands behind the alias is in the run."""
        return digest({"model": self.model, "system": self.system, "params": self.params})

    def bind(self, bench: Bench) -> "ModelTarget":
        """Ask through this pipeline."""
        return msgspec.structs.replace(self, bench=bench)

    def asked(self, case: Case) -> dict[str, Any]:
        """The case's messages, and its variable `input` as the user's last one. Raises `DatasetError` for neither."""
        question = case.variables.get(INPUT)
        if question is None and not case.messages:
            raise DatasetError("a model without a prompt is asked nothing", where=case.id, remedy=NOTHING_ASKED)
        messages = [{"role": "system", "content": self.system}] if self.system else []
        messages += case.messages
        if question is not None:
            messages.append({"role": "user", "content": question if isinstance(question, str) else _text(question)})
        return {"messages": messages, "params": self.params}


NOTHING_ASKED = f"Give the case `messages`, or the variable `{INPUT}`."


def answered(call: Call, answer: Answer, latency_ns: int) -> Answered:
    """What came of a call, as scorers see it: of an answer from a cache, what it took when it was made."""
    journal = call.journal
    origin = journal.origin
    usage = journal.usage if origin is None else origin.usage
    attempts = journal.attempts if origin is None else [origin]
    answering = journal.answering if origin is None else origin
    return Answered(
        answer.text or answer.refusal,
        tool_calls=answer.tool_calls,
        refusal=answer.refusal,
        latency_ns=latency_ns if origin is None else origin.duration_ns,
        cost=journal.cost if origin is None else origin.cost,
        input_tokens=usage.input,
        output_tokens=usage.output,
        trace_id=call.trace.trace_id,
        cached=journal.cache == "hit",
        providers=frozenset(attempt.deployment.provider for attempt in attempts),
        first_token_ns=answering.first_token_ns if answering else 0,
        finish_reason=answer.finished.reason if answer.finished else "",
    )


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
