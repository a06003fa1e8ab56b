"""Places for messages: who gets one, and who none."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from moat.adapters.otlp.places import Places, Sender

pytestmark = [pytest.mark.anyio, pytest.mark.promise("inj-6")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Crowd:
    """Senders who want a place and keep it."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.inside: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, caller: str, connection: str) -> None:
        self._tasks[name] = asyncio.create_task(self._stay(name, Sender(caller, connection)))
        await asyncio.sleep(0.001)

    async def leave(self, *names: str) -> None:
        """At the same moment."""
        for name in names:
            self._tasks[name].cancel()
        await asyncio.gather(*(self._tasks.pop(name) for name in names), return_exceptions=True)
        await asyncio.sleep(0.001)

    async def all_leave(self) -> None:
        await self.leave(*self._tasks)

    async def _stay(self, name: str, sender: Sender) -> None:
        async with self.places.take(sender):
            self.inside.append(name)
            try:
                await asyncio.Event().wait()
            finally:
                self.inside.remove(name)


async def test_nobody_gets_all() -> None:
    crowd = Crowd(Places(8, 64))
    for number in range(12):
        await crowd.come(f"silent {number}", "a", "one")
    assert crowd.inside == ["silent 0", "silent 1"], "half of the half"
    await crowd.come("other connection", "a", "two")
    await crowd.come("other caller", "b", "one")
    assert crowd.inside[2:] == ["other connection", "other caller"]
    for number in range(20):
        await crowd.come(f"flood {number}", "a", f"flood {number}")
    assert len(crowd.inside) == 5
    for caller in "cdefg":
        await crowd.come(caller, caller, "x")
    assert crowd.inside[5:] == ["c", "d", "e"], "as many as there are"
    await crowd.leave("silent 0")
    assert crowd.inside[7:] == ["f"], "one who has none goes before those who came earlier"
    await crowd.all_leave()
    assert crowd.inside == []
    assert crowd.places.__dict__["_held"] == crowd.places.__dict__["_all"] == {}, "nothing is kept of who is gone"


async def test_who_leaves_while_waiting_or_while_getting_a_place_loses_none() -> None:
    crowd = Crowd(Places(2, 64))
    await crowd.come("first", "a", "x")
    for name in ("second", "third", "fourth"):
        await crowd.come(name, "a", "x")
    await crowd.leave("third", "first", "second")
    assert crowd.inside == ["fourth"]
    await crowd.all_leave()
    await crowd.come("next", "a", "x")
    assert crowd.inside == ["next"]
    await crowd.all_leave()


async def test_where_too_many_wait_those_are_refused_who_have_their_share() -> None:
    places = Places(1, 8)
    async with AsyncExitStack() as held:
        await held.enter_async_context(places.take(Sender("a", "one")))
        waiting = [asyncio.create_task(places.take(Sender("a", "one")).__aenter__()) for _ in range(7)]
        await asyncio.sleep(0.001)
        assert places.is_full(Sender("a", "one"))
        assert not places.is_full(Sender("a", "two")), "another connection of the same key"
        assert not places.is_full(Sender("b", "one")), "another key"
        for number in range(30):
            sender = Sender("a", f"flood {number}")
            if not places.is_full(sender):
                waiting.append(asyncio.create_task(places.take(sender).__aenter__()))
                await asyncio.sleep(0)
        assert len(waiting) < 2 * 8, "a key has a bound of its own"
        assert places.is_full(Sender("a", "new"))
        assert not places.is_full(Sender("b", "one"))
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert not places.is_full(Sender("a", "one"))
