"""Who may send now: a number of places, of which nobody gets all.

A place is held while a message comes, however slowly that is. So one caller gets no more than half of the places that
others leave, and one of his connections half of his: whoever sends nothing stops himself, and others find room.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple


class Sender(NamedTuple):
    """One connection of one caller."""

    caller: str
    connection: str


class Places:
    """Places for messages, shared out fairly between callers, and between the connections of each."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._callers: Counter[str] = Counter()
        self._senders: Counter[Sender] = Counter()
        self._waiting: list[tuple[Sender, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def take(self, sender: Sender) -> AsyncIterator[None]:
        """Hold a place; the next goes to whoever holds the fewest, and of these to the first that came."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((sender, turn))
        self._give()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove((sender, turn))
            else:
                self._leave(sender)  # it was given, and nobody is there to take it
            raise
        try:
            yield
        finally:
            self._leave(sender)

    def _leave(self, sender: Sender) -> None:
        for held, name in ((self._callers, sender.caller), (self._senders, sender)):
            held[name] -= 1  # type: ignore[index]
            if not held[name]:  # type: ignore[index]
                del held[name]  # type: ignore[arg-type]
        self._give()

    def _give(self) -> None:
        while admissible := [waiting for waiting in self._waiting if self._may(waiting[0])]:
            chosen = min(admissible, key=lambda waiting: (self._callers[waiting[0].caller], self._senders[waiting[0]]))
            self._waiting.remove(chosen)
            sender, turn = chosen
            self._callers[sender.caller] += 1
            self._senders[sender] += 1
            turn.set_result(None)

    def _may(self, sender: Sender) -> bool:
        his, of_this = self._callers[sender.caller], self._senders[sender]
        share = half(self._places - (self._callers.total() - his))
        return his < share and of_this < half(share - (his - of_this))


def half(places: int) -> int:
    """Of one, that one."""
    return (places + 1) // 2
