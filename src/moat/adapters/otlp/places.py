"""Who may send now: a number of places, of which nobody gets all.

A place is held while a message comes, however slowly that is. So one caller gets no more than half of the places that
others leave, and one of his connections half of his: whoever sends nothing stops himself, and others find room. Whoever
gets none waits; where too many wait, those are refused who have their share.
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

    def __init__(self, places: int, most: int) -> None:
        """`most` may hold one or wait; beyond, those who have less than their share of it."""
        self._places, self._most = places, most
        self._all: Counter[Sender] = Counter()
        self._held: Counter[Sender] = Counter()
        self._waiting: list[tuple[Sender, asyncio.Future[None]]] = []

    def is_full(self, sender: Sender) -> bool:
        """Are there too many already for one more of this sender?"""
        if self._all.total() < self._most:
            return False
        his = {each: calls for each, calls in self._all.items() if each.caller == sender.caller}
        share = self._most // len({each.caller for each in (*self._all, sender)})
        of_connection = share // len({*his, sender})
        calls = sum(his.values())
        return calls >= 2 * self._most or (calls >= share and his.get(sender, 0) >= of_connection)

    @asynccontextmanager
    async def take(self, sender: Sender) -> AsyncIterator[None]:
        """Hold a place; the next goes to whoever holds the fewest, and of these to the first that came."""
        self._all[sender] += 1
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = sender, turn
        self._waiting.append(waiting)
        self._give()
        try:
            await turn
            yield
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:
                self._held[sender] -= 1
                self._held += Counter()  # drops those at zero
            self._all[sender] -= 1
            self._all += Counter()
            self._give()

    def _give(self) -> None:
        """Give places away as long as somebody may have one."""
        while able := [waiting for waiting in self._waiting if not waiting[1].done() and self._may(waiting[0])]:
            chosen = min(able, key=lambda waiting: (self._of(waiting[0].caller), self._held[waiting[0]]))
            self._waiting.remove(chosen)
            sender, turn = chosen
            self._held[sender] += 1
            turn.set_result(None)

    def _may(self, sender: Sender) -> bool:
        his, here = self._of(sender.caller), self._held[sender]
        share = _half(self._places - (self._held.total() - his))
        return his < share and here < _half(share - (his - here))

    def _of(self, caller: str) -> int:
        return sum(held for sender, held in self._held.items() if sender.caller == caller)


def _half(places: int) -> int:
    """Of one, that one."""
    return (places + 1) // 2
