"""Work that nobody waits for."""

from collections.abc import Coroutine
from typing import Any, Protocol


class Background(Protocol):
    """Runs work beside the request that asked for it, as shadow traffic does."""

    def start(self, work: Coroutine[Any, Any, None]) -> bool:
        """Begin; False, with the work closed unrun, when too much is under way: what users wait for comes first.

        Errors of the work end with it. Whoever owns the adapter waits for what is under way before it stops.
        """
        ...
