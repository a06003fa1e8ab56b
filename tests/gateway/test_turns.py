"""One caller's flood and another's single request."""

import asyncio

import pytest

from moat.gateway.turns import Turns


@pytest.mark.anyio
@pytest.mark.promise("up-4")
async def test_of_each_caller_one_request_begins_in_a_turn() -> None:
    turns, order = Turns(), list[str]()

    async def request(caller: str, name: str) -> None:
        await turns.take(caller)
        order.append(name)

    flood = [asyncio.create_task(request("busy", f"busy{number}")) for number in range(50)]
    for _ in range(3):
        await asyncio.sleep(0)
    calm = asyncio.create_task(request("calm", "calm"))
    await asyncio.gather(*flood, calm)
    assert order.index("calm") < 8, "not behind the fifty"
    assert [name for name in order if name != "calm"] == [f"busy{number}" for number in range(50)]
    await asyncio.sleep(0)
    assert turns._waiting == {}, "nothing is kept of callers who are gone"


@pytest.mark.anyio
async def test_a_client_that_hangs_up_gives_its_turn_to_the_next() -> None:
    turns, begun = Turns(), list[int]()

    async def request(number: int) -> None:
        await turns.take("k")
        begun.append(number)

    tasks = [asyncio.create_task(request(number)) for number in range(5)]
    await asyncio.sleep(0)
    for task in tasks[1:4]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert begun == [0, 4]
