"""One judgement: a judge's prompt, rendered and asked through the one pipeline, and its reply read."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import msgspec

from moat.domain.calls import Call, Caller, Message, new_id, new_trace
from moat.domain.errors import (
    AccessError,
    ConfigError,
    MoatError,
    NoPrice,
    NotFound,
    PromptError,
    Stopped,
    StorageError,
)
from moat.domain.releases import PromptRef, PromptVersion, prompt_digest
from moat.evals.judges.forms import Form, Malformed, Verdict, parse
from moat.evals.judges.material import Pieces, quoted
from moat.pipeline.answers import Answer
from moat.pipeline.compose import Next

TRIES = 2
"""A reply that cannot be used is answered once with what is wrong with it."""
STOPPING = (ConfigError, NotFound, AccessError, StorageError, NoPrice, Stopped)
"""Errors of the set-up, which no other judgement would escape: they end the run, which can be resumed, instead of
becoming scores. A budget that is used up is none: whoever set it stops the run, and leaves out what it cut short."""
RULES = "rules"
"""The variable of a judge's prompt that says how to read the material and how to reply."""
MAX_SHOWN = 500


class Asking(Protocol):
    """Where judges are asked, and in whose name: `moat.evals.scorers.Bench`."""

    @property
    def ask(self) -> Next:
        """The pipeline."""
        ...

    @property
    def caller(self) -> Caller:
        """Whose run it is."""
        ...


class Rubric(msgspec.Struct, frozen=True, kw_only=True):
    """A judge's prompt, as far as asking needs it."""

    name: str
    version: str
    digest: str
    model: str = ""
    required: tuple[str, ...] = ()
    """Variables without a default."""
    optional: tuple[str, ...] = ()
    shaped: bool = False
    """It says itself what form its reply has (`output`, or `response_format`)."""
    tempered: bool = False
    """It says itself how freely the model may answer (`temperature`)."""

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def variables(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.required, *self.optional)


def rubric_of(prompt: PromptVersion) -> Rubric:
    """A prompt as a judge's. Raises `PromptError` when a variable is no text: all material is quoted as text."""
    for name, variable in prompt.variables.items():
        if variable.type != "string":
            raise PromptError(
                f"a judge's variables are text, and `{name}` is of type {variable.type}",
                where=prompt.id,
                remedy="Declare it as `type: string`: lists and objects come as JSON.",
            )
    required = tuple(name for name, variable in prompt.variables.items() if variable.default is msgspec.UNSET)
    return Rubric(
        name=prompt.name,
        version=prompt.version,
        digest=prompt_digest(prompt),
        model=prompt.model,
        required=required,
        optional=tuple(name for name in prompt.variables if name not in required),
        shaped=prompt.output is not None or "response_format" in prompt.params,
        tempered="temperature" in prompt.params,
    )


class Vote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one judge said once."""

    model: str
    """The alias that was asked."""
    repeat: int = 0
    """Of this judge's own repeats."""
    value: float | None = None
    reason: str = ""
    evidence: dict[str, Any] = {}
    error: str = ""
    """Why there is no verdict."""
    cost: int = 0
    """Picodollars; what has no price counts nothing, and `unpriced` says so."""
    unpriced: bool = False
    tries: int = 1
    cached: bool = False
    answered_by: str = ""
    """`provider/model`; empty for an answer from the cache that does not say."""
    trace: str = ""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a judgement depends on."""

    rubric: Rubric
    form: Form
    material: Pieces
    model: str
    feature: str
    repeat: int = 0
    """Which of this judge's repeats."""
    patience_ns: int = 0
    """How long a reply may take; 0: as long as the model's alias allows."""
    call_repeat: int = 0
    """`Call.repeat`: no two repeats, of the case or of the judge, are served one reply."""


async def judgement(asking: Asking, question: Question) -> Vote:
    """Ask once, and once more when the reply cannot be used. Raises only `STOPPING`; other errors are the vote's."""
    cost, unpriced, after = 0, False, list[Message]()
    for number in range(1, TRIES + 1):
        call = _call(asking.caller, question, after)
        vote = Vote(
            model=question.model, repeat=question.repeat, tries=number, trace=call.trace.trace_id, cost=0, error=""
        )
        answer, failure = Answer(), ""
        try:
            async with aclosing(asking.ask(call)) as events:
                async for event in events:
                    answer.add(event)
        except STOPPING:
            raise
        except MoatError as error:
            failure = str(error)
        journal = call.journal
        cost, unpriced = cost + (journal.cost or 0), unpriced or journal.cost is None
        made = journal.answering or journal.origin
        vote = msgspec.structs.replace(
            vote,
            cost=cost,
            unpriced=unpriced,
            cached=journal.cache in ("hit", "similar"),
            answered_by=str(made.deployment) if made else "",
            error=failure,
        )
        if failure:
            return vote
        try:
            return _with(vote, _verdict(question.form, answer))
        except Malformed as problem:
            vote = msgspec.structs.replace(
                vote, error=f"the judge's reply cannot be used: {problem}", evidence={"reply": answer.text[:MAX_SHOWN]}
            )
            after += _complaint(answer, problem)
    return vote


def _call(caller: Caller, question: Question, after: Sequence[Message]) -> Call:
    rubric, form = question.rubric, question.form
    variables = quoted(question.material)
    if RULES in rubric.variables:
        variables[RULES] = form.rules
    params: dict[str, Any] = {}
    if not rubric.tempered:
        params["temperature"] = 0
    if not rubric.shaped:
        params["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "schema": form.schema},
        }
    return Call(
        id=new_id("req"),
        caller=msgspec.structs.replace(caller, feature=question.feature),
        trace=new_trace(),
        model=question.model,
        prompt=PromptRef(name=rubric.name, version=rubric.version, variables=variables),
        messages=list(after),
        params=params,
        repeat=question.call_repeat,
        patience_ns=question.patience_ns,
    )


def _verdict(form: Form, answer: Answer) -> Verdict:
    if answer.finished is not None and answer.finished.reason == "length":
        raise Malformed("it was cut off: it has to be shorter (or the prompt's `max_tokens` larger)")
    if answer.refusal and not answer.text:
        raise Malformed("it refuses to judge")
    return form.read(parse(answer.text))


def _with(vote: Vote, verdict: Verdict) -> Vote:
    return msgspec.structs.replace(vote, value=verdict.value, reason=verdict.reason, evidence=verdict.evidence)


def _complaint(answer: Answer, problem: Malformed) -> list[Message]:
    said = answer.text or answer.refusal or "(nothing)"
    told = f"Your reply cannot be used: {problem}. Reply again, with the one JSON object and nothing else."
    return [{"role": "assistant", "content": said}, {"role": "user", "content": told}]


def missing(rubric: Rubric, material: Mapping[str, object]) -> list[str]:
    """Required variables for which there is no material."""
    return [name for name in rubric.required if name not in material and name != RULES]
