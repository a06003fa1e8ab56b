"""A few real calls on a release before users meet it."""

import asyncio
from contextlib import aclosing

import jsonschema_rs
import msgspec

from moat.bootstrap.evaluating import Evaluating
from moat.domain.calls import Call, Caller, new_id, new_trace
from moat.domain.environments import EVALS
from moat.domain.errors import ConflictError, MoatError
from moat.domain.releases import PromptRef, PromptVersion, Release
from moat.domain.scores import Case
from moat.evals.datasets.fitting import given
from moat.evals.suites import Suite
from moat.pipeline.answers import Answer
from moat.pipeline.compose import Next

CASES = 3


class Smoked(msgspec.Struct, frozen=True, kw_only=True):
    """One call, and what was wrong with it."""

    case: str
    flaw: str = ""
    """Empty when the answer was complete, not empty, and fitted the prompt's output schema."""


def smoke(evaluating: Evaluating, release: Release) -> list[Smoked]:
    """The first cases of a suite that covers the prompt, asked of exactly what was released, on the one pipeline.

    Raises `ConflictError` when no suite covers the prompt: then nothing is known that could be asked.
    """
    suite = next((suite for suite in evaluating.suites.values() if suite.prompt == release.prompt), None)
    if suite is None:
        raise ConflictError(
            f"no suite covers {release.prompt!r}, so that nothing is known to smoke it with",
            remedy="Write one below evals/, or skip this with `--no-smoke`.",
        )
    return asyncio.run(_smoke(evaluating, suite, release.content))


async def _smoke(evaluating: Evaluating, suite: Suite, prompt: PromptVersion) -> list[Smoked]:
    target = evaluating.target(suite, prompt)
    async with evaluating.pipeline(prompt) as ask:
        cases = target.dataset.cases[:CASES]
        return [Smoked(case=case.id, flaw=await _flaw(ask, case, prompt, target.alias)) for case in cases]


async def _flaw(ask: Next, case: Case, prompt: PromptVersion, model: str) -> str:
    call = Call(
        id=new_id("req"),
        caller=Caller(feature="smoke", environment=EVALS),
        trace=new_trace(),
        model=model,
        prompt=PromptRef(name=prompt.name, version=prompt.version, variables=given(case, prompt)),
        messages=case.messages,
    )
    answer = Answer()
    try:
        async with aclosing(ask(call)) as events:
            async for event in events:
                answer.add(event)
    except MoatError as error:
        return str(error)
    if not (answer.text.strip() or answer.tool_calls):
        return "the answer is empty"
    return "" if prompt.output is None or answer.tool_calls else _misfit(answer.text, prompt.output)


def _misfit(text: str, schema: dict[str, object]) -> str:
    try:
        error = next(
            iter(jsonschema_rs.validator_for(schema, offline=True).iter_errors(msgspec.json.decode(text))), None
        )
    except msgspec.DecodeError:
        return "the answer is not JSON, as `output` demands"
    return "" if error is None else f"the answer does not fit `output`: {error.message}"
