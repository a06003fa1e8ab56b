"""Concurrency gives way to what providers bear."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from moat.domain.calls import Deployment
from moat.domain.errors import ProviderOverloaded, ProviderTimeout
from moat.domain.quotas import Quota, Window
from moat.evals.runner import PATIENCE, execute
from moat.evals.running.means import Means
from moat.evals.running.pacing import START, Pacer
from moat.testing.fakes import FakeClock
from tests.evals.worlds import FileRuns, a_target, answers

AT = Deployment("fake", "m")


async def answered(pacer, count, seconds=0.001):
    for _ in range(count):
        async with AsyncExitStack() as stack:
            for _ in range(pacer.limit):
                await stack.enter_async_context(pacer)
            pacer.note(AT, None, round(seconds * 1e9), pacer.check(AT))


@pytest.mark.anyio
async def test_it_grows_with_answers_up_to_the_most():
    pacer = Pacer(20)
    assert pacer.limit == START
    await answered(pacer, 30)
    assert pacer.limit == 20
    assert Pacer(3).limit == 3


@pytest.mark.anyio
async def test_a_refusal_halves_it_once_for_all_that_were_under_way():
    pacer = Pacer(64)
    await answered(pacer, 56)
    assert pacer.limit == 64
    numbers = [pacer.check(AT) for _ in range(64)]
    for number in numbers:
        pacer.note(AT, ProviderOverloaded("429", retry_after=0.0), 0, number)
    assert pacer.limit == 32
    pacer.note(AT, ProviderTimeout("late"), 0, pacer.check(AT))
    assert pacer.limit == 16
    await answered(pacer, 16)
    assert pacer.limit == 16, "then it grows by about one for a round of answers"
    await answered(pacer, 4)
    assert pacer.limit == 17


@pytest.mark.anyio
async def test_answers_that_queue_shrink_it():
    pacer = Pacer(64)
    await answered(pacer, 56, seconds=0.1)
    await answered(pacer, 40, seconds=2.0)
    assert pacer.limit < 16


@pytest.mark.anyio
async def test_rate_limit_headers_bound_it_before_anything_is_refused():
    pacer = Pacer(64)
    await answered(pacer, 56)
    pacer.report(AT, Quota(requests=Window(5, 60.0)))
    assert pacer.limit == 5
    for _ in range(100):
        pacer.check(AT, tokens=1000)
    pacer.report(AT, Quota(tokens=Window(2500, 60.0)))
    assert pacer.limit == 2
    began = asyncio.get_running_loop().time()
    pacer.report(AT, Quota(requests=Window(0, 0.2)))
    async with pacer:
        assert asyncio.get_running_loop().time() - began >= 0.19


@pytest.mark.anyio
async def test_no_more_are_under_way_than_it_allows():
    pacer, under_way, most = Pacer(4), 0, 0

    async def one():
        nonlocal under_way, most
        async with pacer:
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1

    await asyncio.gather(*(one() for _ in range(50)))
    assert most == 4


@pytest.mark.anyio
async def test_who_waits_in_vain_takes_nobodys_place():
    pacer = Pacer(1)
    async with pacer:
        waiting = [asyncio.create_task(pacer.__aenter__()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
    await asyncio.wait_for(waiting[1], 10)
    assert waiting[0].cancelled()


@pytest.mark.anyio
async def test_a_case_that_was_refused_is_asked_again_and_is_no_failure(tmp_path):
    evaluation, runs, refusals = a_target(12, concurrency=4), FileRuns(tmp_path / "runs"), {}

    def reply(i):
        refusals[i] = refusals.get(i, 0) + 1
        return ProviderOverloaded("too many", retry_after=0.001) if refusals[i] < 4 else "yes"

    ask = answers(reply)
    run = await execute(evaluation.new_run(1), evaluation, means=Means(ask), runs=runs, clock=FakeClock())
    assert (run.score, {result.error for result in runs.results(run.id)}) == (1.0, {""})
    assert set(ask.asked.values()) == {4}


@pytest.mark.anyio
async def test_a_provider_that_never_has_room_ends_the_run(tmp_path):
    evaluation, runs = a_target(3, concurrency=1), FileRuns(tmp_path / "runs")
    ask = answers(lambda i: ProviderOverloaded("too many", retry_after=0.001))
    with pytest.raises(ProviderOverloaded):
        await execute(evaluation.new_run(1), evaluation, means=Means(ask), runs=runs, clock=FakeClock())
    assert set(ask.asked.values()) == {PATIENCE}
