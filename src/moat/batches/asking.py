"""A batch that the gateway runs itself: line by line through the pipeline, a few at a time."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from moat.batches.lines import Line
from moat.batches.reserving import LineLedger, wait
from moat.batches.running import Running
from moat.domain.calls import Call
from moat.domain.errors import (
    CircuitOpen,
    LimitExceeded,
    MoatError,
    Overloaded,
    ProviderOverloaded,
    Stopped,
    StorageError,
)
from moat.pipeline.recipe import build

TRIES = 5
"""Of a line, while there is no room for it: nobody waits for a batch, so it can wait."""
LONGEST_WAIT = 3600.0
"""Seconds. A limit that has no room for longer is the line's answer."""
BACKOFF = 1.0
"""Seconds before the second try, where nobody says how long; doubled with each further one."""


async def ask_lines(running: Running, slots: asyncio.Semaphore, workers: int) -> None:
    """Run all lines that have no result, until the batch stops. Raises `StorageError`; what is done stays done."""
    lines = running.left()
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(_work(running, lines, slots))
    except* MoatError as group_of_errors:
        raise _first(group_of_errors) from None


def _first(group: BaseExceptionGroup[MoatError]) -> MoatError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _work(running: Running, lines: Iterator[Line], slots: asyncio.Semaphore) -> None:
    while not running.stopping.is_set():
        line = next(lines, None)
        if line is None:
            return
        await _run(running, line, slots)


async def _run(running: Running, line: Line, slots: asyncio.Semaphore) -> None:
    """Run one line to its result, or until the batch stops."""
    for tried in range(1, TRIES + 1):
        async with slots:
            if running.stopping.is_set():
                return
            seconds = await _try(running, line, last=tried == TRIES, backoff=BACKOFF * 2 ** (tried - 1))
        if seconds is None:
            return
        await wait(running.stopping, seconds)


async def _try(running: Running, line: Line, *, last: bool, backoff: float) -> float | None:
    """One try; seconds until another is due, None when there is a result or the batch stops."""
    request_id = ""
    try:
        call = running.call(line)
        request_id = call.id
        await _ask(running, line, call)
    except StorageError:
        raise
    except MoatError as error:
        if isinstance(error, Stopped) and running.stopping.is_set():
            return None
        seconds = _seconds(error, backoff)
        if seconds is not None and not last:
            return seconds
        running.fail(line, request_id, error)
    return None


def _seconds(error: MoatError, backoff: float) -> float | None:
    """Until another try may go better; None when none will."""
    if isinstance(error, LimitExceeded) and error.retry_after is None:
        return None
    if not isinstance(error, CircuitOpen | LimitExceeded | Overloaded | ProviderOverloaded):
        return None
    seconds = max(error.retry_after or 0.0, backoff)
    return seconds if seconds <= LONGEST_WAIT else None


async def _ask(running: Running, line: Line, call: Call) -> None:
    ports = running.ports
    if ports.ledger is not None:
        ledger = LineLedger(ports.ledger, partial(running.reserved.give_back, line.number), running.stopping)
        ports = replace(ports, ledger=ledger)
    await running.answer(line, call, build(ports))
    running.reserved.give_back(line.number)
