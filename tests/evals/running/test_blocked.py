"""What a policy blocks in an evaluation is an answer that refuses, not a failure to measure."""

import pytest

from moat.domain.calls import Delta, Finished
from moat.domain.errors import DataRefused, GuardBlocked, ProviderDown
from moat.evals.running.blocked import refusing
from moat.pipeline.answers import Answer
from moat.testing.fakes import new_call

pytestmark = pytest.mark.anyio


async def answered(*steps):
    async def ask(call):
        for step in steps:
            if isinstance(step, Exception):
                raise step
            yield step

    answer = Answer()
    async for event in refusing(ask)(new_call()):
        answer.add(event)
    return answer


async def test_a_block_is_a_refusal_and_what_had_gone_out_stays() -> None:
    answer = await answered(Delta(text="Ada's "), GuardBlocked("no", where="front/pii"))
    assert answer.text == "Ada's "
    assert answer.refusal.startswith("blocked: ")
    assert answer.finished.reason == "content_filter"


async def test_everything_else_is_as_it_was() -> None:
    assert (await answered(Delta(text="Hello"), Finished(reason="stop"))).text == "Hello"
    with pytest.raises(ProviderDown):
        await answered(ProviderDown("away"))


async def test_what_was_never_asked_is_no_refusal() -> None:
    with pytest.raises(DataRefused):
        await answered(DataRefused("no", where="data"))
