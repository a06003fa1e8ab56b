"""What the tests of scorers are made of: one score of one answer."""

import asyncio

import msgspec

from moat.domain.scores import Case
from moat.evals.scorers import Answered, Bench, scorer_kind


async def unreachable(call):
    raise AssertionError("asks no model")
    yield


def made(options):
    """A scorer from its options, as a suite has them."""
    return msgspec.convert(options, scorer_kind(options["kind"], "here"))


def score(options, answer, *, bench=None, **case):
    """The score of an answer, a text or an `Answered`, to a case."""
    bound = made(options).bind(bench or Bench(ask=unreachable))
    view = answer if isinstance(answer, Answered) else Answered(answer)
    return asyncio.run(bound.score(Case(id="a", **case), view))


def call(name, arguments="{}", id="1"):
    """A tool call in the OpenAI format."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
