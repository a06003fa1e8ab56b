"""Work in the background: bounded, its errors its own, and an end that waits and then cuts off."""

import asyncio
import gc
import logging

import pytest

from moat.bootstrap.background import BackgroundTasks
from moat.domain.errors import ProviderDown


@pytest.mark.anyio
async def test_what_is_too_much_is_refused_and_counted() -> None:
    background, go, done = BackgroundTasks(limit=2), asyncio.Event(), list[int]()

    async def work(number: int) -> None:
        await go.wait()
        done.append(number)

    assert [background.start(work(number)) for number in range(4)] == [True, True, False, False]
    assert background.dropped == 2
    go.set()
    await background.aclose()
    assert done == [0, 1]
    assert not background.start(work(9))
    gc.collect()  # a coroutine that was never run and never closed would warn here


@pytest.mark.anyio
async def test_errors_are_logged_and_end_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(error: Exception) -> None:
        raise error

    background = BackgroundTasks()
    with caplog.at_level(logging.WARNING):
        background.start(fails(ProviderDown("no route", where="provider x")))
        background.start(fails(ZeroDivisionError()))
        await background.aclose()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "provider x: no route"),
        ("ERROR", "unexpected error in the background"),
    ]


@pytest.mark.anyio
async def test_the_end_waits_for_what_is_under_way_and_cuts_off_what_hangs() -> None:
    ended = list[str]()

    async def soon() -> None:
        await asyncio.sleep(0.01)
        ended.append("soon")

    async def never() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cut off")

    background = BackgroundTasks()
    background.start(soon())
    await background.aclose()
    assert ended == ["soon"]

    background = BackgroundTasks()
    background.start(never())
    await background.aclose(grace=0.01)
    assert ended == ["soon", "cut off"]
    await background.aclose()


@pytest.mark.anyio
async def test_a_thousand_pieces_of_work_leave_no_task_behind() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    background, before = BackgroundTasks(), asyncio.all_tasks()
    started = 0
    for _ in range(1000):
        started += background.start(work())
        await asyncio.sleep(0)
    await background.aclose()
    assert started == 1000
    assert asyncio.all_tasks() == before
    assert background._tasks == set()
