"""Whether something has changed that pages show: one watcher for all who listen, and none while nobody does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, get_args

from moat.domain.errors import MoatError, Unavailable

Topic = Literal["traces", "serving", "state"]
TOPICS: tuple[Topic, ...] = get_args(Topic)

LOOK_SECONDS = 0.5
"""Between two looks: nobody is told more often."""
BEAT_SECONDS = 15.0
"""Between two signs of life to each, which keep proxies from closing the connection, and two looks at the key."""
MAX_LISTENERS = 200
"""Each is an open connection and a few KiB."""
MAX_OF_ONE = 20
"""Of one account or key: nobody takes all places. A browser needs one, or one for each of its tabs."""

log = logging.getLogger("moat.api")


class Listener:
    """One who listens."""

    def __init__(self, wake: asyncio.Event) -> None:
        self._wake = wake
        self._heard: set[Topic] = set()

    def tell(self, topics: set[Topic]) -> None:
        """These have changed."""
        self._heard |= topics
        self._wake.set()

    async def hear(self, seconds: float) -> list[Topic]:
        """What has changed since it last heard, once there is something; nothing when nothing comes in time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()
        heard, self._heard = self._heard, set()
        return [topic for topic in TOPICS if topic in heard]


class Changes:
    """For one event loop. The sources are asked in a worker thread."""

    def __init__(self, sources: Mapping[Topic, Callable[[], Any]], *, pause: float = LOOK_SECONDS) -> None:
        """`sources`: by topic, something that differs after each change."""
        self._sources = sources
        self._pause = pause
        self.beat = BEAT_SECONDS
        self._listeners: dict[Listener, str] = {}
        """With the account or key that each is of."""
        self._watcher: asyncio.Task[None] | None = None
        self.ended = False
        """Is the server stopping? Whoever listens leaves."""

    @property
    def watched(self) -> bool:
        """Does anybody look?"""
        return self._watcher is not None

    @asynccontextmanager
    async def listening(self, who: str = "") -> AsyncIterator[Listener]:
        """Hear of what changes from now on; `who`: the account or key. Raises `Unavailable` when too many do."""
        if self.ended:
            raise Unavailable("the server is stopping")
        if len(self._listeners) >= MAX_LISTENERS:
            raise Unavailable(f"{MAX_LISTENERS} clients listen already", remedy="Ask again now and then instead.")
        if list(self._listeners.values()).count(who) >= MAX_OF_ONE:
            raise Unavailable(
                f"{MAX_OF_ONE} clients of this account or key listen already", remedy="Close some, or ask now and then."
            )
        listener = Listener(asyncio.Event())
        self._listeners[listener] = who
        try:
            if self._watcher is None:
                # Before anybody is told that he listens: what changes after that must not be missed.
                before = await asyncio.to_thread(self._look)
                if self._watcher is None:
                    self._watcher = asyncio.create_task(self._watch(before))
            yield listener
        finally:
            del self._listeners[listener]
            if not self._listeners and self._watcher is not None:
                self._watcher.cancel()
                self._watcher = None

    def end(self) -> None:
        """Let everybody go. Idempotent."""
        self.ended = True
        for listener in self._listeners:
            listener.tell(set())

    async def _watch(self, before: dict[Topic, Any]) -> None:
        while True:
            await asyncio.sleep(self._pause)
            now = await asyncio.to_thread(self._look)
            # What could not be asked counts as it was: it differs as soon as it can be again, if it does.
            now = {**before, **now}
            changed: set[Topic] = {topic for topic in now if topic not in before or now[topic] != before[topic]}
            before = now
            if changed:
                for listener in self._listeners:
                    listener.tell(changed)

    def _look(self) -> dict[Topic, Any]:
        found: dict[Topic, Any] = {}
        for topic, source in self._sources.items():
            try:
                found[topic] = source()
            except MoatError as error:
                log.warning("cannot tell whether %s changed: %s", topic, error)
            except Exception:  # process edge: a bug in one source must not end the watcher, and all topics with it
                log.exception("unexpected error: cannot tell whether %s changed", topic)
        return found
