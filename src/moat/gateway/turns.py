"""Fairness between callers: of each, one new request begins in one turn of the event loop.

Without it a caller that keeps many connections busy has all its requests begun between two of another's, who waits for
them all. Here they queue behind each other, and the other's is next in the following turn.
"""

import asyncio
from collections import deque


class Turns:
    """Lets requests begin. A caller who has none waiting passes at once."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def take(self, caller: str) -> None:
        """Wait until it is this caller's turn."""
        queue = self._waiting.get(caller)
        if queue is None:
            self._waiting[caller] = deque()
            asyncio.get_running_loop().call_soon(self._next, caller)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        await turn

    def _next(self, caller: str) -> None:
        """A turn of the loop is over."""
        queue = self._waiting[caller]
        while queue:
            turn = queue.popleft()
            if not turn.done():  # else its client hung up meanwhile
                turn.set_result(None)
                asyncio.get_running_loop().call_soon(self._next, caller)
                return
        del self._waiting[caller]
