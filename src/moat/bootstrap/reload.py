"""Keeps the served snapshot in step with the files and the state store: within a second, or the last good one."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from watchfiles import awatch

from moat.domain.errors import MoatError
from moat.gateway.serving import Live, Serving

log = logging.getLogger("moat.reload")

POLL_SECONDS = 0.2
TREES = ("prompts", "tools")


class Reloader:
    """Watches moat.yaml, `prompts/`, `tools/` and the store's revision; swaps `live.serving` when they change."""

    def __init__(self, root: Path, live: Live, build: Callable[[], Serving], revision: Callable[[], int]) -> None:
        self._root = root
        self._live = live
        self._build = build
        self._revision = revision
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled. What changed between the first snapshot and the watch is seen as well."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_files())
            tasks.create_task(self._watch_store())
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._swap()

    async def _swap(self) -> None:
        before = self._live.serving
        try:
            self._live.serving = await asyncio.to_thread(self._build)
        except MoatError as error:
            self._live.serving = replace(before, problems=(str(error),))
        except OSError as error:  # a file that vanished, or may not be read
            self._live.serving = replace(before, problems=(f"{error.filename}: {error.strerror}",))
        for problem in set(self._live.serving.problems) - set(before.problems):
            log.error("broken, and so not served: %s", problem)

    async def _watch_store(self) -> None:
        seen = self._revision()
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                now = self._revision()
            except MoatError as error:
                log.error("the state store cannot be read, what was served before still is: %s", error)
                continue
            if now != seen:
                seen = now
                self._changed.set()

    async def _watch_files(self) -> None:
        """The root by itself, and the trees below it as long as they are there."""
        trees = asyncio.ensure_future(self._watch(*self._trees()))
        watched = self._trees()
        self._look_when_watching()
        try:
            async for _ in awatch(self._root, recursive=False, debounce=100, step=20):
                self._changed.set()
                if self._trees() != watched:
                    watched = self._trees()
                    await _cancel(trees)
                    trees = asyncio.ensure_future(self._watch(*watched))
        finally:
            await _cancel(trees)

    def _look_when_watching(self) -> None:
        """See what changed before the watch, which begins in the same step of the event loop as this is called."""
        asyncio.get_running_loop().call_soon(self._changed.set)

    def _trees(self) -> list[Path]:
        return [self._root / name for name in TREES if (self._root / name).is_dir()]

    async def _watch(self, *trees: Path) -> None:
        if not trees:
            return
        self._look_when_watching()
        async for _ in awatch(*trees, debounce=100, step=20):
            self._changed.set()


async def _cancel(task: "asyncio.Future[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
