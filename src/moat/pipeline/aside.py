"""Long texts are worked on beside the event loop, so that other calls go on meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

BESIDE_THE_LOOP = 5_000
"""Characters from which a text is worked on in a thread. Those made to be slow take 10 us each, and no other call is to
wait for more than 50 ms."""

_LONG = 500_000
"""Characters from which one waits for other long ones only."""

# One thread each: all share the interpreter, and with more of them the loop would wait for each in turn.
_USUAL = ThreadPoolExecutor(1, thread_name_prefix="guards")
_SLOW = ThreadPoolExecutor(1, thread_name_prefix="guards-long")
_RECORDS = ThreadPoolExecutor(1, thread_name_prefix="records")

_T = TypeVar("_T")


async def aside(characters: int, work: Callable[[], _T], *, record: bool = False) -> _T:
    """Do the work on a text of so many characters; in a thread when that takes long. `record`: on what is kept of a
    call that has ended; it does not wait for those that go on.
    """
    if characters <= BESIDE_THE_LOOP:
        return work()
    lane = _RECORDS if record else _USUAL if characters <= _LONG else _SLOW
    return await asyncio.get_running_loop().run_in_executor(lane, work)
